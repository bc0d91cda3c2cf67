"""The networks that programs took out of tf.estimator's canned ones, when these were private and took less."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from trainer.estimator.canned import logit_fns


def dnn_logit_fn_builder(
    units: int,
    hidden_units: Sequence[int],
    feature_columns: Any,
    activation_fn: Any,
    dropout: float | None,
    input_layer_partitioner: Any,
    batch_norm: bool = False,
) -> Callable[..., Any]:
    """A deep network as a function of features and mode; see `tf.estimator.experimental.dnn_logit_fn_builder`.

    Args:
      units: see there, as of all others.
      hidden_units: see there.
      feature_columns: see there.
      activation_fn: see there.
      dropout: see there.
      input_layer_partitioner: see there.
      batch_norm: see there; before TensorFlow 1.9 there was none.
    """
    return logit_fns.dnn_logit_fn_builder(
        units, hidden_units, feature_columns, activation_fn, dropout, input_layer_partitioner, batch_norm
    )


linear_logit_fn_builder = logit_fns.linear_logit_fn_builder
