"""What a network in this folder says of itself, in its module's `NETWORK`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from trainer.formats.schema import Schema
from trainer.job.errors import UsageError

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


def squared_error(outputs: tf.Tensor, values: tf.Tensor, labels: tf.Tensor, schema: Schema) -> tf.Tensor:
    """Mean squared error of forecasts.

    Args:
      outputs: float32 [batch, horizon, targets], standardised.
      values: float32 [batch, steps, columns], the history, which this loss does not need.
      labels: float32 [batch, horizon, targets], standardised.
      schema: of the data.

    Returns:
      float32 [].
    """
    import tensorflow as tf

    return tf.reduce_mean(tf.square(outputs - labels))


def outputs(values: tf.Tensor, schema: Schema, params: Any) -> tf.Tensor:
    """What a network gives that has no model function.

    Args:
      values: float32 [batch, steps, columns], standardised.
      schema: of the data.
      params: the settings.

    Raises:
      UsageError: always.
    """
    raise UsageError(
        "model_fn was called for a network that is a compiled Keras model",
        "a network with a model function",
        "Build its Estimator with make_estimator",
    )


def last_step(outputs: tf.Tensor) -> tf.Tensor:
    """The forecasts of the examples, float32 [batch, horizon, targets], where a network gives nothing else."""
    return outputs


def accept(schema: Schema) -> None:
    """Raises nothing: most networks take data of any shape."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network:
    """A structure that forecasts.

    Attributes:
      name: what `--model` calls it.
      outputs: `outputs(values, schema, params)`: from standardised values, float32 [batch, steps, columns], to
        standardised forecasts, float32 [batch, horizon, targets]; not for a network that `compiled` builds.
      settings: a frozen dataclass of what may be chosen about it; its fields become flags. None for nothing.
      forecast: takes the forecasts of the examples out of the outputs, where these are more than that.
      loss: `loss(outputs, values, labels, schema)`, all standardised.
      check: raises UsageError for data that the network cannot work with.
      compiled: `compiled(schema, params, optimizer, seed)` gives a compiled Keras model in the units of the files.
    """

    name: str
    outputs: Callable[[tf.Tensor, Schema, Any], tf.Tensor] = outputs
    settings: type | None = None
    forecast: Callable[[tf.Tensor], tf.Tensor] = last_step
    loss: Callable[[tf.Tensor, tf.Tensor, tf.Tensor, Schema], tf.Tensor] = squared_error
    check: Callable[[Schema], None] = accept
    compiled: Callable[..., keras.Model] | None = None
