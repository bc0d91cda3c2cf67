"""One linear layer over all values: the course's `linear` (Google, "Art and Science of ML", sinemodel/model.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.formats.schema import Schema
from trainer.networks import head
from trainer.networks.network import Network

if TYPE_CHECKING:
    import tensorflow as tf


def forecast(values: tf.Tensor, schema: Schema, params: object = None) -> tf.Tensor:
    """Every forecast is a weighted sum of every value of the history, plus a bias.

    Args:
      values: float32 [batch, steps, columns], standardised.
      schema: gives steps, columns, horizon and targets.
      params: nothing that this network needs.

    Returns:
      float32 [batch, horizon, targets], standardised.
    """
    import tensorflow as tf

    return head.forecast(tf.reshape(values, [-1, schema.steps * len(schema.columns)]), schema)


NETWORK = Network(name="linear", outputs=forecast)
