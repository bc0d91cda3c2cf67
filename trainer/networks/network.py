"""What a network in this folder says of itself, in its module's `NETWORK`."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from trainer.formats.schema import Schema
from trainer.job.errors import UsageError
from trainer.networks import precision

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

LONG_TERM: Mapping[str, str] = {
    "data_format": "series",
    "split": "8640,2880,2880",
    "optimizer": "adam",
    "seed": "1",
}
"""What recipes for ETTh1 and ETTh2 share: the protocol of Zhou et al. (AAAI 2021) and Zeng et al. (AAAI 2023)."""


def errors(outputs: tf.Tensor, values: tf.Tensor, labels: tf.Tensor, schema: Schema) -> tf.Tensor:
    """Labels minus forecasts, float32 [batch, horizon, targets].

    Args:
      outputs: float32 [batch, horizon, targets], standardised.
      values: float32 [batch, steps, columns], the history, which these errors do not need.
      labels: float32 [batch, horizon, targets], standardised.
      schema: of the data.
    """
    return labels - outputs


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
        standardised forecasts, float32 [batch, horizon, targets]; not for a network that `compiled` builds. It may take
        `training`, whether this is a step of training.
      settings: a frozen dataclass of what may be chosen about it; its fields become flags. None for nothing.
      forecast: takes the forecasts of the examples out of the outputs, where these are more than that.
      errors: `errors(outputs, values, labels, schema)`, all standardised: labels minus forecasts, whose loss is trained
        on.
      check: raises UsageError for data that the network cannot work with.
      presets: recipes for it: values of flags by the recipe's name.
      compiled: `compiled(schema, params, optimizer, seed)` gives a compiled Keras model in the units of the files.
    """

    name: str
    outputs: Callable[..., tf.Tensor] = outputs
    settings: type | None = None
    forecast: Callable[[tf.Tensor], tf.Tensor] = last_step
    errors: Callable[[tf.Tensor, tf.Tensor, tf.Tensor, Schema], tf.Tensor] = errors
    check: Callable[[Schema], None] = accept
    presets: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)
    compiled: Callable[..., keras.Model] | None = None

    def __call__(self, values: tf.Tensor, schema: Schema, params: Any, *, training: bool) -> tf.Tensor:
        """The outputs in float32, computed as precisely as the params say.

        Args:
          values: float32 [batch, steps, columns], standardised.
          schema: of the data.
          params: the settings, with those of `precision`.
          training: whether this is a step of training.
        """
        import tensorflow as tf

        told = {"training": training} if "training" in inspect.signature(self.outputs).parameters else {}
        with precision.policy(params):
            return tf.cast(self.outputs(values, schema, params, **told), tf.float32)
