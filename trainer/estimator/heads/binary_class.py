"""One of two classes, by a logit of the second one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf

from trainer.estimator.contract.export import ExportOutput, RegressionOutput
from trainer.estimator.heads import checks, measures, vocabulary
from trainer.estimator.heads.keys import MetricKeys, PredictionKeys
from trainer.estimator.heads.measures import Batch, Kind, Measure
from trainer.estimator.heads.objective import REGRESSION, Objective, classification


@dataclasses.dataclass(frozen=True, kw_only=True)
class BinaryClass(Objective):
    """Labels are numbers from 0 to 1 or, with a vocabulary, strings; the loss is the cross entropy of a sigmoid.

    Attributes:
      thresholds: of the probability, for further metrics.
      label_vocabulary: the names of the two classes; None for numbers.
    """

    thresholds: tuple[float, ...] = ()
    label_vocabulary: vocabulary.Vocabulary | None = None
    keys = (
        PredictionKeys.LOGITS,
        PredictionKeys.LOGISTIC,
        PredictionKeys.PROBABILITIES,
        PredictionKeys.CLASS_IDS,
        PredictionKeys.CLASSES,
        PredictionKeys.ALL_CLASS_IDS,
        PredictionKeys.ALL_CLASSES,
    )

    def __post_init__(self) -> None:
        measures.check_thresholds(self.thresholds)

    @property
    def logits_dimension(self) -> int:
        return 1

    def processed(self, labels: Any, logits: tf.Tensor) -> tf.Tensor:
        """Float32 [D0, …, DN, 1]."""
        dense = checks.dense_labels(labels, logits, 1)
        if self.label_vocabulary is not None:
            vocabulary.check_strings(dense)
            dense = vocabulary.ids(dense, self.label_vocabulary)
        return checks.in_range(numbers(dense), 2, _message(self.label_vocabulary))

    def usual_loss(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """Float32 [D0, …, DN, 1]."""
        return tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)

    def prediction(self, key: str, logits: tf.Tensor) -> tf.Tensor:
        """[D0, …, DN, 1], or 2 for what all classes have."""
        two = tf.concat([tf.zeros_like(logits), logits], axis=-1, name="two_class_logits")
        match key:
            case PredictionKeys.LOGITS:
                return logits
            case PredictionKeys.LOGISTIC:
                return tf.math.sigmoid(logits, name=key)
            case PredictionKeys.PROBABILITIES:
                return tf.nn.softmax(two, name=key)
            case _:
                return class_prediction(key, two, 2, self.label_vocabulary)

    def outputs(self, predictions: Mapping[str, tf.Tensor]) -> dict[str, ExportOutput]:
        """The default is `classification`; `regression` gives the probability [batch, 1]."""
        scores, logistic = predictions[PredictionKeys.PROBABILITIES], predictions[PredictionKeys.LOGISTIC]
        return classification(scores, predictions, 2, self.label_vocabulary) | {REGRESSION: RegressionOutput(logistic)}

    def measures(self) -> Iterator[Measure]:
        labels_of = measures.labels_of
        yield measures.LOSS_MEAN
        yield Measure(MetricKeys.ACCURACY, Kind.ACCURACY, _class_ids, labels_of)
        yield Measure(MetricKeys.PRECISION, Kind.PRECISION, _class_ids, labels_of)
        yield Measure(MetricKeys.RECALL, Kind.RECALL, _class_ids, labels_of)
        yield Measure(MetricKeys.PREDICTION_MEAN, Kind.MEAN, _logistic)
        yield Measure(MetricKeys.LABEL_MEAN, Kind.MEAN, labels_of)
        yield Measure(MetricKeys.ACCURACY_BASELINE, Kind.BASELINE, labels_of)
        yield Measure(MetricKeys.AUC, Kind.AUC, _logistic, labels_of)
        yield Measure(MetricKeys.AUC_PR, Kind.AUC_PR, _logistic, labels_of)
        yield from measures.at_thresholds(self.thresholds, _logistic)


def numbers(labels: tf.Tensor) -> tf.Tensor:
    """Labels as float32 of the same shape.

    Raises:
      ValueError: they are strings.
    """
    if labels.dtype == tf.string:
        raise ValueError(
            "A head was given labels that are strings. Without a label_vocabulary it takes numbers. "
            "Give it label_vocabulary=[…]"
        )
    return tf.cast(labels, tf.float32)


def _message(names: vocabulary.Vocabulary | None) -> str:
    accepted = "in [0, 1]" if names is None else f"among {list(names)}"
    return f"Some labels are not {accepted}, as those of a binary classification are. Look at the labels."


def class_prediction(key: str, logits: tf.Tensor, n_classes: Any, names: vocabulary.Vocabulary | None) -> tf.Tensor:
    """What a classifier says of classes: the one of the greatest logit [D0, …, DN, 1], or all [batch, n_classes].

    Args:
      key: which of the predictions.
      logits: float32 [D0, …, DN, n_classes].
      n_classes: how many classes there are.
      names: theirs; None for their numbers.
    """
    match key:
        case PredictionKeys.ALL_CLASS_IDS:
            return vocabulary.all_ids(logits, n_classes)
        case PredictionKeys.ALL_CLASSES:
            return vocabulary.all_names(logits, n_classes, names)
    class_ids = tf.expand_dims(tf.argmax(logits, axis=-1, name=PredictionKeys.CLASS_IDS), -1)
    return class_ids if key == PredictionKeys.CLASS_IDS else vocabulary.names(class_ids, names)


def _class_ids(batch: Batch) -> tf.Tensor:
    """0 or 1, float32 [D0, …, DN, 1]."""
    # As argmax has it: of two equal logits the first class.
    return tf.cast(batch.logits > 0, tf.float32)


def _logistic(batch: Batch) -> tf.Tensor:
    """Float32 [D0, …, DN, 1]."""
    return tf.math.sigmoid(batch.logits)
