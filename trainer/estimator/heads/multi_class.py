"""One of several classes, by a logit of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf

from trainer.estimator.contract.export import ExportOutput
from trainer.estimator.heads import checks, measures, vocabulary
from trainer.estimator.heads.binary_class import class_prediction
from trainer.estimator.heads.keys import MetricKeys, PredictionKeys
from trainer.estimator.heads.measures import Batch, Kind, Measure
from trainer.estimator.heads.objective import Objective, classification


@dataclasses.dataclass(frozen=True, kw_only=True)
class MultiClass(Objective):
    """Labels are numbers of classes or, with a vocabulary, strings; the loss is the cross entropy of a softmax.

    Attributes:
      n_classes: how many, from 3 on; an integer, or a tensor [] of one.
      label_vocabulary: the names of the classes; None for numbers.
    """

    n_classes: Any
    label_vocabulary: vocabulary.Vocabulary | None = None
    keys = (
        PredictionKeys.LOGITS,
        PredictionKeys.PROBABILITIES,
        PredictionKeys.CLASS_IDS,
        PredictionKeys.CLASSES,
        PredictionKeys.ALL_CLASS_IDS,
        PredictionKeys.ALL_CLASSES,
    )

    def __post_init__(self) -> None:
        message = f"A head was given n_classes {self.n_classes!r}. It takes 3 or more. For two use BinaryClassHead"
        known = tf.get_static_value(self.n_classes) if tf.is_tensor(self.n_classes) else self.n_classes or 0
        # An op of a graph stops it by itself, as nothing of a head is cut away that checks.
        checks.require(self.n_classes > 2 if known is None else bool(known > 2), message)

    @property
    def logits_dimension(self) -> Any:
        return self.n_classes

    def processed(self, labels: Any, logits: tf.Tensor) -> tf.Tensor:
        """Integers [D0, …, DN, 1]."""
        dense = checks.dense_labels(labels, logits, 1)
        accepted = f"from 0 to {self.n_classes} - 1"
        if self.label_vocabulary is not None:
            vocabulary.check_strings(dense)
            dense, accepted = vocabulary.ids(dense, self.label_vocabulary), f"among {list(self.label_vocabulary)}"
        elif not dense.dtype.is_integer:
            raise ValueError(
                f"A head was given labels of type {dense.dtype.name}. It takes the numbers of classes, which are "
                "integers. Give it label_vocabulary=[…] for strings, or cast them"
            )
        return checks.in_range(dense, self.n_classes, f"Some labels are not {accepted}. Look at the labels.")

    def usual_loss(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """Float32 [D0, …, DN, 1]."""
        classes = tf.squeeze(labels, axis=-1)
        return tf.expand_dims(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=classes, logits=logits), -1)

    def prediction(self, key: str, logits: tf.Tensor) -> tf.Tensor:
        """[D0, …, DN, 1 or n_classes]."""
        match key:
            case PredictionKeys.LOGITS:
                return logits
            case PredictionKeys.PROBABILITIES:
                return tf.nn.softmax(logits, name=key)
            case _:
                return class_prediction(key, logits, self.n_classes, self.label_vocabulary)

    def outputs(self, predictions: Mapping[str, tf.Tensor]) -> dict[str, ExportOutput]:
        """The default is `classification`, of scores [D0, …, DN, n_classes]."""
        scores = predictions[PredictionKeys.PROBABILITIES]
        return classification(scores, predictions, self.n_classes, self.label_vocabulary)

    def measures(self) -> Iterator[Measure]:
        yield measures.LOSS_MEAN
        yield Measure(MetricKeys.ACCURACY, Kind.ACCURACY, _class_ids, measures.labels_of)


def _class_ids(batch: Batch) -> tf.Tensor:
    """Int64 [D0, …, DN, 1]."""
    return tf.expand_dims(tf.argmax(batch.logits, axis=-1), -1)
