"""Initializers and regularizers of `tf.contrib.layers`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

Regularizer = Callable[[tf.Tensor], Any]


def variance_scaling_initializer(
    factor: float = 2.0, mode: str = "FAN_IN", uniform: bool = False, seed: int | None = None, dtype: Any = tf.float32
) -> Any:
    """Random values whose variance is factor / n, n the inputs or outputs of a unit.

    Args:
      factor: of the variance.
      mode: FAN_IN, FAN_OUT or FAN_AVG.
      uniform: whether uniform, or normal and truncated.
      seed: of the values.
      dtype: of the values.
    """
    kind = "uniform" if uniform else "truncated_normal"
    return tf.compat.v1.variance_scaling_initializer(factor, mode.lower(), kind, seed, dtype)


def xavier_initializer(uniform: bool = True, seed: int | None = None, dtype: Any = tf.float32) -> Any:
    """Glorot's random values.

    Args:
      uniform: whether uniform, or normal and truncated.
      seed: of the values.
      dtype: of the values.
    """
    return variance_scaling_initializer(1.0, "FAN_AVG", uniform, seed, dtype)


def l1_regularizer(scale: float, scope: str | None = None) -> Regularizer:
    """The sum of absolute weights, times a scale."""
    return lambda weights: scale * tf.reduce_sum(tf.abs(weights))


def l2_regularizer(scale: float, scope: str | None = None) -> Regularizer:
    """Half the sum of squared weights, times a scale."""
    return lambda weights: scale * tf.nn.l2_loss(weights)


def l1_l2_regularizer(scale_l1: float = 1.0, scale_l2: float = 1.0, scope: str | None = None) -> Regularizer:
    """Both.

    Args:
      scale_l1: of absolute weights.
      scale_l2: of squared weights.
      scope: means nothing.
    """
    return sum_regularizer([l1_regularizer(scale_l1), l2_regularizer(scale_l2)])


def sum_regularizer(regularizer_list: Sequence[Regularizer | None], scope: str | None = None) -> Regularizer:
    """The sum of several."""
    kept = [regularizer for regularizer in regularizer_list if regularizer is not None]
    return lambda weights: tf.add_n([regularizer(weights) for regularizer in kept])


def apply_regularization(regularizer: Regularizer, weights_list: Sequence[Any] | None = None) -> tf.Tensor:
    """The loss [] of all weights, which is put into the collection of regularisation losses too.

    Args:
      regularizer: gives the loss of one.
      weights_list: of any shapes [...]; None takes the collection WEIGHTS.
    """
    keys = tf.compat.v1.GraphKeys
    weights = tf.compat.v1.get_collection(keys.WEIGHTS) if weights_list is None else weights_list
    losses = [regularizer(one) for one in weights]
    total = tf.add_n(losses) if losses else tf.constant(0.0)
    tf.compat.v1.add_to_collection(keys.REGULARIZATION_LOSSES, total)
    return total
