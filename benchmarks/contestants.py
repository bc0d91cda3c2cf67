"""One contestant of `steps_per_second`, measured in a process of its own.

    PYTHONPATH=. python -m benchmarks.contestants CONTESTANT CSV UNITS BATCH_SIZE STEPS

Prints a JSON object with steps per second and the seconds that a job costs beside its steps. A contestant trains twice
STEPS in one go; the second half is timed, when everything is traced, compiled and warm.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import sines

if TYPE_CHECKING:
    import tensorflow as tf

LEARNING_RATE = 0.01
STEPS_PER_CALL = 200


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """What every contestant is given: course data in a CSV file, an LSTM of `units`, SGD at 0.01.

    Attributes:
      steps: to time, after as many untimed ones; a multiple of 200.
      clock: seconds.
    """

    csv: str
    units: int
    batch_size: int
    steps: int
    clock: Callable[[], float]


Contestant = Callable[[Job], float]
"""Trains and returns the seconds of the timed steps."""


def estimator(job: Job, input_fn: Callable[[], tf.data.Dataset], model_fn: Callable[..., Any] | None = None) -> float:
    """The course's model function (or this one), trained from scratch in a new directory; timed between checkpoints."""
    from benchmarks.model_functions import course_lstm, tf_estimator

    started, ended = {}, {}

    class Stopwatch(tf_estimator.CheckpointSaverListener):
        def before_save(self, *arguments: Any) -> None:  # the reference passes its session before the step
            ended[int(arguments[-1])] = job.clock()

        def after_save(self, *arguments: Any) -> None:
            started[int(arguments[-1])] = job.clock()

    params = {"optimizer": "sgd", "learning_rate": LEARNING_RATE, "size": job.units}
    with tempfile.TemporaryDirectory() as model_dir:
        config = tf_estimator.RunConfig(save_checkpoints_steps=job.steps)
        trained = tf_estimator.Estimator(model_fn or course_lstm, model_dir, config, params)
        trained.train(input_fn, steps=2 * job.steps, saving_listeners=[Stopwatch()])
    return ended[2 * job.steps] - started[job.steps]


def course_input(job: Job) -> float:
    """tf.estimator or `trainer.estimator`, as the interpreter has it, with the course's input function."""
    return estimator(job, sines.course_csv(job.csv, job.batch_size))


def batched_input(job: Job) -> float:
    """The same, with an input function that decodes a batch at a time."""
    return estimator(job, sines.batched_csv(job.csv, job.batch_size))


def trainer_inputs(job: Job) -> float:
    """The same, with the rows that `trainer.inputs` reads, checks and shuffles."""
    from benchmarks.model_functions import course_lstm
    from trainer import inputs
    from trainer.formats.settings import ForecastData

    data = ForecastData(train_data_paths=(job.csv,), eval_data_paths=(job.csv,), train_batch_size=job.batch_size)
    source = inputs.describe(data)

    def model_fn(features: dict[str, tf.Tensor], labels: tf.Tensor, mode: str, params: dict[str, Any]) -> Any:
        rows = {sines.FEATURE: features["values"][..., 0]}
        return course_lstm(rows, labels[..., 0], mode, params)

    return estimator(job, lambda: inputs.train_input_fn(source, data), model_fn)


def keras_fit(job: Job) -> float:
    """Keras 3 as one types it: LSTM, Dense, compile, fit; the second epoch is timed."""
    import keras

    def as_sequence(features: dict[str, tf.Tensor], label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return features[sines.FEATURE][..., None], label

    shape = (sines.SEQUENCE_LENGTH - sines.N_OUTPUTS, 1)
    model = keras.Sequential([keras.Input(shape), keras.layers.LSTM(job.units), keras.layers.Dense(sines.N_OUTPUTS)])
    model.compile(optimizer=keras.optimizers.SGD(LEARNING_RATE), loss="mse")
    ends: list[float] = []
    watch = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: ends.append(job.clock()))
    dataset = sines.batched_csv(job.csv, job.batch_size)().map(as_sequence)
    model.fit(dataset, steps_per_epoch=job.steps, epochs=2, verbose=0, callbacks=[watch])
    return ends[1] - ends[0]


