"""Estimators of linear models, of TensorFlow 2."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from trainer.estimator.canned.model_functions import SecondVersion
from trainer.estimator.canned.parts import ModelDir, linear_part
from trainer.estimator.contract.run_config import RunConfig
from trainer.estimator.estimator import Estimator
from trainer.estimator.heads.head import Head
from trainer.estimator.heads.named_heads import RegressionHead, binary_or_multi_class_head

_MEAN = "sum_over_batch_size"


class LinearClassifier(Estimator):
    """A linear model that says of which class an example is.

    Args:
      feature_columns: of `tf.feature_column`.
      model_dir: where checkpoints and events go; None takes that of the config, or a temporary directory.
      n_classes: 2 or more.
      weight_column: the key of the examples' weights in the features, or a numeric_column; None for ones.
      label_vocabulary: the names of the classes, if labels are strings; else labels are their numbers.
      optimizer: a name, which gets a rate of 0.2, one of Keras, or a function that makes one.
      config: a RunConfig.
      warm_start_from: a checkpoint, a directory, a SavedModel or WarmStartSettings, used while there is no checkpoint.
      loss_reduction: a value of `tf.losses.Reduction`.
      sparse_combiner: `sum`, `mean` or `sqrtn`: what is done with several categories in one example.

    Raises:
      ValueError: one of these is something else.
    """

    def __init__(
        self,
        feature_columns: Iterable[Any] | None,
        model_dir: ModelDir = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        optimizer: Any = "Ftrl",
        config: RunConfig | None = None,
        warm_start_from: Any = None,
        loss_reduction: str = _MEAN,
        sparse_combiner: str = "sum",
    ) -> None:
        head = binary_or_multi_class_head(n_classes, weight_column, label_vocabulary, loss_reduction)
        part = linear_part(feature_columns, optimizer, sparse_combiner)
        model = SecondVersion(head=head, parts=[part])
        super().__init__(model.model_fn, model_dir, config, warm_start_from=warm_start_from)


class LinearRegressor(Estimator):
    """A linear model that predicts numbers.

    Args:
      feature_columns: of `tf.feature_column`.
      model_dir: where checkpoints and events go; None takes that of the config, or a temporary directory.
      label_dimension: how many numbers a label has.
      weight_column: the key of the examples' weights in the features, or a numeric_column; None for ones.
      optimizer: a name, which gets a rate of 0.2, one of Keras, or a function that makes one.
      config: a RunConfig.
      warm_start_from: a checkpoint, a directory, a SavedModel or WarmStartSettings, used while there is no checkpoint.
      loss_reduction: a value of `tf.losses.Reduction`.
      sparse_combiner: `sum`, `mean` or `sqrtn`: what is done with several categories in one example.

    Raises:
      ValueError: one of these is something else.
    """

    def __init__(
        self,
        feature_columns: Iterable[Any] | None,
        model_dir: ModelDir = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        optimizer: Any = "Ftrl",
        config: RunConfig | None = None,
        warm_start_from: Any = None,
        loss_reduction: str = _MEAN,
        sparse_combiner: str = "sum",
    ) -> None:
        head = RegressionHead(label_dimension, weight_column, loss_reduction)
        part = linear_part(feature_columns, optimizer, sparse_combiner)
        model = SecondVersion(head=head, parts=[part])
        super().__init__(model.model_fn, model_dir, config, warm_start_from=warm_start_from)


class LinearEstimator(Estimator):
    """A linear model with a head of choice.

    Args:
      head: makes the loss, predictions and metrics of the logits.
      feature_columns: of `tf.feature_column`.
      model_dir: where checkpoints and events go; None takes that of the config, or a temporary directory.
      optimizer: a name, which gets a rate of 0.2, one of Keras, or a function that makes one.
      config: a RunConfig.
      sparse_combiner: `sum`, `mean` or `sqrtn`: what is done with several categories in one example.
      warm_start_from: a checkpoint, a directory, a SavedModel or WarmStartSettings, used while there is no checkpoint.

    Raises:
      ValueError: one of these is something else.
    """

    def __init__(
        self,
        head: Head,
        feature_columns: Iterable[Any] | None,
        model_dir: ModelDir = None,
        optimizer: Any = "Ftrl",
        config: RunConfig | None = None,
        sparse_combiner: str = "sum",
        warm_start_from: Any = None,
    ) -> None:
        part = linear_part(feature_columns, optimizer, sparse_combiner)
        model = SecondVersion(head=head, parts=[part])
        super().__init__(model.model_fn, model_dir, config, warm_start_from=warm_start_from)
