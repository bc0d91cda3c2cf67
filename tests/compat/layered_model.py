"""A model of TensorFlow 1's layers with fixed start values, which tf.estimator and this package train alike.

`REFERENCE_PYTHON tests/compat/layered_model.py DIR`, with an interpreter that has tf.estimator 2.15, prints the losses
that the tests expect.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

STEPS = 100


def start(*shape: int) -> np.ndarray:
    """Values [shape] that a weight starts from."""
    return np.cos(np.arange(np.prod(shape), dtype=np.float32)).reshape(shape) / 2


def data() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Features x, float32 [64, 6, 6, 1], and labels, float32 [64, 1]."""
    x = np.sin(np.arange(64 * 36, dtype=np.float32)).reshape(64, 6, 6, 1)
    return {"x": x}, x.sum((1, 2)) + x[:, 0, 0]


def model_fn(tf: Any) -> Any:
    """The model function, written with a `tf` of TensorFlow 1."""

    def constant(*shape: int) -> Any:
        return tf.constant_initializer(start(*shape))

    def function(features: Any, labels: Any, mode: str) -> Any:
        training = mode == tf.estimator.ModeKeys.TRAIN
        net = tf.layers.conv2d(features["x"], 4, 3, activation=tf.nn.relu, kernel_initializer=constant(3, 3, 1, 4))
        net = tf.layers.batch_normalization(net, training=training)
        net = tf.layers.flatten(tf.layers.max_pooling2d(net, 2, 2))
        net = tf.layers.dense(net, 5, activation=tf.nn.tanh, kernel_initializer=constant(16, 5))
        net = tf.layers.batch_normalization(net, training=training, momentum=0.9)
        output = tf.layers.dense(net, 1, kernel_initializer=constant(5, 1), name="output")
        loss = tf.losses.mean_squared_error(labels, output)
        with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
            op = tf.train.AdamOptimizer(0.01).minimize(loss, tf.train.get_global_step())
        error = tf.metrics.mean_absolute_error(labels, output)
        return tf.estimator.EstimatorSpec(
            mode, predictions={"y": output}, loss=loss, train_op=op, eval_metric_ops={"error": error}
        )

    return function


def input_fn(tf: Any, epochs: int | None = None) -> Any:
    """Batches of 16, in order."""
    return lambda: tf.data.Dataset.from_tensor_slices(data()).repeat(epochs).batch(16)


def main(directory: str) -> None:
    """Trains with tf.estimator, and prints what came of it."""
    import tensorflow.compat.v1 as tf

    losses: list[float] = []

    class Losses(tf.train.SessionRunHook):
        def before_run(self, run_context: Any) -> Any:
            return tf.train.SessionRunArgs(tf.get_default_graph().get_collection(tf.GraphKeys.LOSSES)[0])

        def after_run(self, run_context: Any, run_values: Any) -> None:
            losses.append(float(run_values.results))

    estimator = tf.estimator.Estimator(model_fn(tf), directory)
    estimator.train(input_fn(tf), steps=STEPS, hooks=[Losses()])
    print([round(loss, 7) for loss in losses[:: STEPS // 10]], losses[-1])
    print(estimator.evaluate(input_fn(tf, 1)))
    print(estimator.get_variable_names())


if __name__ == "__main__":
    main(sys.argv[1])
