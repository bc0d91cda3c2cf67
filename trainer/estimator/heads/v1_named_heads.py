"""The heads of tf.estimator's first version by their names, those of `tf.contrib.estimator`.

Canned estimators make them with a reduction of their own, the sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.heads import checks, vocabulary
from trainer.estimator.heads.binary_class import BinaryClass
from trainer.estimator.heads.checks import LossFn
from trainer.estimator.heads.multi_class import MultiClass
from trainer.estimator.heads.multi_label import MultiLabel, class_numbers
from trainer.estimator.heads.objective import Objective
from trainer.estimator.heads.regression import InverseLinkFn, Regression, logistic_loss, poisson_loss
from trainer.estimator.heads.v1_head import Head, ObjectiveHead

_MEAN = tf.compat.v1.losses.Reduction.SUM_OVER_BATCH_SIZE


def _head(objective: Objective, loss_reduction: str, name: str | None) -> ObjectiveHead:
    checks.check_loss_fn(objective.loss_fn, ("features",))
    return ObjectiveHead(objective, loss_reduction, name)


def binary_classification_head(
    weight_column: Any = None,
    thresholds: Iterable[float] | None = None,
    label_vocabulary: Sequence[str] | None = None,
    loss_reduction: str = _MEAN,
    loss_fn: LossFn | None = None,
    name: str | None = None,
) -> Head:
    """Says which one of two classes, by a logit [D0, …, DN, 1]; see BinaryClassHead for the arguments.

    Args:
      weight_column: see there.
      thresholds: see there.
      label_vocabulary: see there.
      loss_reduction: a value of `tf.compat.v1.losses.Reduction`.
      loss_fn: see there.
      name: see there.

    Raises:
      TypeError: the vocabulary is no list or tuple.
    """
    vocabulary.check(label_vocabulary, TypeError)
    objective = BinaryClass(
        weight_column=weight_column,
        thresholds=tuple(thresholds or ()),
        label_vocabulary=label_vocabulary,
        loss_fn=loss_fn,
    )
    return _head(objective, loss_reduction, name)


def multi_class_head(
    n_classes: Any,
    weight_column: Any = None,
    label_vocabulary: Sequence[str] | None = None,
    loss_reduction: str = _MEAN,
    loss_fn: LossFn | None = None,
    name: str | None = None,
) -> Head:
    """Says which one of three or more classes, by logits [D0, …, DN, n_classes]; see MultiClassHead for the arguments.

    Args:
      n_classes: see there.
      weight_column: see there.
      label_vocabulary: see there.
      loss_reduction: a value of `tf.compat.v1.losses.Reduction`.
      loss_fn: see there.
      name: see there.
    """
    vocabulary.check(label_vocabulary)
    vocabulary.check_size(label_vocabulary, n_classes)
    objective = MultiClass(
        n_classes=n_classes, weight_column=weight_column, label_vocabulary=label_vocabulary, loss_fn=loss_fn
    )
    return _head(objective, loss_reduction, name)


def multi_label_head(
    n_classes: int,
    weight_column: Any = None,
    thresholds: Iterable[float] | None = None,
    label_vocabulary: Sequence[str] | None = None,
    loss_reduction: str = _MEAN,
    loss_fn: LossFn | None = None,
    classes_for_class_based_metrics: Sequence[int] | Sequence[str] | None = None,
    name: str | None = None,
) -> Head:
    """Says for each class whether an example is in it, by logits [D0, …, DN, n_classes]; see MultiLabelHead.

    Args:
      n_classes: see there.
      weight_column: see there.
      thresholds: see there.
      label_vocabulary: see there.
      loss_reduction: a value of `tf.compat.v1.losses.Reduction`.
      loss_fn: see there.
      classes_for_class_based_metrics: see there.
      name: see there.
    """
    objective = MultiLabel(
        n_classes=n_classes,
        weight_column=weight_column,
        thresholds=tuple(thresholds or ()),
        label_vocabulary=label_vocabulary,
        loss_fn=loss_fn,
        measured_classes=class_numbers(classes_for_class_based_metrics, label_vocabulary),
    )
    return _head(objective, loss_reduction, name)


def regression_head(
    weight_column: Any = None,
    label_dimension: int = 1,
    loss_reduction: str = _MEAN,
    loss_fn: LossFn | None = None,
    inverse_link_fn: InverseLinkFn | None = None,
    name: str | None = None,
) -> Head:
    """Predicts numbers, which the logits [D0, …, DN, label_dimension] are; see RegressionHead for the arguments.

    Args:
      weight_column: see there.
      label_dimension: see there.
      loss_reduction: a value of `tf.compat.v1.losses.Reduction`.
      loss_fn: see there.
      inverse_link_fn: see there.
      name: see there.
    """
    objective = Regression(
        label_dimension=label_dimension, weight_column=weight_column, loss_fn=loss_fn, inverse_link_fn=inverse_link_fn
    )
    return _head(objective, loss_reduction, name)


def poisson_regression_head(
    weight_column: Any = None,
    label_dimension: int = 1,
    loss_reduction: str = _MEAN,
    compute_full_loss: bool = True,
    name: str | None = None,
) -> Head:
    """Predicts counts by the logarithms of their means, [D0, …, DN, label_dimension]; see PoissonRegressionHead.

    Args:
      weight_column: see there.
      label_dimension: see there.
      loss_reduction: a value of `tf.compat.v1.losses.Reduction`.
      compute_full_loss: see there.
      name: see there.
    """
    loss_fn = poisson_loss(compute_full_loss=compute_full_loss)
    return regression_head(weight_column, label_dimension, loss_reduction, loss_fn, tf.math.exp, name)


def logistic_regression_head(weight_column: Any = None, loss_reduction: str = _MEAN, name: str | None = None) -> Head:
    """Predicts probabilities by logits [D0, …, DN, 1]; see LogisticRegressionHead for the arguments.

    Args:
      weight_column: see there.
      loss_reduction: a value of `tf.compat.v1.losses.Reduction`.
      name: see there.
    """
    return regression_head(weight_column, 1, loss_reduction, logistic_loss, tf.math.sigmoid, name)
