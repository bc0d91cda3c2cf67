"""What networks share that map the past of each target to its future, with the same weights for all targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.formats.schema import Schema
from trainer.job.errors import UsageError
from trainer.networks import precision

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


def check(schema: Schema) -> None:
    """Raises UsageError where the past of a target is not given."""
    missing = [target for target in schema.targets if target not in schema.columns]
    if missing:
        raise UsageError(
            f"The target {', '.join(missing)} is not among the feature columns",
            "the past of every target, from which this network forecasts it",
            "Add it to --feature_columns, or take --model=linear, dnn, rnn2 or lstm_encoder",
        )


def of_targets(values: tf.Tensor, schema: Schema) -> tf.Tensor:
    """The past of the targets.

    Args:
      values: float32 [batch, steps, columns].
      schema: says which columns are targets.

    Returns:
      float32 [batch, steps, targets].
    """
    import tensorflow as tf

    if schema.targets == schema.columns:
        return values
    return tf.gather(values, schema.target_indices, axis=2)


def uniform(shape: list[int], fan_in: int, name: str) -> tf.Variable:
    """A variable that starts as in the papers' code: uniform within 1 / √fan_in.

    Args:
      shape: of the variable.
      fan_in: how many numbers each output is summed from.
      name: of the variable.
    """
    import tensorflow as tf

    return tf.Variable(tf.random.uniform(shape, -(fan_in**-0.5), fan_in**-0.5), name=name)


def initializer() -> keras.initializers.Initializer:
    """The same for the kernels of Keras's layers, whose own default starts a wide last layer far from zero."""
    import keras

    return keras.initializers.VarianceScaling(1 / 3, mode="fan_in", distribution="uniform")


def along_time(history: tf.Tensor, horizon: int, name: str) -> tf.Tensor:
    """y = Wᵀ x + b for each channel: from steps to steps ahead.

    Args:
      history: float32 [batch, steps, channels].
      horizon: steps ahead.
      name: of the layer, whose variables are `kernel` [steps, horizon] and `bias` [horizon].

    Returns:
      float32 [batch, horizon, channels].
    """
    import tensorflow as tf

    steps = history.shape[1]
    kernel = uniform([steps, horizon], steps, f"{name}/kernel")
    bias = uniform([horizon], steps, f"{name}/bias")
    return tf.transpose(precision.product(tf.transpose(history, [0, 2, 1]), kernel) + bias, [0, 2, 1])
