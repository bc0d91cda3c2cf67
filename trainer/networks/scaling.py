"""From the units of the files to standardised units and back, by the schema's means and deviations."""

from __future__ import annotations

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
    """Standardised values of the same shape.

    Args:
      values: float32 [batch, steps, columns], in the units of the files; the sizes are checked against the schema.
    """
    import tensorflow as tf

    values = tf.ensure_shape(values, [None, schema.steps, len(schema.columns)])
    return (values - tf.constant(schema.mean, tf.float32)) / tf.constant(schema.scale, tf.float32)


def standardize_targets(targets: tf.Tensor, schema: Schema) -> tf.Tensor:
    """Standardised targets of the same shape; `targets` is float32 [..., targets], in the units of the files."""
    import tensorflow as tf

    mean, scale = target_mean_and_scale(schema)
    return (targets - tf.constant(mean, tf.float32)) / tf.constant(scale, tf.float32)


def restore_targets(standardized: tf.Tensor, schema: Schema) -> tf.Tensor:
    """What `standardize_targets` undid: float32 [..., targets], in the units of the files."""
    import tensorflow as tf

    mean, scale = target_mean_and_scale(schema)
    return standardized * tf.constant(scale, tf.float32) + tf.constant(mean, tf.float32)
