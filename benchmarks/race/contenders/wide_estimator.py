"""TFRecord of wide rows, parsed a batch at a time: tf.estimator or `trainer.estimator`, as the interpreter has it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from benchmarks.initial_values import initial
from benchmarks.model_functions import tf_estimator
from benchmarks.race.contenders.estimator_clock import steps_per_second
from benchmarks.race.contenders.task import Figures, Task
from benchmarks.race.contenders.wide import LEARNING_RATE, SIZES

v1 = tf.compat.v1


def model_fn(features: tf.Tensor, labels: tf.Tensor, mode: str) -> Any:
    """Features float32 [batch, 200], labels [batch, 1]."""
    outputs = features
    for number, size in enumerate(SIZES):
        with v1.variable_scope(f"layer_{number}"):
            start = initial(number, (outputs.shape[1], size)) / 5
            kernel = v1.get_variable("kernel", initializer=start)
            bias = v1.get_variable("bias", [size], initializer=v1.zeros_initializer())
        outputs = tf.matmul(tf.nn.relu(outputs) if number else outputs, kernel) + bias
    loss = tf.reduce_mean(tf.math.squared_difference(outputs, labels))
    train_op = None
    if mode == tf_estimator.ModeKeys.TRAIN:
        optimizer = v1.train.AdamOptimizer(LEARNING_RATE)
        train_op = optimizer.minimize(loss, v1.train.get_or_create_global_step())
    return tf_estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)


def reader(task: Task, path: str, epochs: int | None) -> Callable[[], tf.data.Dataset]:
    """An input function over so many passes; None for ever."""
    spec = {
        "values": tf.io.FixedLenFeature([task["columns"]], tf.float32),
        "label": tf.io.FixedLenFeature([1], tf.float32),
    }

    def parse(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        parsed = tf.io.parse_example(serialized, spec)
        return parsed["values"], parsed["label"]

    def input_fn() -> tf.data.Dataset:
        read = tf.data.TFRecordDataset(path, buffer_size=8 << 20).repeat(epochs)
        read = read.batch(task["batch_size"], drop_remainder=True)
        return read.map(parse, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)

    return input_fn


def records(task: Task) -> Figures:
    """A pass, timed in its second half."""
    half = {**task.options, "steps": task["rows"] // task["batch_size"] // 2}
    config = tf_estimator.RunConfig(save_checkpoints_steps=half["steps"])
    made = tf_estimator.Estimator(model_fn, tempfile.mkdtemp(), config)
    rate = steps_per_second(Task(half, task.clock), made, reader(task, task["path"], None))
    judged = made.evaluate(reader(task, task["eval_path"], 1))["loss"]
    return Figures(rate=rate * task["batch_size"], loss=float(judged))
