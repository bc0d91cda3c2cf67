"""The networks of canned Estimators as functions, for model functions of one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.canned.networks import Built, Deep, Linear
from trainer.estimator.contract.spec import ModeKeys


def dnn_logit_fn_builder(
    units: int,
    hidden_units: Sequence[int],
    feature_columns: Iterable[Any],
    activation_fn: Any,
    dropout: float | None,
    input_layer_partitioner: Any,
    batch_norm: bool,
) -> Callable[[dict[str, Any], str], tf.Tensor]:
    """A function of features and the mode that gives the logits [batch, units] of a deep network.

    Args:
      units: logits of an example.
      hidden_units: as of a DNNClassifier, as are all others.
      feature_columns: see there.
      activation_fn: see there.
      dropout: see there.
      input_layer_partitioner: see there.
      batch_norm: see there.

    Raises:
      ValueError: units are no whole number.
    """
    _check_units(units)
    network = Deep(
        hidden_units=tuple(hidden_units),
        feature_columns=tuple(feature_columns),
        activation_fn=activation_fn,
        dropout=dropout,
        batch_norm=batch_norm,
        input_layer_partitioner=input_layer_partitioner,
    )

    def logit_fn(features: dict[str, Any], mode: str) -> tf.Tensor:
        return _shown(network.build(features, units, mode, tag=""))

    return logit_fn


def linear_logit_fn_builder(
    units: int, feature_columns: Iterable[Any], sparse_combiner: str = "sum"
) -> Callable[[dict[str, Any]], tf.Tensor]:
    """A function of features that gives the logits [batch, units] of a linear model.

    Args:
      units: logits of an example.
      feature_columns: as of a LinearClassifier.
      sparse_combiner: as there.

    Raises:
      ValueError: units are no whole number.
    """
    _check_units(units)
    network = Linear(feature_columns=tuple(feature_columns), sparse_combiner=sparse_combiner)

    def logit_fn(features: dict[str, Any]) -> tf.Tensor:
        return _shown(network.build(features, units, ModeKeys.TRAIN, tag=""))

    return logit_fn


def _check_units(units: Any) -> None:
    if not isinstance(units, int):
        raise ValueError(
            f"units are {units!r}. A network takes a whole number of them. Give the head's logits_dimension"
        )


def _shown(built: Built) -> tf.Tensor:
    """The logits [batch, units] of a network that is in the summaries; UPDATE_OPS have what it updates."""
    built.summarize()
    for update in built.updates:
        tf.compat.v1.add_to_collection(tf.compat.v1.GraphKeys.UPDATE_OPS, update)
    return built.logits
