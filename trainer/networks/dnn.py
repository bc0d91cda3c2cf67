"""Dense layers over all values: the course's `dnn` (Google, "Art and Science of ML", sinemodel/model.py)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from trainer.formats.schema import Schema
from trainer.job.config import Checked, setting
from trainer.networks import head
from trainer.networks.network import Network

if TYPE_CHECKING:
    import tensorflow as tf


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(Checked):
    """What may be chosen about the dense layers; the course's have 10 and 3 units."""

    first_layer_size: int = setting(10, "units of the first layer of dnn", positive="a whole number from 1 up")
    second_layer_size: int = setting(3, "units of the second layer of dnn", positive="a whole number from 1 up")


def forecast(values: tf.Tensor, schema: Schema, params: Settings) -> tf.Tensor:
    """Rectified layers, then a linear one.

    Args:
      values: float32 [batch, steps, columns], standardised.
      schema: says the shape of an example.
      params: with the units of the rectified layers.

    Returns:
      float32 [batch, horizon, targets], standardised.
    """
    import keras
    import tensorflow as tf

    units = tf.reshape(values, [-1, schema.steps * len(schema.columns)])
    for number, size in enumerate((params.first_layer_size, params.second_layer_size), start=1):
        layer = keras.layers.Dense(size, activation="relu", kernel_initializer="he_normal", name=f"hidden_{number}")
        units = layer(units)
    return head.forecast(units, schema)


NETWORK = Network(name="dnn", outputs=forecast, settings=Settings)
