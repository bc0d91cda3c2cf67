"""Estimators of deep networks, of TensorFlow 2."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.canned.model_functions import SecondVersion
from trainer.estimator.canned.parts import Activation, ModelDir, deep_part
from trainer.estimator.contract.run_config import RunConfig
from trainer.estimator.estimator import Estimator
from trainer.estimator.heads.head import Head
from trainer.estimator.heads.named_heads import RegressionHead, binary_or_multi_class_head

_MEAN = "sum_over_batch_size"


class DNNClassifier(Estimator):
    """A deep network that says of which class an example is.

    Args:
      hidden_units: of each hidden layer, from the input on.
      feature_columns: of `tf.feature_column`.
      model_dir: where checkpoints and events go; None takes that of the config, or a temporary directory.
      n_classes: 2 or more.
      weight_column: the key of the examples' weights in the features, or a numeric_column; None for ones.
      label_vocabulary: the names of the classes, if labels are strings; else labels are their numbers.
      optimizer: a name, one of Keras, or a function that makes one; a name gets the usual rate of Keras.
      activation_fn: of hidden layers.
      dropout: the share of their outputs that is dropped in training; None for none.
      config: a RunConfig.
      warm_start_from: a checkpoint, a directory, a SavedModel or WarmStartSettings, used while there is no checkpoint.
      loss_reduction: a value of `tf.losses.Reduction`.
      batch_norm: whether hidden layers are followed by batch normalisation.

    Raises:
      ValueError: one of these is something else.
    """

    def __init__(
        self,
        hidden_units: Sequence[int],
        feature_columns: Iterable[Any] | None,
        model_dir: ModelDir = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        optimizer: Any = "Adagrad",
        activation_fn: Activation = tf.nn.relu,
        dropout: float | None = None,
        config: RunConfig | None = None,
        warm_start_from: Any = None,
        loss_reduction: str = _MEAN,
        batch_norm: bool = False,
    ) -> None:
        head = binary_or_multi_class_head(n_classes, weight_column, label_vocabulary, loss_reduction)
        part = deep_part(hidden_units, feature_columns, optimizer, None, activation_fn, dropout, batch_norm)
        model = SecondVersion(head=head, parts=[part])
        super().__init__(model.model_fn, model_dir, config, warm_start_from=warm_start_from)


class DNNRegressor(Estimator):
    """A deep network that predicts numbers.

    Args:
      hidden_units: of each hidden layer, from the input on.
      feature_columns: of `tf.feature_column`.
      model_dir: where checkpoints and events go; None takes that of the config, or a temporary directory.
      label_dimension: how many numbers a label has.
      weight_column: the key of the examples' weights in the features, or a numeric_column; None for ones.
      optimizer: a name, one of Keras, or a function that makes one; a name gets the usual rate of Keras.
      activation_fn: of hidden layers.
      dropout: the share of their outputs that is dropped in training; None for none.
      config: a RunConfig.
      warm_start_from: a checkpoint, a directory, a SavedModel or WarmStartSettings, used while there is no checkpoint.
      loss_reduction: a value of `tf.losses.Reduction`.
      batch_norm: whether hidden layers are followed by batch normalisation.

    Raises:
      ValueError: one of these is something else.
    """

    def __init__(
        self,
        hidden_units: Sequence[int],
        feature_columns: Iterable[Any] | None,
        model_dir: ModelDir = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        optimizer: Any = "Adagrad",
        activation_fn: Activation = tf.nn.relu,
        dropout: float | None = None,
        config: RunConfig | None = None,
        warm_start_from: Any = None,
        loss_reduction: str = _MEAN,
        batch_norm: bool = False,
    ) -> None:
        head = RegressionHead(label_dimension, weight_column, loss_reduction)
        part = deep_part(hidden_units, feature_columns, optimizer, None, activation_fn, dropout, batch_norm)
        model = SecondVersion(head=head, parts=[part])
        super().__init__(model.model_fn, model_dir, config, warm_start_from=warm_start_from)


class DNNEstimator(Estimator):
    """A deep network with a head of choice.

    Args:
      head: makes the loss, predictions and metrics of the logits.
      hidden_units: of each hidden layer, from the input on.
      feature_columns: of `tf.feature_column`.
      model_dir: where checkpoints and events go; None takes that of the config, or a temporary directory.
      optimizer: a name, one of Keras, or a function that makes one; a name gets the usual rate of Keras.
      activation_fn: of hidden layers.
      dropout: the share of their outputs that is dropped in training; None for none.
      config: a RunConfig.
      warm_start_from: a checkpoint, a directory, a SavedModel or WarmStartSettings, used while there is no checkpoint.
      batch_norm: whether hidden layers are followed by batch normalisation.

    Raises:
      ValueError: one of these is something else.
    """

    def __init__(
        self,
        head: Head,
        hidden_units: Sequence[int],
        feature_columns: Iterable[Any] | None,
        model_dir: ModelDir = None,
        optimizer: Any = "Adagrad",
        activation_fn: Activation = tf.nn.relu,
        dropout: float | None = None,
        config: RunConfig | None = None,
        warm_start_from: Any = None,
        batch_norm: bool = False,
    ) -> None:
        part = deep_part(hidden_units, feature_columns, optimizer, None, activation_fn, dropout, batch_norm)
        model = SecondVersion(head=head, parts=[part])
        super().__init__(model.model_fn, model_dir, config, warm_start_from=warm_start_from)
