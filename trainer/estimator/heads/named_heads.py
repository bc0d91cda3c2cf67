"""The heads of tf.estimator by their names: a class for each objective."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.heads import checks, vocabulary
from trainer.estimator.heads.binary_class import BinaryClass
from trainer.estimator.heads.checks import LossFn
from trainer.estimator.heads.head import ObjectiveHead
from trainer.estimator.heads.multi_class import MultiClass
from trainer.estimator.heads.multi_label import MultiLabel, class_numbers
from trainer.estimator.heads.regression import InverseLinkFn, Regression, logistic_loss, poisson_loss

_MAY_TAKE = ("features", "loss_reduction")
_MEAN = "sum_over_batch_size"


class BinaryClassHead(ObjectiveHead):
    """Says which one of two classes, by a logit [D0, …, DN, 1] of the second one.

    Args:
      weight_column: the key of the examples' weights in the features, or a numeric_column; None for ones.
      thresholds: of the probability, between 0 and 1, for accuracy, precision and recall at each.
      label_vocabulary: the names of the two classes, if labels are strings; else labels are from 0 to 1.
      loss_reduction: a value of `tf.losses.Reduction`: the sum of the batch, or that divided by its size.
      loss_fn: takes labels, logits and perhaps features, gives losses [D0, …, DN, 1]; None for the cross entropy.
      name: follows a slash in the names of metrics and summaries.

    Raises:
      ValueError: one of these is something else.
    """

    def __init__(
        self,
        weight_column: Any = None,
        thresholds: Iterable[float] | None = None,
        label_vocabulary: Sequence[str] | None = None,
        loss_reduction: str = _MEAN,
        loss_fn: LossFn | None = None,
        name: str | None = None,
    ) -> None:
        vocabulary.check(label_vocabulary)
        checks.check_loss_fn(loss_fn, _MAY_TAKE)
        objective = BinaryClass(
            weight_column=weight_column,
            thresholds=tuple(thresholds or ()),
            label_vocabulary=label_vocabulary,
            loss_fn=loss_fn,
        )
        super().__init__(objective, loss_reduction, name)


class MultiClassHead(ObjectiveHead):
    """Says which one of three or more classes, by a logit of each, [D0, …, DN, n_classes].

    Args:
      n_classes: how many.
      weight_column: the key of the examples' weights in the features, or a numeric_column; None for ones.
      label_vocabulary: the names of the classes, if labels are strings; else labels are their numbers, from 0 on.
      loss_reduction: a value of `tf.losses.Reduction`: the sum of the batch, or that divided by its size.
      loss_fn: takes labels, logits and perhaps features, gives losses [D0, …, DN, 1]; None for the cross entropy.
      name: follows a slash in the names of metrics and summaries.

    Raises:
      ValueError: one of these is something else.
    """

    def __init__(
        self,
        n_classes: Any,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        loss_reduction: str = _MEAN,
        loss_fn: LossFn | None = None,
        name: str | None = None,
    ) -> None:
        vocabulary.check(label_vocabulary)
        vocabulary.check_size(label_vocabulary, n_classes)
        checks.check_loss_fn(loss_fn, _MAY_TAKE)
        objective = MultiClass(
            n_classes=n_classes, weight_column=weight_column, label_vocabulary=label_vocabulary, loss_fn=loss_fn
        )
        super().__init__(objective, loss_reduction, name)


class MultiLabelHead(ObjectiveHead):
    """Says for each of several classes whether an example is in it, by logits [D0, …, DN, n_classes].

    Labels are [D0, …, DN, n_classes] of 0 and 1, or a SparseTensor or RaggedTensor of the classes of each example.

    Args:
      n_classes: how many, from 2 on.
      weight_column: the key of the examples' weights in the features, or a numeric_column; None for ones.
      thresholds: of the probability, between 0 and 1, for accuracy, precision and recall at each.
      label_vocabulary: the names of the classes, if labels are strings.
      loss_reduction: a value of `tf.losses.Reduction`: the sum of the batch, or that divided by its size.
      loss_fn: takes labels, logits and perhaps features, gives losses [D0, …, DN, 1]; None for the mean of the cross
        entropies of the classes.
      classes_for_class_based_metrics: names or numbers of the classes that have metrics of their own.
      name: follows a slash in the names of metrics and summaries.

    Raises:
      ValueError: one of these is something else.
    """

    def __init__(
        self,
        n_classes: Any,
        weight_column: Any = None,
        thresholds: Iterable[float] | None = None,
        label_vocabulary: Sequence[str] | None = None,
        loss_reduction: str = _MEAN,
        loss_fn: LossFn | None = None,
        classes_for_class_based_metrics: Sequence[int] | Sequence[str] | None = None,
        name: str | None = None,
    ) -> None:
        checks.check_loss_fn(loss_fn, _MAY_TAKE)
        objective = MultiLabel(
            n_classes=n_classes,
            weight_column=weight_column,
            thresholds=tuple(thresholds or ()),
            label_vocabulary=label_vocabulary,
            loss_fn=loss_fn,
            measured_classes=class_numbers(classes_for_class_based_metrics, label_vocabulary),
        )
        super().__init__(objective, loss_reduction, name)


class RegressionHead(ObjectiveHead):
    """Predicts numbers, which the logits [D0, …, DN, label_dimension] are.

    Args:
      label_dimension: how many numbers a label has.
      weight_column: the key of weights in the features, or a numeric_column; None for ones. A weight is of an example
        or of each of its numbers.
      loss_reduction: a value of `tf.losses.Reduction`: the sum of the batch, or that divided by how many it is of.
      loss_fn: takes labels, logits and perhaps features, gives losses of the shape of logits; None for the squared
        error.
      inverse_link_fn: makes predictions of logits, as in a generalized linear model; None for logits themselves.
      name: follows a slash in the names of metrics and summaries.

    Raises:
      ValueError: one of these is something else.
    """

    def __init__(
        self,
        label_dimension: int = 1,
        weight_column: Any = None,
        loss_reduction: str = _MEAN,
        loss_fn: LossFn | None = None,
        inverse_link_fn: InverseLinkFn | None = None,
        name: str | None = None,
    ) -> None:
        checks.check_loss_fn(loss_fn, _MAY_TAKE)
        objective = Regression(
            label_dimension=label_dimension,
            weight_column=weight_column,
            loss_fn=loss_fn,
            inverse_link_fn=inverse_link_fn,
        )
        super().__init__(objective, loss_reduction, name)


class PoissonRegressionHead(RegressionHead):
    """Predicts counts by the logarithms of their means, [D0, …, DN, label_dimension].

    Args:
      label_dimension: how many counts a label has.
      weight_column: as of a RegressionHead.
      loss_reduction: as of a RegressionHead.
      compute_full_loss: with the term that only the labels are in, by Stirling's formula.
      name: follows a slash in the names of metrics and summaries.
    """

    def __init__(
        self,
        label_dimension: int = 1,
        weight_column: Any = None,
        loss_reduction: str = _MEAN,
        compute_full_loss: bool = True,
        name: str | None = None,
    ) -> None:
        loss_fn = poisson_loss(compute_full_loss=compute_full_loss)
        super().__init__(label_dimension, weight_column, loss_reduction, loss_fn, tf.math.exp, name)


class LogisticRegressionHead(RegressionHead):
    """Predicts probabilities by logits [D0, …, DN, 1]; labels are from 0 to 1.

    Args:
      weight_column: as of a BinaryClassHead.
      loss_reduction: as of a BinaryClassHead.
      name: follows a slash in the names of metrics and summaries.
    """

    def __init__(self, weight_column: Any = None, loss_reduction: str = _MEAN, name: str | None = None) -> None:
        super().__init__(1, weight_column, loss_reduction, logistic_loss, tf.math.sigmoid, name)


def binary_or_multi_class_head(
    n_classes: int, weight_column: Any, label_vocabulary: Sequence[str] | None, loss_reduction: str
) -> ObjectiveHead:
    """The head of a classifier.

    Args:
      n_classes: 2 or more.
      weight_column: as of the heads.
      label_vocabulary: as of the heads.
      loss_reduction: as of the heads.
    """
    if n_classes == 2:
        return BinaryClassHead(weight_column, label_vocabulary=label_vocabulary, loss_reduction=loss_reduction)
    return MultiClassHead(n_classes, weight_column, label_vocabulary, loss_reduction)
