"""One linear layer over all values: the course's `linear` (Google, "Art and Science of ML", sinemodel/model.py)."""

from __future__ import annotations

import tensorflow as tf

from trainer.job.schema import Schema
from trainer.networks import head


def forecast(values: tf.Tensor, schema: Schema) -> tf.Tensor:
    """Every forecast is a weighted sum of every value of the history, plus a bias.

    Args:
      values: float32 [batch, steps, columns], standardised.
      schema: gives steps, columns, horizon and targets.

    Returns:
      float32 [batch, horizon, targets], standardised.
    """
    return head.forecast(tf.reshape(values, [-1, schema.steps * len(schema.columns)]), schema)
