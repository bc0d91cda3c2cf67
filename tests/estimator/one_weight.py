"""The smallest model there is, y = weight · x, and its data: what the tests of an Estimator train."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from trainer import estimator as tf_estimator
from trainer.estimator import Estimator, EstimatorSpec, RunConfig

FEATURE = "x"
SLOPE = 2.0


def model_fn(features: Any, labels: Any, mode: str, params: Any) -> EstimatorSpec:
    """Half the mean squared error, plus the offset that params may give; SGD of rate 0.1, or momentum."""
    weight = tf.compat.v1.get_variable("weight", [], initializer=tf.compat.v1.zeros_initializer())
    predicted = weight * features[FEATURE]
    if mode == tf_estimator.ModeKeys.PREDICT:
        return EstimatorSpec(mode, predictions={"y": predicted})
    loss = tf.reduce_mean((predicted - labels) ** 2) / 2 * params.get("scale", 1.0)
    optimizer = tf.compat.v1.train.GradientDescentOptimizer(0.1)
    if params.get("momentum"):
        optimizer = tf.compat.v1.train.MomentumOptimizer(0.1, params["momentum"])
    train_op = optimizer.minimize(loss, tf.compat.v1.train.get_global_step())
    return EstimatorSpec(mode, predictions={"y": predicted}, loss=loss, train_op=train_op)


def batches(count: int | None = None) -> Callable[[], tf.data.Dataset]:
    """An input function of `count` equal batches of two rows; None for no end."""

    def input_fn() -> tf.data.Dataset:
        x = tf.constant([[1.0, -1.0]])
        return tf.data.Dataset.from_tensor_slices(({FEATURE: x}, SLOPE * x)).repeat(count)

    return input_fn


def receiver() -> tf_estimator.export.ServingInputReceiver:
    """What a served one takes: any number of values of x."""
    spec = {FEATURE: tf.TensorSpec([None], tf.float32)}
    return tf_estimator.export.build_raw_serving_input_receiver_fn(spec)()


def make(
    directory: Path | str, params: dict[str, Any] | None = None, warm_start_from: Any = None, **settings: Any
) -> Estimator:
    """An Estimator of it; settings are those of the RunConfig, saving every 10 steps where they do not say."""
    if not settings.keys() & {"save_checkpoints_steps", "save_checkpoints_secs"}:
        settings["save_checkpoints_steps"] = 10
    config = RunConfig(log_step_count_steps=None, **settings)
    return Estimator(model_fn, directory, config, params or {}, warm_start_from)


def weight_after(steps: int) -> float:
    """The weight after so many steps from zero, in exact arithmetic."""
    return SLOPE * (1 - 0.9**steps)
