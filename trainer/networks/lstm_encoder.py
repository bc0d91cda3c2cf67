"""An LSTM that reads the history and forecasts all steps at once (Hochreiter & Schmidhuber 1997; direct forecasts)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from trainer.formats.schema import Schema
from trainer.job.config import Checked, setting
from trainer.networks.lstm import LONGEST_UNROLLED
from trainer.networks.network import Network

if TYPE_CHECKING:
    import tensorflow as tf


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(Checked):
    """What may be chosen about the encoder."""

    encoder_units: int = setting(64, "size of the state of each layer of lstm_encoder", positive="from 1 up")
    encoder_layers: int = setting(1, "layers of lstm_encoder, one upon the other", positive="from 1 up")


def forecast(values: tf.Tensor, schema: Schema, params: Settings) -> tf.Tensor:
    """i, f, o = σ(W x + U h + b); c' = f c + i tanh(…); h' = o tanh(c'); y = V h_last + v, for the whole horizon.

    Args:
      values: float32 [batch, steps, columns], standardised: all columns are read.
      schema: says the steps, the horizon and the targets.
      params: with the size of the state and the number of layers.

    Returns:
      float32 [batch, horizon, targets], standardised.
    """
    import keras
    import tensorflow as tf

    hidden, unroll = values, schema.steps <= LONGEST_UNROLLED
    for number in range(1, params.encoder_layers + 1):
        layer = keras.layers.LSTM(
            params.encoder_units,
            return_sequences=number < params.encoder_layers,
            unroll=unroll,
            use_cudnn=False,
            name=f"encoder_{number}",
        )
        hidden = layer(hidden)
    outputs = keras.layers.Dense(schema.horizon * len(schema.targets), name="forecast")(hidden)
    return tf.reshape(outputs, [-1, schema.horizon, len(schema.targets)])


NETWORK = Network(name="lstm_encoder", outputs=forecast, settings=Settings)
