"""Estimators that look at no feature, of TensorFlow 2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainer.estimator.canned.baseline_model import BaselineSecondVersion
from trainer.estimator.canned.parts import ModelDir
from trainer.estimator.contract.run_config import RunConfig
from trainer.estimator.estimator import Estimator
from trainer.estimator.heads.head import Head
from trainer.estimator.heads.named_heads import RegressionHead, binary_or_multi_class_head

_MEAN = "sum_over_batch_size"


class BaselineClassifier(Estimator):
    """Predicts how frequent each class is, whatever the features: what a model has to beat.

    Args:
      model_dir: where checkpoints and events go; None takes that of the config, or a temporary directory.
      n_classes: 2 or more.
      weight_column: the key of the examples' weights in the features, or a numeric_column; None for ones.
      label_vocabulary: the names of the classes, if labels are strings; else labels are their numbers.
      optimizer: a name, which gets a rate of 0.3, one of Keras, or a function that makes one.
      config: a RunConfig.
      loss_reduction: a value of `tf.losses.Reduction`.

    Raises:
      ValueError: one of these is something else.
    """

    def __init__(
        self,
        model_dir: ModelDir = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        optimizer: Any = "Ftrl",
        config: RunConfig | None = None,
        loss_reduction: str = _MEAN,
    ) -> None:
        head = binary_or_multi_class_head(n_classes, weight_column, label_vocabulary, loss_reduction)
        model = BaselineSecondVersion(head=head, optimizer=optimizer, weight_column=weight_column)
        super().__init__(model.model_fn, model_dir, config)


class BaselineRegressor(Estimator):
    """Predicts the mean label, whatever the features: what a model has to beat.

    Args:
      model_dir: where checkpoints and events go; None takes that of the config, or a temporary directory.
      label_dimension: how many numbers a label has.
      weight_column: the key of the examples' weights in the features, or a numeric_column; None for ones.
      optimizer: a name, which gets a rate of 0.3, one of Keras, or a function that makes one.
      config: a RunConfig.
      loss_reduction: a value of `tf.losses.Reduction`.

    Raises:
      ValueError: one of these is something else.
    """

    def __init__(
        self,
        model_dir: ModelDir = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        optimizer: Any = "Ftrl",
        config: RunConfig | None = None,
        loss_reduction: str = _MEAN,
    ) -> None:
        head = RegressionHead(label_dimension, weight_column, loss_reduction)
        model = BaselineSecondVersion(head=head, optimizer=optimizer, weight_column=weight_column)
        super().__init__(model.model_fn, model_dir, config)


class BaselineEstimator(Estimator):
    """Predicts the same of every example, with a head of choice: what a model has to beat.

    Args:
      head: makes the loss, predictions and metrics of the logits.
      model_dir: where checkpoints and events go; None takes that of the config, or a temporary directory.
      optimizer: a name, which gets a rate of 0.3, one of Keras, or a function that makes one.
      config: a RunConfig.

    Raises:
      ValueError: one of these is something else.
    """

    def __init__(
        self,
        head: Head,
        model_dir: ModelDir = None,
        optimizer: Any = "Ftrl",
        config: RunConfig | None = None,
    ) -> None:
        model = BaselineSecondVersion(head=head, optimizer=optimizer, weight_column=None)
        super().__init__(model.model_fn, model_dir, config)
