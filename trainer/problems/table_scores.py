"""What models of tables are judged by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.formats.tables.schema import TableSchema
from trainer.job import spelling
from trainer.job.errors import UsageError

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

METRICS = {
    "accuracy": "max",
    "auc": "max",
    "precision": "max",
    "recall": "max",
    "f1": "max",
    "log_loss": "min",
    "rmse": "min",
    "mae": "min",
    "r2": "max",
    "loss": "min",
}
"""All that evaluations of tables report; which of them, the task decides."""
_OF_TASK = {
    "regression": ("rmse", "mae", "r2", "loss"),
    "binary": ("accuracy", "auc", "precision", "recall", "log_loss", "loss"),
    "multiclass": ("accuracy", "f1", "log_loss", "loss"),
}
_THRESHOLDS = 1000
"""Of the area under the curve, which is exact to about one in so many."""


def score_of(schema: TableSchema, asked: str | None) -> str:
    """The metric that models of a table are judged by: `--score`, else the first of its task.

    Raises:
      UsageError: that metric belongs to another task.
    """
    there = _OF_TASK[schema.task]
    if asked is not None and asked not in there:
        do = spelling.suggestion(asked, there, "Name one of them")
        raise UsageError(f"--score={asked} for a {schema.task} task", ", ".join(there), do)
    return asked or there[0]


def measure(outputs: tf.Tensor, labels: tf.Tensor, schema: TableSchema) -> dict[str, keras.metrics.Metric]:
    """Metrics of all rows, updated with this batch.

    Args:
      outputs: float32 [batch, outputs], as models give them.
      labels: float32 [batch] in the units of the files, or int32 [batch], classes.
      schema: of the table.
    """
    if schema.is_regression:
        return _of_regression(outputs, labels, schema)
    return _of_two(outputs, labels) if len(schema.classes) == 2 else _of_many(outputs, labels, len(schema.classes))


def _of_regression(outputs: tf.Tensor, labels: tf.Tensor, schema: TableSchema) -> dict[str, keras.metrics.Metric]:
    """For outputs [batch, 1], standardised, and labels [batch]."""
    import keras
    import tensorflow as tf

    metrics = {
        "rmse": keras.metrics.RootMeanSquaredError(),
        "mae": keras.metrics.MeanAbsoluteError(),
        "r2": keras.metrics.R2Score(),
    }
    # Standardised before they are summed: squares of large labels would leave nothing of float32.
    standardized = ((labels - schema.label_mean) / schema.label_scale)[:, tf.newaxis]
    none = tf.zeros_like(outputs)
    for name in ("rmse", "mae"):
        metrics[name].update_state(none, (outputs - standardized) * schema.label_scale)
    metrics["r2"].update_state(standardized, outputs)
    return metrics


def _of_two(outputs: tf.Tensor, labels: tf.Tensor) -> dict[str, keras.metrics.Metric]:
    """For logits [batch, 1] of the positive class and labels [batch]."""
    import keras
    import tensorflow as tf

    metrics = {
        "accuracy": keras.metrics.BinaryAccuracy(),
        "auc": keras.metrics.AUC(num_thresholds=_THRESHOLDS),
        "precision": keras.metrics.Precision(),
        "recall": keras.metrics.Recall(),
        "log_loss": keras.metrics.BinaryCrossentropy(from_logits=True),
    }
    targets = tf.cast(labels, tf.float32)[:, tf.newaxis]
    for name, metric in metrics.items():
        metric.update_state(targets, outputs if name == "log_loss" else tf.sigmoid(outputs))
    return metrics


def _of_many(outputs: tf.Tensor, labels: tf.Tensor, classes: int) -> dict[str, keras.metrics.Metric]:
    """For logits [batch, classes] and labels [batch]; `f1` is the mean of the classes'."""
    import keras
    import tensorflow as tf

    accuracy = keras.metrics.SparseCategoricalAccuracy()
    log_loss = keras.metrics.SparseCategoricalCrossentropy(from_logits=True)
    f1 = keras.metrics.F1Score(average="macro")
    accuracy.update_state(labels, outputs)
    log_loss.update_state(labels, outputs)
    f1.update_state(tf.one_hot(labels, classes), tf.nn.softmax(outputs))
    return {"accuracy": accuracy, "f1": f1, "log_loss": log_loss}
