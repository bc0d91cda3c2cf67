"""What a head measures: a list of values, from which metrics of Keras and of TensorFlow 1 are made."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Iterator, Sequence

import tensorflow as tf

from trainer.estimator.heads.keys import MetricKeys


class Kind(enum.Enum):
    """How values, and the labels that they are compared with, become one number."""

    MEAN = enum.auto()
    ACCURACY = enum.auto()
    BASELINE = enum.auto()
    """The accuracy of saying the more frequent one of two classes."""
    PRECISION = enum.auto()
    RECALL = enum.auto()
    AUC = enum.auto()
    AUC_PR = enum.auto()


@dataclasses.dataclass(frozen=True)
class Batch:
    """A batch as its head judges it.

    Attributes:
      logits: float32 [D0, …, DN, logits_dimension].
      labels: as losses and metrics take them, [D0, …, DN, 1 or logits_dimension].
      loss: of each example, or of each of its labels, float32 [D0, …, DN, 1 or logits_dimension].
      weights: float32 [D0, …, DN, 1 or logits_dimension]; None for ones.
    """

    logits: tf.Tensor
    labels: tf.Tensor
    loss: tf.Tensor
    weights: tf.Tensor | None

    def weights_of(self, values: tf.Tensor) -> tf.Tensor | None:
        """A weight for each of values [D0, …, DN, any], of their shape; None for ones."""
        return None if self.weights is None else tf.broadcast_to(self.weights, tf.shape(values))


@dataclasses.dataclass(frozen=True)
class Measure:
    """One metric of a head.

    Attributes:
      key: its name, without that of the head.
      kind: what is done with the values.
      values: of a batch, [D0, …, DN, any].
      labels: of a batch, of the same shape; None where values are not compared.
      threshold: of probabilities, from which on they say yes; None where the values are classes.
    """

    key: str
    kind: Kind
    values: Callable[[Batch], tf.Tensor]
    labels: Callable[[Batch], tf.Tensor] | None = None
    threshold: float | None = None


LOSS_MEAN = Measure(MetricKeys.LOSS_MEAN, Kind.MEAN, lambda batch: batch.loss)


def at_thresholds(thresholds: Sequence[float], probabilities: Callable[[Batch], tf.Tensor]) -> Iterator[Measure]:
    """Accuracy, precision and recall of probabilities [D0, …, DN, any] for each threshold."""
    kinds = {
        MetricKeys.ACCURACY_AT_THRESHOLD: Kind.ACCURACY,
        MetricKeys.PRECISION_AT_THRESHOLD: Kind.PRECISION,
        MetricKeys.RECALL_AT_THRESHOLD: Kind.RECALL,
    }
    for threshold in thresholds:
        for key, kind in kinds.items():
            yield Measure(key % threshold, kind, probabilities, labels_of, threshold)


def labels_of(batch: Batch) -> tf.Tensor:
    """The labels of a batch, [D0, …, DN, any]."""
    return batch.labels


def check_thresholds(thresholds: Sequence[float]) -> None:
    """Looks at thresholds.

    Raises:
      ValueError: one is not between 0 and 1.
    """
    wrong = [threshold for threshold in thresholds if not 0.0 < threshold < 1.0]
    if wrong:
        raise ValueError(f"A head was given thresholds {wrong}. Thresholds of probabilities lie between 0 and 1")
