"""What heads measure, as the pairs (value, update op) of TensorFlow 1."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from trainer.estimator.heads.measures import Batch, Kind, Measure

Pair = tuple[Any, Any]


def mean(values: tf.Tensor, key: str) -> Pair:
    """The mean of values of any shape, over all batches."""
    return tf.compat.v1.metrics.mean(values, name=key)


def measured(measure: Measure, batch: Batch) -> Pair:
    """The metric of a measure, told of a batch, [D0, …, DN, any] each.

    Args:
      measure: says which values and how.
      batch: what they are taken from.
    """
    values = tf.cast(measure.values(batch), tf.float32)
    told: dict[str, Any] = {"weights": batch.weights_of(values), "name": measure.key}
    if measure.labels is None:
        pair = tf.compat.v1.metrics.mean(values, **told)
        return _more_frequent(*pair) if measure.kind == Kind.BASELINE else pair
    told |= {"labels": tf.cast(measure.labels(batch), tf.float32), "predictions": values}
    return _compared(measure, told)


def _more_frequent(share: Any, update: Any) -> Pair:
    return tf.maximum(share, 1.0 - share), tf.maximum(update, 1.0 - update)


def _compared(measure: Measure, told: dict[str, Any]) -> Pair:
    """A metric of predictions and labels, [D0, …, DN, any] each, as its function takes them."""
    metrics = tf.compat.v1.metrics
    match measure.kind:
        case Kind.ACCURACY:
            if measure.threshold is not None:
                told = {**told, "predictions": tf.cast(told["predictions"] >= measure.threshold, tf.float32)}
            return metrics.accuracy(**told)
        case Kind.PRECISION if measure.threshold is None:
            return metrics.precision(**told)
        case Kind.RECALL if measure.threshold is None:
            return metrics.recall(**told)
        case Kind.PRECISION:
            return _only(metrics.precision_at_thresholds(thresholds=(measure.threshold,), **told))
        case Kind.RECALL:
            return _only(metrics.recall_at_thresholds(thresholds=(measure.threshold,), **told))
        case _:
            return metrics.auc(curve="PR" if measure.kind == Kind.AUC_PR else "ROC", **told)


def _only(pair: Pair) -> Pair:
    """A pair [] of one with a value [1] for one threshold."""
    return tf.squeeze(pair[0]), tf.squeeze(pair[1])
