"""Dense layers over all values: the course's `dnn` (Google, "Art and Science of ML", sinemodel/model.py)."""

from __future__ import annotations

import keras
import tensorflow as tf

from trainer.job.schema import Schema
from trainer.networks import head


def forecast(values: tf.Tensor, schema: Schema, *, hidden: tuple[int, ...]) -> tf.Tensor:
    """Rectified layers, then a linear one.

    Args:
      values: float32 [batch, steps, columns], standardised.
      schema: gives steps, columns, horizon and targets.
      hidden: units of the rectified layers, first to last; the course's are (10, 3).

    Returns:
      float32 [batch, horizon, targets], standardised.
    """
    units = tf.reshape(values, [-1, schema.steps * len(schema.columns)])
    for number, size in enumerate(hidden, start=1):
        layer = keras.layers.Dense(size, activation="relu", kernel_initializer="he_normal", name=f"hidden_{number}")
        units = layer(units)
    return head.forecast(units, schema)
