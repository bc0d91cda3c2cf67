"""What heads measure, as metrics of Keras."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from trainer.estimator.heads.measures import Batch, Kind, Measure


class BaselineAccuracy(keras.metrics.Mean):
    """The accuracy of saying the more frequent one of two classes, from labels that are 0 or 1."""

    def result(self) -> Any:
        """The share of the more frequent one, []; 0 where there was nothing."""
        return tf.math.divide_no_nan(tf.maximum(self.total, self.count - self.total), tf.convert_to_tensor(self.count))


def mean(key: str) -> keras.metrics.Mean:
    """A mean that is called by the key of a metric."""
    return keras.metrics.Mean(name=_name(key))


def made(measure: Measure, key: str) -> keras.metrics.Metric:
    """The metric of a measure, before the first batch.

    Args:
      measure: what it measures.
      key: how it is called.
    """
    name, threshold = _name(key), measure.threshold
    match measure.kind:
        case Kind.MEAN:
            return mean(key)
        case Kind.BASELINE:
            return BaselineAccuracy(name=name)
        case Kind.ACCURACY if threshold is None:
            return keras.metrics.Accuracy(name=name)
        case Kind.ACCURACY:
            return keras.metrics.BinaryAccuracy(name=name, threshold=threshold)
        case Kind.PRECISION:
            return keras.metrics.Precision(name=name, thresholds=threshold)
        case Kind.RECALL:
            return keras.metrics.Recall(name=name, thresholds=threshold)
        case Kind.AUC:
            return keras.metrics.AUC(name=name)
        case Kind.AUC_PR:
            return keras.metrics.AUC(name=name, curve="PR")


def _name(key: str) -> str:
    # Keras makes a scope of it, which has no slash.
    return key.replace("/", "_")


def update(metric: keras.metrics.Metric, measure: Measure, batch: Batch) -> None:
    """Tells a metric of a batch.

    Args:
      metric: that was made for the measure.
      measure: says which values it is told.
      batch: [D0, …, DN, any] each.
    """
    values = tf.cast(measure.values(batch), tf.float32)
    weights = batch.weights_of(values)
    # A row for each value: Keras would take the mean over the last dimension before it weights.
    told = {"sample_weight": None if weights is None else _rows(weights)}
    if measure.labels is None:
        metric.update_state(_rows(values), **told)
    else:
        metric.update_state(_rows(tf.cast(measure.labels(batch), tf.float32)), _rows(values), **told)


def _rows(values: tf.Tensor) -> tf.Tensor:
    """Values of any shape as [values, 1]."""
    return tf.reshape(values, [-1, 1])
