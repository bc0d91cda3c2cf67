"""What logits mean: how a model is judged by them and what it predicts from them. A head is made of one."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import tensorflow as tf

from trainer.estimator.contract.export import ClassificationOutput, ExportOutput, PredictOutput
from trainer.estimator.heads import checks, vocabulary
from trainer.estimator.heads.checks import LossFn
from trainer.estimator.heads.measures import Batch, Measure

CLASSIFICATION, REGRESSION, PREDICT, DEFAULT = "classification", "regression", "predict", "serving_default"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Objective(abc.ABC):
    """One kind of target.

    Attributes:
      weight_column: the key of the examples' weights in the features, or a numeric_column; None where there are none.
      loss_fn: takes labels, logits and perhaps features, and gives [D0, …, DN, loss_dimension]; None for the usual one.
    """

    weight_column: Any = None
    loss_fn: LossFn | None = None
    keys: ClassVar[Sequence[str]]
    """Of the predictions."""
    weights_per_logit: ClassVar[bool] = False

    @property
    @abc.abstractmethod
    def logits_dimension(self) -> Any:
        """The last dimension of logits."""

    @property
    def loss_dimension(self) -> int:
        """How many losses an example has."""
        return 1

    @abc.abstractmethod
    def processed(self, labels: Any, logits: tf.Tensor) -> tf.Tensor:
        """Labels as losses take them, [D0, …, DN, 1 or logits_dimension], for logits [D0, …, DN, logits_dimension]."""

    @abc.abstractmethod
    def usual_loss(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """Float32 [D0, …, DN, loss_dimension] of labels that were processed and logits [D0, …, DN, any]."""

    @abc.abstractmethod
    def prediction(self, key: str, logits: tf.Tensor) -> tf.Tensor:
        """One of `keys`, [D0, …, DN, any], from logits [D0, …, DN, logits_dimension]."""

    @abc.abstractmethod
    def outputs(self, predictions: Mapping[str, tf.Tensor]) -> dict[str, ExportOutput]:
        """The signatures of an export, by name, from all predictions, [D0, …, DN, any] each."""

    @abc.abstractmethod
    def measures(self) -> Iterable[Measure]:
        """The metrics."""

    def judge(self, labels: Any, logits: Any, features: Any) -> Batch:
        """A batch with its losses.

        Args:
          labels: as the input function gives them.
          logits: [D0, …, DN, logits_dimension].
          features: a dict, if there is a weight column.
        """
        logits = checks.logits(logits, self.logits_dimension)
        labels = self.processed(labels, logits)
        if self.loss_fn:
            loss = checks.loss_of(self.loss_fn, labels, logits, features, self.loss_dimension)
        else:
            loss = self.usual_loss(labels, logits)
        weights = checks.weights(features, self.weight_column, logits, per_logit=self.weights_per_logit)
        return Batch(logits, labels, loss, weights)

    def predictions(self, logits: Any, keys: Sequence[str] | None = None) -> dict[str, tf.Tensor]:
        """Predictions by their names, [D0, …, DN, any] each.

        Args:
          logits: [D0, …, DN, logits_dimension].
          keys: which; None for all.

        Raises:
          ValueError: there is none of that name.
        """
        unknown = set(keys or ()) - set(self.keys)
        if unknown:
            raise ValueError(
                f"A head was asked for predictions {', '.join(map(repr, sorted(unknown)))}. "
                f"It has {', '.join(map(repr, self.keys))}"
            )
        logits = checks.logits(logits, self.logits_dimension)
        with tf.name_scope("predictions"):
            return {key: self.prediction(key, logits) for key in self.keys if not keys or key in keys}


def classification(
    scores: tf.Tensor, predictions: Mapping[str, tf.Tensor], n_classes: Any, names: vocabulary.Vocabulary | None
) -> dict[str, ExportOutput]:
    """The signatures of a classifier.

    Args:
      scores: of all classes, float32 [D0, …, DN, n_classes].
      predictions: all, [D0, …, DN, any] each.
      n_classes: how many classes there are.
      names: theirs; None for their numbers.
    """
    output = ClassificationOutput(scores, vocabulary.all_names(scores, n_classes, names))
    return {DEFAULT: output, CLASSIFICATION: output, PREDICT: PredictOutput(dict(predictions))}
