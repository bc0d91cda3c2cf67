"""Model functions in which a number stops being finite, each at one line, and the data that make it do so."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.estimator import EstimatorSpec

V1 = tf.compat.v1
COLUMNS = 5
Loss = Callable[[tf.Tensor], tf.Tensor]
"""The loss [] of features [batch, 5] times ones, [batch, 1]."""


def log_of_zero(y: tf.Tensor) -> tf.Tensor:
    positive = tf.abs(y)
    return tf.reduce_mean(tf.math.log(positive))  # planted


def zero_by_zero(y: tf.Tensor) -> tf.Tensor:
    share = y / tf.reduce_sum(y, axis=1, keepdims=True)  # planted
    return tf.reduce_mean(share * y)


def gradient_of_root_at_zero(y: tf.Tensor) -> tf.Tensor:
    root = tf.sqrt(y)  # planted
    return tf.reduce_mean(root)


def gradient_of_root_by_tape(y: tf.Tensor) -> tf.Tensor:
    root = tf.norm(y, axis=1)  # planted
    return tf.reduce_mean(root)


def exponential_minus_itself(y: tf.Tensor) -> tf.Tensor:
    grown = tf.exp(100.0 * (1.0 - y))  # planted
    return tf.reduce_mean(grown - 2.0 * grown)


def overflow_of_half_precision(y: tf.Tensor) -> tf.Tensor:
    half = tf.cast(1.0 / (y + 1e-3), tf.float16)
    squares = half * half  # planted
    return tf.cast(tf.reduce_mean(squares - squares), tf.float32) + tf.reduce_mean(y)


def in_a_loop(y: tf.Tensor) -> tf.Tensor:
    def body(index: tf.Tensor, sums: tf.Tensor) -> Any:
        shrunk = y - 0.05 * tf.cast(index, tf.float32)
        return index + 1, sums + tf.math.log(shrunk + 0.12)  # planted

    return tf.reduce_mean(tf.while_loop(lambda index, _: index < 6, body, [0, y], maximum_iterations=6)[1])


def in_an_array_of_a_loop(y: tf.Tensor) -> tf.Tensor:
    def body(index: tf.Tensor, written: tf.TensorArray) -> Any:
        return index + 1, written.write(index, tf.math.log(taken.read(index)))  # planted

    size = y.shape[0]
    taken = tf.TensorArray(tf.float32, size).unstack(y)
    written = tf.TensorArray(tf.float32, size)
    _, written = tf.while_loop(lambda index, _: index < size, body, [0, written], maximum_iterations=size)
    return tf.reduce_mean(written.stack())


def in_a_branch(y: tf.Tensor) -> tf.Tensor:
    def with_zeros() -> tf.Tensor:
        return tf.reduce_mean(tf.math.log(y))  # planted

    return tf.cond(tf.reduce_min(y) < 0.1, with_zeros, lambda: tf.reduce_mean(y))


def gradient_in_a_loop(y: tf.Tensor) -> tf.Tensor:
    def body(index: tf.Tensor, root: tf.Tensor) -> Any:
        return index + 1, tf.sqrt(root)  # planted

    loop = tf.while_loop(lambda index, _: index < 3, body, [0, y], maximum_iterations=3)
    return tf.reduce_mean(loop[1])


def in_a_function(y: tf.Tensor) -> tf.Tensor:
    @tf.function(autograph=False)
    def loss_of(y: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(1.0 / y - 1.0 / y)  # planted

    return loss_of(y)


def mask_of_infinities(y: tf.Tensor) -> tf.Tensor:
    scores = tf.where(y > 0.5, y * tf.ones([1, 3]), float("-inf"))
    return tf.reduce_mean(tf.nn.softmax(scores) * y)  # planted


@dataclasses.dataclass(frozen=True)
class Planted:
    """A loss that breaks, and what an explanation has to say.

    Attributes:
      loss: the function, with one line marked `# planted`.
      op: type of the first op whose result is not finite.
      says: what else the text has.
      by_tape: whether the gradient is a `GradientTape`'s.
    """

    loss: Loss
    op: str
    says: str = ""
    by_tape: bool = False

    @property
    def name(self) -> str:
        return self.loss.__name__

    def model_fn(self, features: dict[str, tf.Tensor], labels: Any, mode: str) -> EstimatorSpec:
        weights = V1.get_variable("w", [COLUMNS, 1], initializer=V1.ones_initializer())
        optimizer, step = V1.train.GradientDescentOptimizer(1e-7), V1.train.get_global_step()
        with tf.GradientTape() as tape:
            loss = self.loss(features["x"] @ weights)
        if not self.by_tape:
            return EstimatorSpec(mode, loss=loss, train_op=optimizer.minimize(loss, step))
        update = optimizer.apply_gradients([(tape.gradient(loss, weights), weights)], step)
        return EstimatorSpec(mode, loss=loss, train_op=update)


PLANTED = [
    Planted(log_of_zero, "Log", "-inf in 1 of"),
    Planted(zero_by_zero, "RealDiv", "NaN in 1 of"),
    Planted(gradient_of_root_at_zero, "SqrtGrad", "in the gradient of Sqrt"),
    Planted(gradient_of_root_by_tape, "SqrtGrad", "in the gradient of Sqrt", by_tape=True),
    Planted(exponential_minus_itself, "Exp", "It became NaN in Sub"),
    Planted(overflow_of_half_precision, "Mul", "float16"),
    Planted(in_a_loop, "Log", "in iteration 3 of the loop while"),
    Planted(in_an_array_of_a_loop, "Log", "of the loop while"),
    Planted(in_a_branch, "Log", "-inf in 1 of"),
    Planted(gradient_in_a_loop, "SqrtGrad", "in the gradient of Sqrt"),
    Planted(in_a_function, "RealDiv", "inf in 1 of"),
    Planted(mask_of_infinities, "Softmax", "NaN in 3 of"),
]


def table(rows: int, bad: int) -> np.ndarray:
    """Numbers between 0.2 and 1, float32 [rows, 5], of which one row is zeros."""
    values = np.random.RandomState(0).uniform(0.2, 1.0, size=[rows, COLUMNS]).astype(np.float32)
    values[bad] = 0.0
    return values
