"""A process with four logical CPUs, which trains on them in many ways and writes the results as JSON.

TensorFlow fixes its devices once in a process, so a test of several devices needs one of its own.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainer.estimator import (
    Estimator,
    EstimatorSpec,
    RegressionHead,
    RunConfig,
    RunContext,
    RunValues,
    TrainingHook,
    model_to_estimator,
)
from trainer.estimator.saving.events import read_scalars

ROWS, STEPS = 128, 60
DEVICES = [f"/device:CPU:{index}" for index in range(4)]


def rows() -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets: float32 [128, 12] and [128, 3]."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(ROWS, 12)) + rng.uniform(-1, 1, ROWS)[:, None]
    y = x @ rng.normal(size=(12, 3)) + rng.normal(size=(ROWS, 3))
    return x.astype(np.float32), y.astype(np.float32)


def batches(size: int, repeat: int | None = None) -> Callable[[], tf.data.Dataset]:
    return lambda: tf.data.Dataset.from_tensor_slices(rows()).batch(size).repeat(repeat)


def model_fn(features: tf.Tensor, labels: tf.Tensor, mode: str, params: dict[str, Any]) -> EstimatorSpec:
    """A dense layer from zero; refuses features above the limit in params."""
    zeros = tf.compat.v1.zeros_initializer()
    kernel = tf.compat.v1.get_variable("kernel", [12, 3], initializer=zeros)
    bias = tf.compat.v1.get_variable("bias", [3], initializer=zeros)
    with tf.control_dependencies([tf.debugging.assert_less(features, params.get("limit", 1e9))]):
        loss = tf.reduce_mean((features @ kernel + bias - labels) ** 2)
    tf.summary.scalar("first_label", labels[0, 0])
    if params.get("optimizer") == "of a head":
        head, of_head = RegressionHead(label_dimension=3), {"trainable_variables": [kernel, bias]}
        logits = features @ kernel + bias
        return head.create_estimator_spec({}, mode, logits, labels, keras.optimizers.SGD(0.05), **of_head)
    if params.get("optimizer") == "by hand":
        train_op = kernel.assign_sub(0.05 * tf.gradients(loss, kernel)[0])
    elif params.get("optimizer") == "adam":
        optimizer = keras.optimizers.Adam(0.01)
        train_op = optimizer.apply(tf.gradients(loss, [kernel, bias]), [kernel, bias])
    else:
        train_op = tf.compat.v1.train.GradientDescentOptimizer(0.05).minimize(loss)
    return EstimatorSpec(mode, loss=loss, train_op=train_op)


def keras_model() -> keras.Model:
    """Normalises over the batch, then one dense layer from zero."""
    layers = [
        keras.Input([12]),
        keras.layers.BatchNormalization(momentum=0.9),
        keras.layers.Dense(3, kernel_initializer="zeros"),
    ]
    model = keras.Sequential(layers)
    model.compile(optimizer=keras.optimizers.SGD(0.05), loss="mse")
    return model


class Notes(TrainingHook):
    """Collects the losses, and may end training."""

    every_n_steps = 7

    def __init__(self, stop_at: int | None = None) -> None:
        self.losses: list[float] = []
        self._stop_at = stop_at

    def after_run(self, run_context: RunContext, run_values: RunValues) -> None:
        self.losses += [float(loss) for loss in run_values.losses]
        if self._stop_at is not None and run_values.global_step >= self._stop_at:
            run_context.request_stop("the test asks for it")


def config(devices: int | None, **settings: Any) -> RunConfig:
    """Of a strategy for the first devices; None leaves the choice to the Estimator."""
    mirrored = {} if devices is None else {"train_distribute": tf.distribute.MirroredStrategy(DEVICES[:devices])}
    return RunConfig(**{"save_checkpoints_steps": 1000, "save_summary_steps": None} | mirrored | settings)


def new_dir() -> str:
    return tempfile.mkdtemp(dir=sys.argv[1])


def trained(devices: int | None, directory: str, size: int, steps: int, **params: Any) -> tuple[Estimator, list[float]]:
    """An Estimator trained up to a step on batches of a size, and the losses of this training."""
    estimator, notes = Estimator(model_fn, directory, config(devices), params), Notes()
    estimator.train(batches(size), [notes], max_steps=steps)
    return estimator, notes.losses


def replicas(estimator: Estimator) -> list[dict[str, np.ndarray]]:
    """The variables of every device, by name."""
    strategy: Any = estimator._strategy
    stores = [replica.store for replica in strategy.replicas]
    return [{name: variable.numpy() for name, variable in store.by_name.items()} for store in stores]


def summary(estimator: Estimator, losses: list[float]) -> dict[str, Any]:
    first, *others = replicas(estimator)
    alike = [all(np.array_equal(value, other[name]) for name, value in first.items()) for other in others]
    step = int(first["global_step"])
    return {"losses": losses, "alike": alike, "step": step, "reason": estimator.stop_reason.value}


def paths() -> Iterator[tuple[str, Any]]:
    for optimizer in ("sgd", "adam", "of a head"):
        for devices in (1, 2, 4) if optimizer == "sgd" else (1, 2):
            training = trained(devices, new_dir(), ROWS // devices, STEPS, optimizer=optimizer)
            yield f"{optimizer} on {devices}", summary(*training)
    yield "without a strategy", summary(*trained(None, new_dir(), ROWS // 4, STEPS))
    local = Estimator(model_fn, new_dir(), config(None, train_distribute=tf.distribute.MultiWorkerMirroredStrategy()))
    notes = Notes()
    local.train(batches(ROWS), [notes], max_steps=STEPS)
    yield "a MultiWorkerMirroredStrategy without a cluster", summary(local, notes.losses)


def one_device() -> Iterator[tuple[str, Any]]:
    strategy = tf.distribute.OneDeviceStrategy("/device:CPU:2")
    estimator, notes = Estimator(model_fn, new_dir(), config(None, train_distribute=strategy), {}), Notes()
    estimator.train(batches(ROWS), [notes], max_steps=STEPS)
    chosen: Any = estimator._strategy
    yield "one device", summary(estimator, notes.losses) | {"device": chosen.replicas[0].store.by_name["kernel"].device}


def continued() -> Iterator[tuple[str, Any]]:
    """Each batch is all rows, so that any number of devices makes the same step; one run resumes with other batches."""
    for first, then, size in ((2, 1, ROWS), (1, 2, ROWS), (2, 4, ROWS), (2, 2, ROWS // 2)):
        directory = new_dir()
        _, losses = trained(first, directory, ROWS, 25, optimizer="adam")
        estimator, more = trained(then, directory, size, STEPS, optimizer="adam")
        yield f"from {first} to {then} with {size} rows", summary(estimator, losses + more)
    estimator, more = trained(2, directory, ROWS // 2, 2000, optimizer="adam")
    yield "long after another batch size", summary(estimator, more)


def keras_paths() -> Iterator[tuple[str, Any]]:
    for devices in (1, 2):
        estimator, notes = model_to_estimator(keras_model(), model_dir=new_dir(), config=config(devices)), Notes()
        estimator.train(batches(ROWS // devices), [notes], max_steps=STEPS)
        moving = {name: value.tolist() for name, value in replicas(estimator)[0].items() if "moving" in name}
        saved = {name: estimator.get_variable_value(name).tolist() for name in moving}
        metrics = estimator.evaluate(batches(ROWS, 1))
        yield (
            f"keras on {devices}",
            summary(estimator, notes.losses)
            | {
                "moving": moving,
                "saved": saved,
                "eval loss": float(metrics["loss"]),
            },
        )


def stopped() -> Iterator[tuple[str, Any]]:
    estimator, notes = Estimator(model_fn, new_dir(), config(2), {}), Notes(stop_at=20)
    estimator.train(batches(64), [notes], max_steps=100_000)
    yield "early stop", summary(estimator, notes.losses)
    ragged, notes = Estimator(model_fn, new_dir(), config(2), {}), Notes()
    ragged.train(batches(50), [notes], max_steps=30)  # 50, 50 and 28 rows in an epoch
    yield "smaller batches", summary(ragged, notes.losses)
    finite, notes = Estimator(model_fn, new_dir(), config(2), {}), Notes()
    finite.train(batches(25, 1), [notes])
    yield "an odd number of batches", summary(finite, notes.losses)


def summaries() -> Iterator[tuple[str, Any]]:
    estimator = Estimator(model_fn, new_dir(), config(2, save_summary_steps=1), {})
    estimator.train(batches(64), max_steps=2)
    events = read_scalars(estimator.model_dir)
    yield "first labels", [[events[step]["first_label"] for step in (1, 2)], float(rows()[1][0, 0])]


def refused() -> Iterator[tuple[str, Any]]:
    try:
        trained(2, new_dir(), 64, 1, optimizer="by hand")
    except ValueError as error:
        yield "a weight written by hand", str(error)


def failing() -> Iterator[tuple[str, Any]]:
    """Comes last: once aborted, TensorFlow's collectives fail until the process ends."""
    x, _ = rows()
    estimator = Estimator(model_fn, new_dir(), config(2), {"limit": float(x[:64].max()) + 0.01})
    try:
        estimator.train(batches(64), max_steps=10)
    except tf.errors.InvalidArgumentError as error:
        yield "an error on the second device", str(error)


def speeds() -> Iterator[tuple[str, Any]]:
    for devices in (1, 2, 4):
        estimator = Estimator(model_fn, new_dir(), config(devices), {})
        estimator.train(batches(ROWS // devices), max_steps=2000)
        began = time.perf_counter()
        estimator.train(batches(ROWS // devices), max_steps=12_000)
        yield f"steps/s on {devices}", 10_000 / (time.perf_counter() - began)


def main() -> None:
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * len(DEVICES)
    )
    parts = (
        [speeds] if sys.argv[2:] else [paths, one_device, continued, keras_paths, stopped, summaries, refused, failing]
    )
    log = Path(sys.argv[1], "log")
    logging.getLogger("trainer").addHandler(logging.FileHandler(log))
    logging.getLogger("trainer").setLevel(logging.INFO)
    results = dict(entry for part in parts for entry in part())
    Path(sys.argv[1], "results.json").write_text(json.dumps(results | {"log": log.read_text()}))


if __name__ == "__main__":
    main()
