"""A problem that says on stderr which phase it is in, and stays in one of them for a while: `--phase=trace`.

It stays in C code, as TensorFlow would, where no handler of Python's runs.
"""

from __future__ import annotations

import ctypes
import dataclasses
import sys
import time
from typing import Any

from trainer import Problem
from trainer.job.config import setting

EVAL_BATCHES, BATCH = 200, 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class Params:
    """The phase, and the work of a step."""

    phase: str = setting("", "the one to stay in")
    hold_secs: float = setting(1.0, "how long")


def say(text: str) -> None:
    # As one text: print writes the end of the line by itself, and another thread's log comes between.
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def hold(params: Params, phase: str) -> None:
    """Stays here if this is the phase."""
    if params.phase == phase:
        say(f"phase {phase}")
        ctypes.CDLL(None).usleep(int(params.hold_secs * 1e6))


def describe(params: Params) -> None:
    hold(params, "describe")
    if params.phase in ("import", "join"):
        say(f"phase {params.phase}")  # which begins next


def batches(params: Params, phase: str, count: int) -> Any:
    import numpy as np
    import tensorflow as tf

    def slow(index: np.ndarray) -> np.ndarray:
        if index == 3:
            say(f"phase {phase}")
        time.sleep(0.1)
        return index

    def example(index: tf.Tensor) -> Any:
        x = tf.random.stateless_uniform([BATCH, 4], [1, tf.cast(index, tf.int32)])
        return {"x": x}, tf.reduce_sum(x, axis=1)

    dataset = tf.data.Dataset.range(count)
    if params.phase == phase:
        dataset = dataset.map(lambda index: tf.ensure_shape(tf.numpy_function(slow, [index], tf.int64), []))
    return dataset.map(example)


def train_input_fn(params: Params) -> Any:
    return batches(params, "input", 1 << 40)


def eval_input_fn(params: Params) -> Any:
    return batches(params, "evaluation", EVAL_BATCHES)


def model_fn(features: Any, labels: Any, mode: str, params: Params) -> Any:
    import tensorflow as tf

    from trainer.estimator import EstimatorSpec

    if mode == "train":
        hold(params, "trace")
    v1 = tf.compat.v1
    hidden = _dense(features["x"], 32, "in")
    if params.phase == "compile":  # a loop, which is compiled from the first step on, of many operations
        hidden = tf.while_loop(lambda i, h: i < 2, lambda i, h: (i + 1, _deep(h)), (0, hidden))[1]
    if params.phase == "saving":
        v1.get_variable("large", [1 << 25], initializer=v1.zeros_initializer())  # of 128 MiB
    predicted = _dense(hidden, 1, "out")[:, 0]
    if mode == "infer":
        return EstimatorSpec(mode, {"y": predicted})
    loss = tf.reduce_mean((predicted - labels) ** 2)
    if mode == "eval":
        return EstimatorSpec(mode, loss=loss, eval_metric_ops={"mse": v1.metrics.mean_squared_error(labels, predicted)})
    step = v1.train.get_global_step()
    train_op = v1.train.GradientDescentOptimizer(1e-3).minimize(loss, step)
    return EstimatorSpec(mode, loss=loss, train_op=train_op)


def _dense(x: Any, units: int, name: str) -> Any:
    import tensorflow as tf

    with tf.compat.v1.variable_scope(name):
        kernel = tf.compat.v1.get_variable("kernel", [x.shape[-1], units])
    return tf.tanh(x @ kernel)


def _deep(x: Any) -> Any:
    import tensorflow as tf

    for _ in range(400):
        x = tf.tanh(x * 1.01) + tf.sin(x)
    return x


def serving_input_receiver_fn(params: Params) -> Any:
    import tensorflow as tf

    from trainer.estimator.contract.export import ServingInputReceiver

    hold(params, "export")
    x = tf.compat.v1.placeholder(tf.float32, [None, 4])
    return ServingInputReceiver({"x": x}, {"x": x})


def hooks(params: Params) -> list[Any]:
    from trainer.estimator import TrainingHook

    class Says(TrainingHook):
        every_n_steps = 5

        def before_run(self, run_context: Any) -> None:
            if params.phase == "compile" and run_context.global_step == 0:
                say("phase compile")

        def after_run(self, run_context: Any, run_values: Any) -> None:
            say(f"made {run_values.global_step}")
            time.sleep(0.02)
            if run_values.global_step == 50 and params.phase in ("training", "saving", "upload"):
                say(f"phase {params.phase}")

    return [Says()]


def report(params: Params) -> str:
    hold(params, "closing")
    return ""


PROBLEM = Problem(
    model_fn=model_fn,
    params=Params,
    train_input_fn=train_input_fn,
    eval_input_fn=eval_input_fn,
    metrics={"mse": "min"},
    serving_input_receiver_fn=serving_input_receiver_fn,
    describe=describe,
    hooks=hooks,
    report=report,
)
