"""A compiled Keras model for `model_to_estimator`: the course's Keras example (Dense 32, then Dense 1)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from trainer.formats.schema import Schema
from trainer.job.config import Checked, setting
from trainer.networks import scaling
from trainer.networks.network import Network

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(Checked):
    """What may be chosen about the Keras model."""

    keras_units: int = setting(
        32, "units of the hidden layer of keras_dnn; the course's is 32", positive="a whole number from 1 up"
    )


def compiled(schema: Schema, params: Settings, optimizer: keras.optimizers.Optimizer, seed: int | None) -> keras.Model:
    """Standardises, one rectified layer, a linear layer, back to the units of the files.

    Args:
      schema: says shapes and scales.
      params: with the size of the rectified layer.
      optimizer: to compile it with.
      seed: makes the initial weights repeatable; None leaves them random.

    Returns:
      A model from "values", float32 [batch, steps, columns], to "forecast", float32 [batch, horizon, targets], both in
      the units of the files, compiled with the mean squared error in standardised units.
    """
    import keras

    he, glorot = keras.initializers.HeNormal(seed), keras.initializers.GlorotUniform(seed)
    sizes = (schema.horizon, len(schema.targets))
    mean, scale = scaling.target_mean_and_scale(schema)
    values = keras.Input((schema.steps, len(schema.columns)), name="values")
    standardized = keras.layers.Rescaling(*_standardizing(schema), name="standardize")(values)
    flat = keras.layers.Flatten(name="flatten")(standardized)
    hidden = keras.layers.Dense(params.keras_units, activation="relu", kernel_initializer=he, name="hidden")(flat)
    linear = keras.layers.Dense(math.prod(sizes), kernel_initializer=glorot, name="linear")(hidden)
    forecast = keras.layers.Rescaling(scale, mean, name="forecast")(keras.layers.Reshape(sizes, name="steps")(linear))
    model = keras.Model(values, forecast, name="keras_dnn")
    model.compile(optimizer=optimizer, loss=_standardized_squared_error(schema))
    return model


def _standardizing(schema: Schema) -> tuple[list[float], list[float]]:
    """Factor and offset of each column, as Rescaling takes them."""
    columns = list(zip(schema.mean, schema.scale, strict=True))
    return [1 / scale for _, scale in columns], [-mean / scale for mean, scale in columns]


def _standardized_squared_error(schema: Schema) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """A loss over labels and forecasts, both float32 [batch, horizon, targets] in the units of the files."""
    _, scale = scaling.target_mean_and_scale(schema)

    def standardized_squared_error(labels: tf.Tensor, forecast: tf.Tensor) -> tf.Tensor:
        """The squared errors' mean of each example: float32 [batch]."""
        import tensorflow as tf

        return tf.reduce_mean(tf.square((labels - forecast) / tf.constant(scale, tf.float32)), axis=[1, 2])

    return standardized_squared_error


NETWORK = Network(name="keras_dnn", compiled=compiled, settings=Settings)
