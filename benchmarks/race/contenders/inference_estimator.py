"""`evaluate` and `predict` of tf.estimator or `trainer.estimator`, as the interpreter has it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.model_functions import tf_estimator
from benchmarks.race.contenders import inference
from benchmarks.race.contenders.task import Figures, Task

v1 = tf.compat.v1
_WARM_BATCHES = 20


def model_fn(features: tf.Tensor, labels: tf.Tensor | None, mode: str) -> Any:
    """Features float32 [batch, 9], labels [batch, 1]; training changes nothing."""
    outputs = features
    for number, (kernel, bias) in enumerate(inference.weights()):
        with v1.variable_scope(f"layer_{number}"):
            kernel, bias = v1.get_variable("kernel", initializer=kernel), v1.get_variable("bias", initializer=bias)
        outputs = tf.matmul(tf.nn.relu(outputs) if number else outputs, kernel) + bias
    predictions = {"value": outputs}
    if mode == tf_estimator.ModeKeys.PREDICT:
        return tf_estimator.EstimatorSpec(mode, predictions=predictions)
    loss = tf.reduce_mean(tf.math.squared_difference(outputs, labels))
    if mode == tf_estimator.ModeKeys.TRAIN:
        train_op = v1.train.GradientDescentOptimizer(0.0).minimize(loss, v1.train.get_or_create_global_step())
        return tf_estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)
    metrics = {"rmse": v1.metrics.root_mean_squared_error(labels, outputs)}
    return tf_estimator.EstimatorSpec(mode, loss=loss, eval_metric_ops=metrics)


def begin(task: Task) -> tuple[Any, Callable[..., Callable[[], tf.data.Dataset]]]:
    """An Estimator with a checkpoint, and what makes input functions of so many batches."""
    features, labels = inference.rows(task)

    def reader(batches: int | None = None) -> Callable[[], tf.data.Dataset]:
        return lambda: tf.data.Dataset.from_tensor_slices((features[:batches], labels[:batches])).prefetch(4)

    estimator = tf_estimator.Estimator(model_fn, tempfile.mkdtemp())
    estimator.train(reader(_WARM_BATCHES), steps=1)
    return estimator, reader


def evaluate(task: Task) -> Figures:
    """A whole call of `evaluate`, after one of a few batches."""
    estimator, reader = begin(task)
    estimator.evaluate(reader(_WARM_BATCHES))
    began = task.clock()
    metrics = estimator.evaluate(reader())
    return Figures(rate=task["rows"] / (task.clock() - began), loss=float(metrics["loss"]))


def predict(task: Task) -> Figures:
    """A whole call of `predict`: batches, or `singles`, a dictionary for each row."""
    estimator, reader = begin(task)

    def asked(batches: int | None = None) -> np.ndarray:
        found = estimator.predict(reader(batches), yield_single_examples=task["singles"])
        if task["singles"]:  # a number of each dictionary, and no list of them: who predicts is to be timed
            return np.fromiter((each["value"][0] for each in found), np.float32)
        return np.stack([each["value"] for each in found])

    asked(_WARM_BATCHES)
    began = task.clock()
    predictions = asked()
    seconds = task.clock() - began
    return Figures(rate=task["rows"] / seconds, loss=inference.mean_square(predictions))
