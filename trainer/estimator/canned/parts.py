"""What a person hands to a canned Estimator, as the parts of its model."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.canned import optimizers
from trainer.estimator.canned.model_functions import Part
from trainer.estimator.canned.networks import Deep, Linear

ModelDir = str | os.PathLike[str] | None
Activation = Callable[[tf.Tensor], tf.Tensor] | str | None

# Of optimizers that are given by their names, in tf.estimator.
DEEP_RATE, LINEAR_RATE = 0.05, 0.2
_COMBINED_DEEP_RATE, _COMBINED_LINEAR_RATE = 0.001, 0.005


def deep_part(
    hidden_units: Sequence[int],
    feature_columns: Iterable[Any] | None,
    optimizer: Any,
    learning_rate: float | None,
    activation_fn: Activation,
    dropout: float | None,
    batch_norm: bool,
    input_layer_partitioner: Any = None,
) -> Part:
    """A deep network, from the arguments of a DNNClassifier.

    Args:
      hidden_units: as there.
      feature_columns: as there.
      optimizer: as there.
      learning_rate: of an optimizer that is given by its name; None for its usual one.
      activation_fn: as there.
      dropout: as there.
      batch_norm: as there.
      input_layer_partitioner: as there.
    """
    network = Deep(
        hidden_units=tuple(hidden_units),
        feature_columns=tuple(feature_columns or ()),
        activation_fn=activation_fn,
        dropout=dropout,
        batch_norm=batch_norm,
        input_layer_partitioner=input_layer_partitioner,
    )
    return Part(network=network, optimizer=optimizer, learning_rate=learning_rate)


def linear_part(
    feature_columns: Iterable[Any] | None, optimizer: Any, sparse_combiner: str, partitioner: Any = None
) -> Part:
    """A linear model, from the arguments of a LinearClassifier.

    Args:
      feature_columns: as there.
      optimizer: as there; None for Ftrl.
      sparse_combiner: as there.
      partitioner: as there.
    """
    network = Linear(feature_columns=tuple(feature_columns or ()), sparse_combiner=sparse_combiner)
    rate = LINEAR_RATE if optimizer else optimizers.ftrl_rate(LINEAR_RATE, network.feature_columns)
    return Part(network=network, optimizer=optimizer or "Ftrl", learning_rate=rate, partitioner=partitioner)


def combined_parts(
    *,
    linear_feature_columns: Iterable[Any] | None,
    linear_optimizer: Any,
    linear_sparse_combiner: str,
    dnn_feature_columns: Iterable[Any] | None,
    dnn_optimizer: Any,
    dnn_hidden_units: Sequence[int] | None,
    dnn_activation_fn: Activation,
    dnn_dropout: float | None,
    batch_norm: bool,
    input_layer_partitioner: Any = None,
) -> list[Part]:
    """The deep network and the linear model, or one of them, from the arguments of a DNNLinearCombinedClassifier.

    Args:
      linear_feature_columns: as there, as are all others.
      linear_optimizer: see there.
      linear_sparse_combiner: see there.
      dnn_feature_columns: see there.
      dnn_optimizer: see there.
      dnn_hidden_units: see there.
      dnn_activation_fn: see there.
      dnn_dropout: see there.
      batch_norm: see there.
      input_layer_partitioner: see there.

    Raises:
      ValueError: no columns, or columns of a deep network without its layers.
    """
    deep, linear = tuple(dnn_feature_columns or ()), tuple(linear_feature_columns or ())
    if not (deep or linear):
        raise ValueError(
            "Neither linear_feature_columns nor dnn_feature_columns was given. "
            "Either linear_feature_columns or dnn_feature_columns must be defined"
        )
    if deep and not dnn_hidden_units:
        raise ValueError(
            f"dnn_feature_columns were given with dnn_hidden_units {dnn_hidden_units!r}. "
            "dnn_hidden_units must be defined when dnn_feature_columns is specified, as [128, 64]"
        )
    parts = []
    if deep:
        shape = dnn_activation_fn, dnn_dropout, batch_norm, input_layer_partitioner
        parts.append(deep_part(dnn_hidden_units or (), deep, dnn_optimizer, _COMBINED_DEEP_RATE, *shape))
    if linear:
        network = Linear(feature_columns=linear, sparse_combiner=linear_sparse_combiner)
        rate = optimizers.ftrl_rate(_COMBINED_LINEAR_RATE, linear)
        parts.append(
            Part(network=network, optimizer=linear_optimizer, learning_rate=rate, partitioner=input_layer_partitioner)
        )
    return parts
