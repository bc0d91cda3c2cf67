"""Numbers: by themselves, as counts (Poisson) or as probabilities (logistic regression)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import tensorflow as tf

from trainer.estimator.contract.export import ExportOutput, PredictOutput, RegressionOutput
from trainer.estimator.heads import checks, measures
from trainer.estimator.heads.binary_class import numbers
from trainer.estimator.heads.checks import LossFn
from trainer.estimator.heads.keys import MetricKeys, PredictionKeys
from trainer.estimator.heads.measures import Batch, Kind, Measure
from trainer.estimator.heads.objective import DEFAULT, PREDICT, REGRESSION, Objective

InverseLinkFn = Callable[[tf.Tensor], tf.Tensor]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Regression(Objective):
    """Labels are numbers; the loss is the squared error.

    Attributes:
      label_dimension: how many numbers a label has.
      inverse_link_fn: makes predictions of logits, of the same shape, as in a generalized linear model; None for logits
        that are the predictions.
    """

    label_dimension: int = 1
    inverse_link_fn: InverseLinkFn | None = None
    weights_per_logit = True

    def __post_init__(self) -> None:
        if self.label_dimension < 1:
            raise ValueError(f"A head was given label_dimension {self.label_dimension}. A label has 1 number or more")

    @property
    def keys(self) -> tuple[str, ...]:  # type: ignore[override]
        """Of the predictions."""
        return (PredictionKeys.PREDICTIONS, *([PredictionKeys.LOGITS] if self.inverse_link_fn else []))

    @property
    def logits_dimension(self) -> int:
        return self.label_dimension

    @property
    def loss_dimension(self) -> int:
        return self.label_dimension

    def processed(self, labels: Any, logits: tf.Tensor) -> tf.Tensor:
        """Float32 [D0, …, DN, label_dimension]."""
        return numbers(checks.dense_labels(labels, logits, self.label_dimension))

    def usual_loss(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """Float32 [D0, …, DN, label_dimension]."""
        return tf.math.squared_difference(logits, labels)

    def prediction(self, key: str, logits: tf.Tensor) -> tf.Tensor:
        """[D0, …, DN, label_dimension]."""
        link = self.inverse_link_fn
        return link(logits) if link and key == PredictionKeys.PREDICTIONS else logits

    def outputs(self, predictions: Mapping[str, tf.Tensor]) -> dict[str, ExportOutput]:
        """The default is `regression`, of values [D0, …, DN, label_dimension]."""
        output = RegressionOutput(predictions[PredictionKeys.PREDICTIONS])
        return {DEFAULT: output, REGRESSION: output, PREDICT: PredictOutput(dict(predictions))}

    def measures(self) -> Iterator[Measure]:
        yield measures.LOSS_MEAN
        yield Measure(MetricKeys.PREDICTION_MEAN, Kind.MEAN, self._predicted)
        yield Measure(MetricKeys.LABEL_MEAN, Kind.MEAN, measures.labels_of)

    def _predicted(self, batch: Batch) -> tf.Tensor:
        """Float32 [D0, …, DN, label_dimension]."""
        return self.prediction(PredictionKeys.PREDICTIONS, batch.logits)


def poisson_loss(*, compute_full_loss: bool) -> LossFn:
    """The negative log likelihood of counts [D0, …, DN, label_dimension] for logarithms of their means.

    Args:
      compute_full_loss: with the term that only the labels are in, by Stirling's formula.
    """

    def loss(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        return tf.nn.log_poisson_loss(targets=labels, log_input=logits, compute_full_loss=compute_full_loss)

    return loss


def logistic_loss(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """The cross entropy [D0, …, DN, 1] of probabilities for logits of that shape."""
    message = "Some labels are not in [0, 1], as those of a logistic regression are. Look at the labels."
    return tf.nn.sigmoid_cross_entropy_with_logits(labels=checks.in_range(labels, 2, message), logits=logits)
