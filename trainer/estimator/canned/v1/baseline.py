"""Estimators that look at no feature, with the sums of losses and the optimizers of TensorFlow 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.canned.baseline_model import BaselineFirstVersion
from trainer.estimator.canned.parts import ModelDir
from trainer.estimator.canned.v1.heads import binary_or_multi_class_head
from trainer.estimator.contract.run_config import RunConfig
from trainer.estimator.estimator import Estimator
from trainer.estimator.heads.v1_head import Head
from trainer.estimator.heads.v1_named_heads import regression_head

_SUM = tf.compat.v1.losses.Reduction.SUM


class BaselineClassifier(Estimator):
    """Predicts how frequent each class is, whatever the features: what a model has to beat.

    Args:
      model_dir: where checkpoints and events go; None takes that of the config, or a temporary directory.
      n_classes: 2 or more.
      weight_column: the key of the examples' weights in the features, or a numeric_column; None for ones.
      label_vocabulary: the names of the classes, if labels are strings; else labels are their numbers.
      optimizer: a name, which gets a rate of 0.3, one of `tf.compat.v1.train`, or a function that makes one.
      config: a RunConfig.
      loss_reduction: a value of `tf.compat.v1.losses.Reduction`.

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
        loss_reduction: str = _SUM,
    ) -> None:
        head = binary_or_multi_class_head(n_classes, weight_column, label_vocabulary, loss_reduction)
        model = BaselineFirstVersion(head=head, optimizer=optimizer, weight_column=weight_column)
        super().__init__(model.model_fn, model_dir, config)


class BaselineRegressor(Estimator):
    """Predicts the mean label, whatever the features: what a model has to beat.

    Args:
      model_dir: where checkpoints and events go; None takes that of the config, or a temporary directory.
      label_dimension: how many numbers a label has.
      weight_column: the key of the examples' weights in the features, or a numeric_column; None for ones.
      optimizer: a name, which gets a rate of 0.3, one of `tf.compat.v1.train`, or a function that makes one.
      config: a RunConfig.
      loss_reduction: a value of `tf.compat.v1.losses.Reduction`.

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
        loss_reduction: str = _SUM,
    ) -> None:
        head = regression_head(weight_column, label_dimension, loss_reduction)
        model = BaselineFirstVersion(head=head, optimizer=optimizer, weight_column=weight_column)
        super().__init__(model.model_fn, model_dir, config)


class BaselineEstimator(Estimator):
    """Predicts the same of every example, with a head of choice: what a model has to beat.

    Args:
      head: makes the loss, predictions and metrics of the logits.
      model_dir: where checkpoints and events go; None takes that of the config, or a temporary directory.
      optimizer: a name, which gets a rate of 0.3, one of `tf.compat.v1.train`, or a function that makes one.
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
        model = BaselineFirstVersion(head=head, optimizer=optimizer, weight_column=None)
        super().__init__(model.model_fn, model_dir, config)
