"""A training that does little else than save: `python -m tests.faults.saves_job PROGRAM DIRECTORY STEPS`.

The same model, data, optimizer and cadence for each program. It says what it does in lines of its standard output:

    process 123     where to send a signal
    resumed 8       the global step that it begins at; training has begun
    made 10         a step that was made
    saved 10        a checkpoint that is complete
    weights c0ffee  the weights at the end
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.estimator import Estimator, EstimatorSpec, ModeKeys, RunConfig, TrainingHook
from trainer.estimator.contract.hooks import PatientListener

SAVE_EVERY = 2
KEPT = 3
_SIZE, _RATE, _MOMENTUM = 128, 0.001, 0.9
_LARGE = 1024
"""With their momentum, weights of so many rows are enough to be written beside the steps."""


def say(word: str, value: object) -> None:
    """A line in one write, so that a kill cannot cut it off."""
    os.write(1, f"{word} {value}\n".encode())


def batches(size: int = _SIZE) -> tf.data.Dataset:
    """Shuffled batches without end: features [8, size], labels [8, size]."""

    def example(seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        values = tf.random.stateless_normal([2, size], tf.stack([seed, seed]))
        return values[0], values[1]

    return tf.data.Dataset.range(1000).repeat().shuffle(50, seed=7).map(example).batch(8, drop_remainder=True)


def digest(weights: Any) -> str:
    """The weights in a few letters; [size, size]."""
    return hashlib.sha256(np.asarray(weights, np.float32).tobytes()).hexdigest()[:12]


# Ours


def model_fn(features: tf.Tensor, labels: tf.Tensor, mode: ModeKeys) -> EstimatorSpec:
    size = features.shape[1]
    weights = tf.compat.v1.get_variable("weights", [size, size], initializer=tf.compat.v1.zeros_initializer())
    loss = tf.reduce_mean((features @ weights - labels) ** 2)
    optimizer = tf.compat.v1.train.MomentumOptimizer(_RATE, _MOMENTUM)
    train_op = optimizer.minimize(loss, tf.compat.v1.train.get_global_step())
    return EstimatorSpec(mode, loss=loss, train_op=train_op, predictions={"y": features})


class Says(TrainingHook, PatientListener):
    """Says what the Estimator does."""

    def after_run(self, run_context: Any, run_values: Any) -> None:
        say("made", run_values.global_step)

    def after_save(self, session: Any, global_step_value: int) -> None:
        say("saved", global_step_value)


class Waits(Says):
    """Has the Estimator wait for its saves."""

    def waits_for(self, global_step_value: int) -> bool:
        return True


def ours(directory: str, steps: int) -> None:
    train(directory, steps, Waits(), _SIZE)


def ours_beside_the_steps(directory: str, steps: int) -> None:
    train(directory, steps, Says(), _LARGE)


def train(directory: str, steps: int, says: Says, size: int) -> None:
    """Trains up to a step on batches of rows of a size."""
    config = RunConfig(
        tf_random_seed=1,
        save_checkpoints_steps=SAVE_EVERY,
        keep_checkpoint_max=KEPT,
        log_step_count_steps=None,
        save_summary_steps=None,
    )
    estimator = Estimator(model_fn, directory, config)
    latest = estimator.latest_checkpoint()
    say("resumed", 0 if latest is None else latest.rpartition("-")[2])
    estimator.train(lambda: batches(size), hooks=[says], max_steps=steps, saving_listeners=[says])
    say("weights", digest(estimator.get_variable_value("weights")))


# tf.train.CheckpointManager, as its guide says


def checkpoint_manager(directory: str, steps: int) -> None:
    weights, step = tf.Variable(tf.zeros([_SIZE, _SIZE])), tf.Variable(0, dtype=tf.int64)
    optimizer, iterator = tf.keras.optimizers.SGD(_RATE, _MOMENTUM), iter(batches())
    optimizer.build([weights])
    checkpoint = tf.train.Checkpoint(weights=weights, step=step, optimizer=optimizer, iterator=iterator)
    manager = tf.train.CheckpointManager(checkpoint, directory, max_to_keep=KEPT)
    checkpoint.restore(manager.latest_checkpoint)
    say("resumed", int(step))

    @tf.function
    def train(features: tf.Tensor, labels: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((features @ weights - labels) ** 2)
        optimizer.apply([tape.gradient(loss, weights)])
        step.assign_add(1)

    while int(step) < steps:
        train(*next(iterator))
        if int(step) % SAVE_EVERY == 0:
            say("made", int(step))
            manager.save()
            say("saved", int(step))
    say("weights", digest(weights))


# Keras


class SaysKeras(tf.keras.callbacks.Callback):
    """Says what Keras does; stands after the backup among the callbacks."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self._steps = steps

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        say("resumed", self._step())

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        if self._step() % SAVE_EVERY == 0:
            say("saved", self._step())
        if self._step() >= self._steps:
            say("weights", digest(self.model.get_weights()[0]))
            os._exit(0)  # the backup would be deleted at the end of fit

    def _step(self) -> int:
        return int(self.model.optimizer.iterations.numpy())


class SaysMade(SaysKeras):
    """Says the steps that were made, before the backup saves them."""

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        pass

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        if self._step() % SAVE_EVERY == 0:
            say("made", self._step())


def backup_and_restore(directory: str, steps: int) -> None:
    inputs = tf.keras.Input([_SIZE])
    outputs = tf.keras.layers.Dense(_SIZE, use_bias=False, kernel_initializer="zeros")(inputs)
    model = tf.keras.Model(inputs, outputs)
    model.compile(tf.keras.optimizers.SGD(_RATE, _MOMENTUM), "mse")
    backup = tf.keras.callbacks.BackupAndRestore(directory, save_freq=SAVE_EVERY)
    callbacks = [SaysMade(steps), backup, SaysKeras(steps)]
    model.fit(batches(), epochs=1, steps_per_epoch=1_000_000, verbose=0, callbacks=callbacks)


PROGRAMS = {
    "this package": ours,
    "this package, beside the steps": ours_beside_the_steps,
    "tf.train.CheckpointManager": checkpoint_manager,
    "Keras BackupAndRestore": backup_and_restore,
}


def of_lines(text: str) -> Iterator[tuple[str, str]]:
    """What a training said, word by word."""
    for line in text.splitlines():
        word, _, value = line.partition(" ")
        if word in ("process", "resumed", "made", "saved", "weights"):
            yield word, value


def main(program: str, directory: str, steps: str) -> None:
    say("process", os.getpid())
    if "://" not in directory:
        Path(directory).mkdir(parents=True, exist_ok=True)
    PROGRAMS[program](directory, int(steps))


if __name__ == "__main__":
    main(*sys.argv[1:])