class BareModel:
    """The model of `course_lstm` with nothing around it: four variables and a step of gradient descent."""

    def __init__(self, units: int) -> None:
        import numpy as np
        import tensorflow as tf

        from benchmarks.model_functions import LstmCell, initial

        self.cell = LstmCell(units)
        self.weights = [
            tf.Variable(initial(1, (1 + units, 4 * units))),
            tf.Variable(np.zeros(4 * units, np.float32)),
            tf.Variable(initial(2, (units, sines.N_OUTPUTS))),
            tf.Variable(initial(3, (sines.N_OUTPUTS,))),
        ]

    def step(self, features: dict[str, tf.Tensor], labels: tf.Tensor) -> tf.Tensor:
        """One update; returns the loss before it, float32 []."""
        import tensorflow as tf

        kernel, bias, weight, shift = self.weights
        with tf.GradientTape() as tape:
            rows = features[sines.FEATURE]
            state = self.cell.zero_state(tf.shape(rows)[0], tf.float32)
            for inputs in tf.split(rows, rows.shape[1], 1):
                hidden, state = self.cell.advance(inputs, state, kernel, bias)
            loss = tf.reduce_mean(tf.square(tf.matmul(hidden, weight) + shift - labels))
        for variable, gradient in zip(self.weights, tape.gradient(loss, self.weights), strict=True):
            variable.assign_sub(LEARNING_RATE * gradient)
        return loss


def timed(job: Job, call: Callable[[], tf.Tensor], steps_per_call: int) -> float:
    """The seconds of the second half of the calls; a loss is read at the end of each half."""
    seconds = 0.0
    for _ in range(2):
        start = job.clock()
        for _ in range(job.steps // steps_per_call):
            loss = call()
        float(loss)
        seconds = job.clock() - start
    return seconds


def batches(job: Job) -> Iterator[Any]:
    return iter(sines.batched_csv(job.csv, job.batch_size)())


def bare_call(job: Job) -> float:
    """A `tf.function` call for each step, no hooks."""
    import tensorflow as tf

    step, iterator = tf.function(BareModel(job.units).step), batches(job)
    return timed(job, lambda: step(*next(iterator)), 1)


def bare_loop(job: Job) -> float:
    """`STEPS_PER_CALL` steps in one `tf.function` call, the iterator inside it, no hooks."""
    import tensorflow as tf

    model, iterator = BareModel(job.units), batches(job)

    @tf.function
    def loop() -> tf.Tensor:
        loss = tf.constant(0.0)
        for _ in tf.range(STEPS_PER_CALL):
            features, labels = next(iterator)
            loss = model.step(features, labels)
        return loss

    return timed(job, loop, STEPS_PER_CALL)


def bare_xla(job: Job) -> float:
    """`STEPS_PER_CALL` steps in one XLA program over a stacked batch, no hooks."""
    import tensorflow as tf

    model = BareModel(job.units)
    stacks = iter(sines.batched_csv(job.csv, job.batch_size)().batch(STEPS_PER_CALL, drop_remainder=True).prefetch(2))

    @tf.function(jit_compile=True)
    def loop(features: dict[str, tf.Tensor], labels: tf.Tensor) -> tf.Tensor:
        loss = tf.constant(0.0)
        for index in tf.range(STEPS_PER_CALL):
            loss = model.step({name: stack[index] for name, stack in features.items()}, labels[index])
        return loss

    return timed(job, lambda: loop(*next(stacks)), STEPS_PER_CALL)


CONTESTANTS: dict[str, Contestant] = {
    "course_input": course_input,
    "batched_input": batched_input,
    "trainer_inputs": trainer_inputs,
    "keras_fit": keras_fit,
    "bare_call": bare_call,
    "bare_loop": bare_loop,
    "bare_xla": bare_xla,
}


def measure(contestant: Contestant, job: Job) -> dict[str, float]:
    """Steps per second of the timed half, and the seconds of the job that are not steps; imports are not counted."""
    import tensorflow as tf  # noqa: F401  (loaded before the clock starts)

    start = job.clock()
    seconds = contestant(job)
    return {"steps_per_second": job.steps / seconds, "seconds_beside_steps": job.clock() - start - 2 * seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("contestant", choices=sorted(CONTESTANTS))
    parser.add_argument("csv", type=Path)
    parser.add_argument("units", type=int)
    parser.add_argument("batch_size", type=int)
    parser.add_argument("steps", type=int)
    given = parser.parse_args()
    job = Job(
        csv=str(given.csv),
        units=given.units,
        batch_size=given.batch_size,
        steps=given.steps,
        clock=time.perf_counter,
    )
    print(json.dumps(measure(CONTESTANTS[given.contestant], job)))


if __name__ == "__main__":
    main()
