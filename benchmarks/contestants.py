"""One contestant of `steps_per_second`, measured in a process of its own.

    PYTHONPATH=. python -m benchmarks.contestants CONTESTANT CSV UNITS BATCH_SIZE STEPS

Prints a JSON object with steps per second and the seconds that a job costs beside its steps. A contestant trains three
times: to load TensorFlow, for few steps, and for many. The difference of the last two is what the steps cost, free of
tracing, compiling and checkpoints.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import sines

LEARNING_RATE = 0.01
FEW_STEPS = 200
STEPS_PER_CALL = 200


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """What every contestant is given: course data in a CSV file, an LSTM of `units`, SGD at .01."""

    csv: str
    units: int
    batch_size: int


Contestant = Callable[[Job, int], None]


def estimator(job: Job, steps: int, input_fn: Callable[[], Any]) -> None:
    """The course's model function, trained from scratch in a new directory, settings as they come."""
    from benchmarks.model_functions import course_lstm, tf_estimator

    params = {"optimizer": "sgd", "learning_rate": LEARNING_RATE, "size": job.units}
    with tempfile.TemporaryDirectory() as model_dir:
        tf_estimator.Estimator(course_lstm, model_dir, params=params).train(input_fn, steps=steps)


def course_input(job: Job, steps: int) -> None:
    """tf.estimator or `trainer.estimator`, as the interpreter has it, with the course's input function."""
    estimator(job, steps, sines.course_csv(job.csv, job.batch_size))


def batched_input(job: Job, steps: int) -> None:
    """The same, with an input function that decodes a batch at a time."""
    estimator(job, steps, sines.batched_csv(job.csv, job.batch_size))


def trainer_inputs(job: Job, steps: int) -> None:
    """The same, with the rows that `trainer.inputs` reads, checks and shuffles."""
    import tensorflow as tf

    from trainer import inputs
    from trainer.job.config import DataConfig

    data = DataConfig(train_data_paths=(job.csv,), eval_data_paths=(job.csv,), train_batch_size=job.batch_size)
    inputs.describe(data)

    def as_course(features: dict[str, tf.Tensor], labels: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        return {sines.FEATURE: features["values"][..., 0]}, labels[..., 0]

    estimator(job, steps, lambda: inputs.train_input_fn(data).map(as_course))


def keras_fit(job: Job, steps: int) -> None:
    """Keras 3 as one types it: LSTM, Dense, compile, fit."""
    import keras
    import tensorflow as tf

    def as_sequence(features: dict[str, tf.Tensor], label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return features[sines.FEATURE][..., None], label

    shape = (sines.SEQUENCE_LENGTH - sines.N_OUTPUTS, 1)
    model = keras.Sequential([keras.Input(shape), keras.layers.LSTM(job.units), keras.layers.Dense(sines.N_OUTPUTS)])
    model.compile(optimizer=keras.optimizers.SGD(LEARNING_RATE), loss="mse")
    model.fit(sines.batched_csv(job.csv, job.batch_size)().map(as_sequence), steps_per_epoch=steps, verbose=0)


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

    def step(self, features: dict[str, Any], labels: Any) -> Any:
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


def batches(job: Job) -> Iterator[Any]:
    return iter(sines.batched_csv(job.csv, job.batch_size)())


def bare_call(job: Job, steps: int) -> None:
    """A `tf.function` call for each step, no hooks."""
    import tensorflow as tf

    step = tf.function(BareModel(job.units).step)
    iterator = batches(job)
    for _ in range(steps):
        features, labels = next(iterator)
        loss = step(features, labels)
    float(loss)


def bare_loop(job: Job, steps: int) -> None:
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

    for _ in range(steps // STEPS_PER_CALL):
        loss = loop()
    float(loss)


def bare_xla(job: Job, steps: int) -> None:
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

    for _ in range(steps // STEPS_PER_CALL):
        loss = loop(*next(stacks))
    float(loss)


CONTESTANTS: dict[str, Contestant] = {
    "course_input": course_input,
    "batched_input": batched_input,
    "trainer_inputs": trainer_inputs,
    "keras_fit": keras_fit,
    "bare_call": bare_call,
    "bare_loop": bare_loop,
    "bare_xla": bare_xla,
}


def measure(contestant: Contestant, job: Job, steps: int, clock: Callable[[], float]) -> dict[str, float]:
    """Steps per second between `FEW_STEPS` and `steps`, and the seconds of a job that are not steps."""
    contestant(job, FEW_STEPS)
    start = clock()
    contestant(job, FEW_STEPS)
    after_few = clock()
    contestant(job, steps)
    few, many = after_few - start, clock() - after_few
    seconds_a_step = (many - few) / (steps - FEW_STEPS)
    return {"steps_per_second": 1.0 / seconds_a_step, "seconds_beside_steps": few - FEW_STEPS * seconds_a_step}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("contestant", choices=sorted(CONTESTANTS))
    parser.add_argument("csv", type=Path)
    parser.add_argument("units", type=int)
    parser.add_argument("batch_size", type=int)
    parser.add_argument("steps", type=int)
    arguments = parser.parse_args()
    job = Job(csv=str(arguments.csv), units=arguments.units, batch_size=arguments.batch_size)
    print(json.dumps(measure(CONTESTANTS[arguments.contestant], job, arguments.steps, time.perf_counter)))


if __name__ == "__main__":
    main()
