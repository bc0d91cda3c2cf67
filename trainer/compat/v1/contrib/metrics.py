"""`tf.contrib.metrics`: what became `tf.metrics`, with predictions before labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from trainer.compat import names

_OF_BOTH = (
    "accuracy",
    "auc",
    "false_negatives",
    "false_positives",
    "mean_absolute_error",
    "mean_squared_error",
    "precision",
    "precision_at_thresholds",
    "recall",
    "recall_at_thresholds",
    "root_mean_squared_error",
    "true_negatives",
    "true_positives",
)


def _turned(name: str) -> Callable[..., Any]:
    """A metric of `tf.metrics` that takes predictions first."""

    def metric(predictions: Any, labels: Any, weights: Any = None, **settings: Any) -> Any:
        return getattr(tf.compat.v1.metrics, name)(labels, predictions, weights=weights, **settings)

    return metric


def __getattr__(name: str) -> Any:
    plain = name.removeprefix("streaming_")
    if name != plain and plain in _OF_BOTH:
        return _turned(plain)
    if name in ("streaming_mean", "streaming_mean_tensor"):
        return getattr(tf.compat.v1.metrics, plain)
    return names.found(__name__, name, {}, None, {"f1_score": "Compute it of tf.metrics.precision and recall"})
