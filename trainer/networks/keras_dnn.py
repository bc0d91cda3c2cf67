"""A compiled Keras model for `model_to_estimator`: the course's Keras example (Dense 32, then Dense 1)."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from trainer.formats.schema import Schema
from trainer.job.config import setting
from trainer.networks import losses, precision, scaling
from trainer.networks.network import Network

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(losses.Settings, precision.Settings):
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
      A model from "values", [batch, steps, columns], to "forecast", [batch, horizon, targets], both of the schema's
      type and in the units of the files, compiled with the mean loss in standardised units.
    """
    import keras
    import numpy as np

    he, glorot = keras.initializers.HeNormal(seed), keras.initializers.GlorotUniform(seed)
    sizes = (schema.horizon, len(schema.targets))
    # As arrays: Keras would make float32 of lists, whatever the type of the layer.
    mean, scale = (np.array(each) for each in scaling.target_mean_and_scale(schema))
    values = keras.Input((schema.steps, len(schema.columns)), dtype=schema.dtype, name="values")
    scaled = keras.layers.Rescaling(*_standardizing(schema), dtype=schema.dtype, name="standardize")
    standardized = scaled(values)
    flat = keras.layers.Flatten(name="flatten")(standardized)
    hidden = keras.layers.Dense(params.keras_units, activation="relu", kernel_initializer=he, name="hidden")(flat)
    linear = keras.layers.Dense(math.prod(sizes), kernel_initializer=glorot, name="linear")(hidden)
    restored = keras.layers.Rescaling(scale, mean, dtype=schema.dtype, name="forecast")
    forecast = restored(keras.layers.Reshape(sizes, name="steps")(linear))
    model = keras.Model(values, forecast, name="keras_dnn")
    model.compile(optimizer=optimizer, loss=_standardized_loss(schema, params))
    return model


def _standardizing(schema: Schema) -> tuple[np.ndarray, np.ndarray]:
    """Factor and offset of each column, float64 [columns] both, as Rescaling takes them."""
    import numpy as np

    scale = np.array(schema.scale)
    return 1 / scale, -np.array(schema.mean) / scale


def _standardized_loss(schema: Schema, params: Settings) -> keras.losses.Loss:
    """A loss over labels and forecasts, both [batch, horizon, targets] in the units of the files."""
    import keras

    class StandardizedLoss(keras.losses.Loss):
        def call(self, labels: tf.Tensor, forecast: tf.Tensor) -> tf.Tensor:
            """The mean loss of each example's errors: float32 [batch]."""
            import tensorflow as tf

            scale = tf.constant(scaling.target_mean_and_scale(schema)[1], tf.float32)
            errors = scaling.errors(labels, forecast, schema) / scale
            return tf.reduce_mean(losses.of_errors(errors, params), axis=[1, 2])

    return StandardizedLoss(dtype=schema.dtype)  # else Keras makes both float32 before they are subtracted


NETWORK = Network(name="keras_dnn", compiled=compiled, settings=Settings)
