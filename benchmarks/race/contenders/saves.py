"""What saves cost: a training with many, less the same one with one. tf.estimator or `trainer.estimator`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks import sines
from benchmarks.race.contenders import lstm_estimator, lstm_values
from benchmarks.race.contenders.task import Figures, Task

WIDTH = 5_000
"""Of a dense layer: its weights, float32 [5000, 5000], are 100 MB."""
_EXAMPLES = 16


def small(task: Task) -> Figures:
    """Of the course's LSTM."""
    input_fn = sines.in_order(lstm_values.sequences(task), task["batch_size"], None)
    return measured(task, lambda folder, every: lstm_estimator.estimator(task, folder, **every), input_fn)


def large(task: Task) -> Figures:
    """Of one dense layer of 100 MB."""

    def input_fn() -> tf.data.Dataset:
        values = np.random.default_rng(0).standard_normal((_EXAMPLES, WIDTH)).astype(np.float32)
        return tf.data.Dataset.from_tensors((values, values)).repeat()

    return measured(task, dense, input_fn)


def dense(model_dir: str, every: dict[str, Any]) -> Any:
    """An Estimator of one layer, trained by SGD.

    Args:
      model_dir: its directory.
      every: settings of its saves.
    """
    from benchmarks.model_functions import tf_estimator

    v1 = tf.compat.v1

    def model_fn(features: tf.Tensor, labels: tf.Tensor, mode: str) -> Any:
        weights = v1.get_variable("weights", [WIDTH, WIDTH], initializer=v1.zeros_initializer())
        loss = tf.reduce_mean(tf.math.squared_difference(tf.matmul(features, weights), labels))
        train_op = v1.train.GradientDescentOptimizer(0.01).minimize(loss, v1.train.get_or_create_global_step())
        return tf_estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)

    return tf_estimator.Estimator(model_fn, model_dir, tf_estimator.RunConfig(keep_checkpoint_max=2, **every))


def measured(task: Task, make: Callable[[str, dict[str, Any]], Any], input_fn: Any) -> Figures:
    """Milliseconds that a save costs.

    Args:
      task: the steps, and how many saves fall on them.
      make: an Estimator, from its directory and settings.
      input_fn: its batches.
    """
    seconds = {}
    for saves in (1, task["saves"]):
        with tempfile.TemporaryDirectory() as model_dir:
            timed = make(model_dir, {"save_checkpoints_steps": task["steps"] // saves})
            timed.train(input_fn, steps=task["warm"])
            began = task.clock()
            timed.train(input_fn, steps=task["steps"])
            seconds[saves] = task.clock() - began
    each = (seconds[task["saves"]] - seconds[1]) / (task["saves"] - 1)
    return Figures(rate=1000 * each, notes={"% of training, a save every 10 s": 10 * each})
