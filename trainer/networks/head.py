"""The last layer of a network: from hidden units to forecasts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.formats.schema import Schema

if TYPE_CHECKING:
    import tensorflow as tf


def forecast(hidden: tf.Tensor, schema: Schema) -> tf.Tensor:
    """A linear layer for every value that is forecast.

    It starts near zero, so that the first steps of training do not push hidden units below their rectifiers for good.

    Args:
      hidden: float32 [..., units].
      schema: says the horizon and the targets.

    Returns:
      float32 [..., horizon, targets].
    """
    import keras
    import tensorflow as tf

    start = keras.initializers.RandomNormal(stddev=0.1)
    values = keras.layers.Dense(schema.horizon * len(schema.targets), kernel_initializer=start, name="forecast")(hidden)
    leading = [-1, *hidden.shape[1:-1]]
    return tf.reshape(values, [*leading, schema.horizon, len(schema.targets)])
