"""Any of several classes, by a logit of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.contract.export import ExportOutput
from trainer.estimator.heads import checks, measures, vocabulary
from trainer.estimator.heads.binary_class import numbers
from trainer.estimator.heads.keys import MetricKeys, PredictionKeys
from trainer.estimator.heads.measures import Batch, Kind, Measure
from trainer.estimator.heads.objective import Objective, classification


@dataclasses.dataclass(frozen=True, kw_only=True)
class MultiLabel(Objective):
    """Labels are 0 and 1 for each class, or the classes of each example; the loss is the mean of their cross entropies.

    Attributes:
      n_classes: how many, from 2 on.
      thresholds: of the probabilities, for further metrics.
      label_vocabulary: the names of the classes; None for numbers.
      measured_classes: the numbers of those that have metrics of their own.
    """

    n_classes: int
    thresholds: tuple[float, ...] = ()
    label_vocabulary: vocabulary.Vocabulary | None = None
    measured_classes: tuple[int, ...] = ()
    keys: tuple[str, ...] = (  # type: ignore[misc]
        PredictionKeys.LOGITS,
        PredictionKeys.PROBABILITIES,
        PredictionKeys.CLASSES,
    )

    def __post_init__(self) -> None:
        if self.n_classes is None or self.n_classes < 2:
            raise ValueError(f"A head of several labels was given n_classes {self.n_classes!r}. It takes 2 or more")
        measures.check_thresholds(self.thresholds)
        vocabulary.check(self.label_vocabulary)
        vocabulary.check_size(self.label_vocabulary, self.n_classes)
        wrong = [number for number in self.measured_classes if not 0 <= number < self.n_classes]
        if wrong:
            raise ValueError(
                f"classes_for_class_based_metrics has {wrong}. The numbers of the classes go from 0 to "
                f"{self.n_classes - 1}"
            )

    @property
    def logits_dimension(self) -> int:
        return self.n_classes

    def processed(self, labels: Any, logits: tf.Tensor) -> tf.Tensor:
        """0 or 1 for each class, [D0, …, DN, n_classes], as float32."""
        if isinstance(labels, tf.RaggedTensor):
            labels = labels.to_sparse()
        if isinstance(labels, tf.SparseTensor):
            labels = self._indicators(labels)
        dense = checks.dense_labels(labels, logits, self.n_classes)
        message = "Some labels of a head of several labels are not 0 or 1. Look at the labels."
        return checks.in_range(numbers(dense), 2, message)

    def _indicators(self, labels: tf.SparseTensor) -> tf.Tensor:
        """Bool [D0, …, DN, n_classes] of sparse classes [D0, …, DN, any]."""
        values = labels.values
        if values.dtype == tf.string:
            if self.label_vocabulary is None:
                raise ValueError("A head of several labels was given strings and no vocabulary. Pass label_vocabulary")
            values = vocabulary.ids(values, self.label_vocabulary)
        if not values.dtype.is_integer:
            raise ValueError(
                f"A head was given sparse labels of type {values.dtype.name}. It takes integers or strings"
            )
        message = f"Some labels are not among the {self.n_classes} classes of the head. Look at the labels."
        values = checks.in_range(values, self.n_classes, message)
        return tf.sparse.to_indicator(
            tf.SparseTensor(labels.indices, tf.cast(values, tf.int64), labels.dense_shape), self.n_classes
        )

    def usual_loss(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """Float32 [D0, …, DN, 1]."""
        losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
        return tf.reduce_mean(losses, axis=-1, keepdims=True)

    def prediction(self, key: str, logits: tf.Tensor) -> tf.Tensor:
        """[D0, …, DN, n_classes], or [batch, n_classes] of the names of the classes."""
        match key:
            case PredictionKeys.LOGITS:
                return logits
            case PredictionKeys.PROBABILITIES:
                return tf.math.sigmoid(logits, name=key)
            case _:
                return vocabulary.all_names(logits, self.n_classes, self.label_vocabulary)

    def outputs(self, predictions: Mapping[str, tf.Tensor]) -> dict[str, ExportOutput]:
        """The default is `classification`, of scores [D0, …, DN, n_classes]."""
        scores = predictions[PredictionKeys.PROBABILITIES]
        return classification(scores, predictions, self.n_classes, self.label_vocabulary)

    def measures(self) -> Iterator[Measure]:
        yield measures.LOSS_MEAN
        yield Measure(MetricKeys.AUC, Kind.AUC, _probabilities, measures.labels_of)
        yield Measure(MetricKeys.AUC_PR, Kind.AUC_PR, _probabilities, measures.labels_of)
        yield from measures.at_thresholds(self.thresholds, _probabilities)
        for number in self.measured_classes:
            yield from self._of_class(number)

    def _of_class(self, number: int) -> Iterator[Measure]:
        """The metrics of one class."""

        def probabilities(batch: Batch) -> tf.Tensor:
            return _probabilities(batch)[..., number : number + 1]

        def labels(batch: Batch) -> tf.Tensor:
            return batch.labels[..., number : number + 1]

        keys = MetricKeys
        if self.label_vocabulary is None:
            named = [key % number for key in (keys.PROBABILITY_MEAN_AT_CLASS, keys.AUC_AT_CLASS, keys.AUC_PR_AT_CLASS)]
        else:
            of_name = (keys.PROBABILITY_MEAN_AT_NAME, keys.AUC_AT_NAME, keys.AUC_PR_AT_NAME)
            named = [key % self.label_vocabulary[number] for key in of_name]
        yield Measure(named[0], Kind.MEAN, probabilities)
        yield Measure(named[1], Kind.AUC, probabilities, labels)
        yield Measure(named[2], Kind.AUC_PR, probabilities, labels)


def class_numbers(classes: Sequence[Any] | None, names: vocabulary.Vocabulary | None) -> tuple[int, ...]:
    """The numbers of classes that are given by their numbers or by their names.

    Raises:
      ValueError: a name is not in the vocabulary, or there is none.
    """
    given = tuple(classes or ())
    unknown = [one for one in given if isinstance(one, str) and one not in (names or ())]
    if unknown:
        raise ValueError(
            f"classes_for_class_based_metrics has {unknown}, and label_vocabulary is {names!r}. "
            "Take names that are in it, or numbers"
        )
    return tuple(names.index(one) if names and isinstance(one, str) else one for one in given)


def _probabilities(batch: Batch) -> tf.Tensor:
    """Float32 [D0, …, DN, n_classes]."""
    return tf.math.sigmoid(batch.logits)
