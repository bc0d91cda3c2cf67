"""A large embedding of which a step touches a thousand rows: tf.estimator or `trainer.estimator`, and Keras `fit`.

The table begins at a constant, so that no contender has to carry a gigabyte of initial values in its graph.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.race.contenders.task import Figures, Task

v1 = tf.compat.v1
START, LEARNING_RATE, BATCHES, CHECKED_BATCHES = 0.01, 0.001, 64, 16


def dataset(task: Task, batches: int | None = None) -> Callable[[], tf.data.Dataset]:
    """An input function of ids int64 [batch] and labels float32 [batch, 1]; for ever, or so many batches once."""

    def input_fn() -> tf.data.Dataset:
        random = np.random.RandomState(0)
        ids = random.randint(0, task["rows"], (BATCHES, task["batch_size"]))
        labels = random.uniform(size=(BATCHES, task["batch_size"], 1)).astype(np.float32)
        rows = tf.data.Dataset.from_tensor_slices((ids.astype(np.int64), labels))
        return (rows.repeat() if batches is None else rows.take(batches)).prefetch(2)

    return input_fn


def of_v1(loss: tf.Tensor, variables: list[Any]) -> Any:
    """Adam of TensorFlow 1, which moves the averages of every row at every step."""
    return v1.train.AdamOptimizer(LEARNING_RATE).minimize(loss, v1.train.get_or_create_global_step())


def of_keras(loss: tf.Tensor, variables: list[Any]) -> Any:
    """Adam of the Keras that the environment has."""
    step = v1.train.get_or_create_global_step()
    if hasattr(tf, "estimator"):
        optimizer = tf.keras.optimizers.legacy.Adam(LEARNING_RATE)
        optimizer.iterations = step
        return optimizer.get_updates(loss, variables)[0]
    import keras

    gradients = tf.gradients(loss, variables)
    optimizer = keras.optimizers.Adam(LEARNING_RATE)
    optimizer.apply_gradients(zip(gradients, variables, strict=True))
    return step.assign_add(1)


def estimator(task: Task, model_dir: str) -> Any:
    """A table, the mean of its columns with weights, and a squared error."""
    from benchmarks.model_functions import tf_estimator

    def model_fn(features: tf.Tensor, labels: tf.Tensor, mode: str) -> Any:
        start = v1.constant_initializer(START)
        table = v1.get_variable("table", [task["rows"], task["width"]], initializer=start)
        weights = v1.get_variable("weights", [task["width"], 1], initializer=start)
        predictions = tf.matmul(tf.nn.embedding_lookup(table, features), weights)
        loss = tf.reduce_mean(tf.math.squared_difference(predictions, labels))
        train_op = None
        if mode == tf_estimator.ModeKeys.TRAIN:
            train_op = {"v1": of_v1, "keras": of_keras}[task["optimizer"]](loss, [table, weights])
        return tf_estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)

    config = tf_estimator.RunConfig(save_checkpoints_steps=task["steps"], keep_checkpoint_max=1)
    return tf_estimator.Estimator(model_fn, model_dir, config)


def train(task: Task) -> Figures:
    """One training for both, since a checkpoint is gigabytes; timed between those of its halves."""
    from benchmarks.race.contenders.estimator_clock import steps_per_second

    made = estimator(task, tempfile.mkdtemp())
    rate = steps_per_second(task, made, dataset(task))
    loss = float(made.evaluate(dataset(task, CHECKED_BATCHES))["loss"]) if task["check"] else None
    return Figures(rate=rate, loss=loss)


def keras_fit(task: Task) -> Figures:
    """`Embedding` and `Dense` in `fit`."""
    import keras

    start = keras.initializers.Constant(START)
    table = keras.layers.Embedding(task["rows"], task["width"], embeddings_initializer=start)
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer=start)
    model = keras.Sequential([keras.Input((), dtype="int64"), table, dense])
    model.compile(keras.optimizers.Adam(LEARNING_RATE), "mse", steps_per_execution=min(10, task["steps"]))
    batches = dataset(task)()
    model.fit(batches, steps_per_epoch=task["steps"], verbose=0)
    began = task.clock()
    rows = dataset(task)().skip(task["steps"] % BATCHES)
    model.fit(rows, steps_per_epoch=task["steps"], verbose=0)
    rate = task["steps"] / (task.clock() - began)
    loss = model.evaluate(dataset(task, CHECKED_BATCHES)(), verbose=0) if task["check"] else None
    return Figures(rate=rate, loss=loss)
