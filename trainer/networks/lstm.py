"""A small LSTM, read out linearly: the course's Lab 7 (Google, "Machine Learning on Google Cloud", simple_rnn)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from trainer.formats.schema import Schema
from trainer.job.config import Checked, setting
from trainer.networks.network import Network
from trainer.networks.precision import product

if TYPE_CHECKING:
    import tensorflow as tf

# Measured on two cores with XLA: unrolled, 9 steps run 1.5 times as fast in batches of 20 and 0.8 times in those of
# 512, 16 steps 0.7 times and 49 steps 0.2 times.
LONGEST_UNROLLED = 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(Checked):
    """What may be chosen about the LSTM."""

    lstm_units: int = setting(3, "size of the state of lstm; the course's is 3", positive="a whole number from 1 up")


def forecast(values: tf.Tensor, schema: Schema, params: Settings) -> tf.Tensor:
    """The last output of an LSTM (Hochreiter & Schmidhuber 1997; forget bias 1) times a weight, plus a bias.

    Args:
      values: float32 [batch, steps, columns], standardised.
      schema: says the steps, the horizon and the targets.
      params: with the size of the state.

    Returns:
      float32 [batch, horizon, targets], standardised.
    """
    import keras
    import tensorflow as tf

    units, unroll = params.lstm_units, schema.steps <= LONGEST_UNROLLED
    last = keras.layers.LSTM(units, unroll=unroll, use_cudnn=False, name="lstm")(values)
    outputs = schema.horizon * len(schema.targets)
    weight = tf.Variable(tf.random.normal([units, outputs]), name="weight")
    bias = tf.Variable(tf.random.normal([outputs]), name="bias")
    return tf.reshape(product(last, weight) + bias, [-1, schema.horizon, len(schema.targets)])


NETWORK = Network(name="lstm", outputs=forecast, settings=Settings)
