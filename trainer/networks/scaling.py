"""From the units of the files to standardised units and back, by the schema's means and deviations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainer.formats.schema import Schema

if TYPE_CHECKING:
    import tensorflow as tf


def target_mean_and_scale(schema: Schema) -> tuple[list[float], list[float]]:
    """Mean and deviation of each target; zeros and ones where one is no feature column, as its scale is unknown."""
    indices = schema.target_indices
    if indices is None:
        return [0.0] * len(schema.targets), [1.0] * len(schema.targets)
    return [schema.mean[index] for index in indices], [schema.scale[index] for index in indices]


def standardize_values(values: tf.Tensor, schema: Schema) -> tf.Tensor:
    """Standardised values of the same shape, float32: the mean is subtracted in the type that the values have.

    Args:
      values: [batch, steps, columns], in the units of the files; the sizes are checked against the schema.
    """
    import tensorflow as tf

    values = tf.ensure_shape(values, [None, schema.steps, len(schema.columns)])
    return _standardized(values, schema.mean, schema.scale)


def standardize_targets(targets: tf.Tensor, schema: Schema) -> tf.Tensor:
    """Standardised targets of the same shape, float32; `targets` is [..., targets], in the units of the files."""
    return _standardized(targets, *target_mean_and_scale(schema))


def _standardized(tensor: tf.Tensor, mean: Sequence[float], scale: Sequence[float]) -> tf.Tensor:
    """float32 of the same shape; mean and scale have a value for each of the last axis."""
    import tensorflow as tf

    exact = tf.convert_to_tensor(tensor)
    return tf.cast((exact - tf.constant(mean, exact.dtype)) / tf.constant(scale, exact.dtype), tf.float32)


def restore_targets(standardized: tf.Tensor, schema: Schema) -> tf.Tensor:
    """What `standardize_targets` undid: [..., targets] of the schema's type, in the units of the files."""
    import tensorflow as tf

    mean, scale = target_mean_and_scale(schema)
    exact = tf.cast(standardized, schema.dtype)
    return exact * tf.constant(scale, exact.dtype) + tf.constant(mean, exact.dtype)


def errors(forecast: tf.Tensor, labels: tf.Tensor, schema: Schema) -> tf.Tensor:
    """Forecast minus label, float32 in the units of the files, subtracted in the schema's type.

    Args:
      forecast: [..., targets], in the units of the files.
      labels: of the same shape, likewise.
      schema: of the data.
    """
    import tensorflow as tf

    return tf.cast(tf.cast(forecast, schema.dtype) - tf.cast(labels, schema.dtype), tf.float32)
