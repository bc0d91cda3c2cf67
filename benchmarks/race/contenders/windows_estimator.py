"""DLinear by a model function: tf.estimator or `trainer.estimator`, as the interpreter has it."""

from __future__ import annotations

import tempfile
from typing import Any

import tensorflow as tf

from benchmarks.model_functions import tf_estimator
from benchmarks.race.contenders import windows_values
from benchmarks.race.contenders.estimator_clock import loss_after, steps_per_second
from benchmarks.race.contenders.task import Figures, Task
from benchmarks.race.contenders.windows_data import dataset, trend_of
from benchmarks.race.contenders.windows_values import CHECKED_BATCHES, HORIZON, LOOKBACK, START

v1 = tf.compat.v1


def model_fn(features: tf.Tensor, labels: tf.Tensor | None, mode: str) -> Any:
    """Features float32 [batch, 336, columns], labels [batch, 96, columns]."""
    trend = trend_of(features)
    forecast = along_time(features - trend, "remainder") + along_time(trend, "trend")
    if mode == tf_estimator.ModeKeys.PREDICT:
        return tf_estimator.EstimatorSpec(mode, predictions=forecast)
    loss = tf.reduce_mean(tf.math.squared_difference(forecast, labels))
    optimizer = v1.train.AdamOptimizer(windows_values.LEARNING_RATE)
    train_op = optimizer.minimize(loss, v1.train.get_or_create_global_step())
    return tf_estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)


def along_time(values: tf.Tensor, name: str) -> tf.Tensor:
    """A linear map from [batch, 336, columns] to [batch, 96, columns]."""
    with v1.variable_scope(name):
        weights = v1.get_variable("kernel", [LOOKBACK, HORIZON], initializer=v1.constant_initializer(START))
        bias = v1.get_variable("bias", [HORIZON], initializer=v1.zeros_initializer())
    mapped = tf.tensordot(tf.transpose(values, [0, 2, 1]), weights, 1) + bias
    return tf.transpose(mapped, [0, 2, 1])


def train(task: Task) -> Figures:
    """Windows gathered from the series in the graph of the input."""
    loss = None
    if task["check"]:
        checked = tf_estimator.Estimator(model_fn, tempfile.mkdtemp())
        loss = loss_after(task, checked, dataset(task), dataset(task, CHECKED_BATCHES))
    config = tf_estimator.RunConfig(save_checkpoints_steps=task["steps"])
    timed = tf_estimator.Estimator(model_fn, tempfile.mkdtemp(), config)
    return Figures(rate=steps_per_second(task, timed, dataset(task)), loss=loss)
