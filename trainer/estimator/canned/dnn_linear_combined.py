"""Estimators of a linear model and a deep network in one, of TensorFlow 2."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.canned.model_functions import SecondVersion
from trainer.estimator.canned.parts import Activation, ModelDir, combined_parts
from trainer.estimator.contract.run_config import RunConfig
from trainer.estimator.estimator import Estimator
from trainer.estimator.heads.head import Head
from trainer.estimator.heads.named_heads import RegressionHead, binary_or_multi_class_head

_MEAN = "sum_over_batch_size"


class DNNLinearCombinedClassifier(Estimator):
    """A linear model and a deep network, trained jointly, that say of which class an example is (Cheng et al. 2016).

    Args:
      model_dir: where checkpoints and events go; None takes that of the config, or a temporary directory.
      linear_feature_columns: of the linear model; None for a deep one only.
      linear_optimizer: of the linear model; a name gets a rate of 0.005, or less for very many columns.
      dnn_feature_columns: of the deep network; None for a linear model only.
      dnn_optimizer: of the deep network; a name gets a rate of 0.001.
      dnn_hidden_units: of each hidden layer.
      dnn_activation_fn: of hidden layers.
      dnn_dropout: the share of their outputs that is dropped in training; None for none.
      n_classes: 2 or more.
      weight_column: the key of the examples' weights in the features, or a numeric_column; None for ones.
      label_vocabulary: the names of the classes, if labels are strings; else labels are their numbers.
      config: a RunConfig.
      warm_start_from: a checkpoint, a directory, a SavedModel or WarmStartSettings, used while there is no checkpoint.
      loss_reduction: a value of `tf.losses.Reduction`.
      batch_norm: whether hidden layers are followed by batch normalisation.
      linear_sparse_combiner: `sum`, `mean` or `sqrtn`: what is done with several categories in one example.

    Raises:
      ValueError: one of these is something else.
    """

    def __init__(
        self,
        model_dir: ModelDir = None,
        linear_feature_columns: Iterable[Any] | None = None,
        linear_optimizer: Any = "Ftrl",
        dnn_feature_columns: Iterable[Any] | None = None,
        dnn_optimizer: Any = "Adagrad",
        dnn_hidden_units: Sequence[int] | None = None,
        dnn_activation_fn: Activation = tf.nn.relu,
        dnn_dropout: float | None = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        config: RunConfig | None = None,
        warm_start_from: Any = None,
        loss_reduction: str = _MEAN,
        batch_norm: bool = False,
        linear_sparse_combiner: str = "sum",
    ) -> None:
        head = binary_or_multi_class_head(n_classes, weight_column, label_vocabulary, loss_reduction)
        parts = combined_parts(
            linear_feature_columns=linear_feature_columns,
            linear_optimizer=linear_optimizer,
            linear_sparse_combiner=linear_sparse_combiner,
            dnn_feature_columns=dnn_feature_columns,
            dnn_optimizer=dnn_optimizer,
            dnn_hidden_units=dnn_hidden_units,
            dnn_activation_fn=dnn_activation_fn,
            dnn_dropout=dnn_dropout,
            batch_norm=batch_norm,
        )
        model = SecondVersion(head=head, parts=parts, combined=True)
        super().__init__(model.model_fn, model_dir, config, warm_start_from=warm_start_from)


class DNNLinearCombinedRegressor(Estimator):
    """A linear model and a deep network, trained jointly, that predict numbers (Cheng et al. 2016).

    Args:
      model_dir: where checkpoints and events go; None takes that of the config, or a temporary directory.
      linear_feature_columns: of the linear model; None for a deep one only.
      linear_optimizer: of the linear model; a name gets a rate of 0.005, or less for very many columns.
      dnn_feature_columns: of the deep network; None for a linear model only.
      dnn_optimizer: of the deep network; a name gets a rate of 0.001.
      dnn_hidden_units: of each hidden layer.
      dnn_activation_fn: of hidden layers.
      dnn_dropout: the share of their outputs that is dropped in training; None for none.
      label_dimension: how many numbers a label has.
      weight_column: the key of the examples' weights in the features, or a numeric_column; None for ones.
      config: a RunConfig.
      warm_start_from: a checkpoint, a directory, a SavedModel or WarmStartSettings, used while there is no checkpoint.
      loss_reduction: a value of `tf.losses.Reduction`.
      batch_norm: whether hidden layers are followed by batch normalisation.
      linear_sparse_combiner: `sum`, `mean` or `sqrtn`: what is done with several categories in one example.

    Raises:
      ValueError: one of these is something else.
    """

    def __init__(
        self,
        model_dir: ModelDir = None,
        linear_feature_columns: Iterable[Any] | None = None,
        linear_optimizer: Any = "Ftrl",
        dnn_feature_columns: Iterable[Any] | None = None,
        dnn_optimizer: Any = "Adagrad",
        dnn_hidden_units: Sequence[int] | None = None,
        dnn_activation_fn: Activation = tf.nn.relu,
        dnn_dropout: float | None = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        config: RunConfig | None = None,
        warm_start_from: Any = None,
        loss_reduction: str = _MEAN,
        batch_norm: bool = False,
        linear_sparse_combiner: str = "sum",
    ) -> None:
        head = RegressionHead(label_dimension, weight_column, loss_reduction)
        parts = combined_parts(
            linear_feature_columns=linear_feature_columns,
            linear_optimizer=linear_optimizer,
            linear_sparse_combiner=linear_sparse_combiner,
            dnn_feature_columns=dnn_feature_columns,
            dnn_optimizer=dnn_optimizer,
            dnn_hidden_units=dnn_hidden_units,
            dnn_activation_fn=dnn_activation_fn,
            dnn_dropout=dnn_dropout,
            batch_norm=batch_norm,
        )
        model = SecondVersion(head=head, parts=parts, combined=True)
        super().__init__(model.model_fn, model_dir, config, warm_start_from=warm_start_from)


class DNNLinearCombinedEstimator(Estimator):
    """A linear model and a deep network, trained jointly, with a head of choice (Cheng et al. 2016).

    Args:
      head: makes the loss, predictions and metrics of the logits.
      model_dir: where checkpoints and events go; None takes that of the config, or a temporary directory.
      linear_feature_columns: of the linear model; None for a deep one only.
      linear_optimizer: of the linear model; a name gets a rate of 0.005, or less for very many columns.
      dnn_feature_columns: of the deep network; None for a linear model only.
      dnn_optimizer: of the deep network; a name gets a rate of 0.001.
      dnn_hidden_units: of each hidden layer.
      dnn_activation_fn: of hidden layers.
      dnn_dropout: the share of their outputs that is dropped in training; None for none.
      config: a RunConfig.
      batch_norm: whether hidden layers are followed by batch normalisation.
      linear_sparse_combiner: `sum`, `mean` or `sqrtn`: what is done with several categories in one example.

    Raises:
      ValueError: one of these is something else.
    """

    def __init__(
        self,
        head: Head,
        model_dir: ModelDir = None,
        linear_feature_columns: Iterable[Any] | None = None,
        linear_optimizer: Any = "Ftrl",
        dnn_feature_columns: Iterable[Any] | None = None,
        dnn_optimizer: Any = "Adagrad",
        dnn_hidden_units: Sequence[int] | None = None,
        dnn_activation_fn: Activation = tf.nn.relu,
        dnn_dropout: float | None = None,
        config: RunConfig | None = None,
        batch_norm: bool = False,
        linear_sparse_combiner: str = "sum",
    ) -> None:
        parts = combined_parts(
            linear_feature_columns=linear_feature_columns,
            linear_optimizer=linear_optimizer,
            linear_sparse_combiner=linear_sparse_combiner,
            dnn_feature_columns=dnn_feature_columns,
            dnn_optimizer=dnn_optimizer,
            dnn_hidden_units=dnn_hidden_units,
            dnn_activation_fn=dnn_activation_fn,
            dnn_dropout=dnn_dropout,
            batch_norm=batch_norm,
        )
        model = SecondVersion(head=head, parts=parts, combined=True)
        super().__init__(model.model_fn, model_dir, config)
