"""One recurrent layer: the course's `rnn` (Google, "Art and Science of ML", sinemodel/model.py)."""

from __future__ import annotations

import keras
import tensorflow as tf

from trainer.job.schema import Schema
from trainer.networks import head


def forecast(values: tf.Tensor, schema: Schema) -> tf.Tensor:
    """The last state of a GRU of steps // 3 units, steps // 2 rectified units, then a linear layer.

    Args:
      values: float32 [batch, steps, columns], standardised.
      schema: gives steps, horizon and targets.

    Returns:
      float32 [batch, horizon, targets], standardised.
    """
    state = keras.layers.GRU(max(1, schema.steps // 3), use_cudnn=False, name="gru")(values)
    hidden = keras.layers.Dense(
        max(1, schema.steps // 2), activation="relu", kernel_initializer="he_normal", name="hidden"
    )(state)
    return head.forecast(hidden, schema)
