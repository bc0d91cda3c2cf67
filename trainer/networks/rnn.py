"""One recurrent layer: the course's `rnn` (Google, "Art and Science of ML", sinemodel/model.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.formats.schema import Schema
from trainer.networks import head
from trainer.networks.network import Network

if TYPE_CHECKING:
    import tensorflow as tf


def forecast(values: tf.Tensor, schema: Schema, params: object = None) -> tf.Tensor:
    """The last state of a GRU of steps // 3 units, steps // 2 rectified units, then a linear layer.

    Args:
      values: float32 [batch, steps, columns], standardised.
      schema: gives steps, horizon and targets.
      params: nothing that this network needs.

    Returns:
      float32 [batch, horizon, targets], standardised.
    """
    import keras

    state = keras.layers.GRU(max(1, schema.steps // 3), use_cudnn=False, name="gru")(values)
    hidden = keras.layers.Dense(
        max(1, schema.steps // 2), activation="relu", kernel_initializer="he_normal", name="hidden"
    )(state)
    return head.forecast(hidden, schema)


NETWORK = Network(name="rnn", outputs=forecast)
