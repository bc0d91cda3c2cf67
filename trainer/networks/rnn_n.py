"""A forecast after every step: the course's `rnnN` (Google, "Art and Science of ML", sinemodel/model.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.formats.schema import Schema
from trainer.networks import channels, head, rnn2
from trainer.networks.network import Network

if TYPE_CHECKING:
    import tensorflow as tf


def forecasts(values: tf.Tensor, schema: Schema, params: object = None) -> tf.Tensor:
    """After every step the states of rnn2's GRUs pass two rectified layers and a linear one, which all steps share.

    Args:
      values: float32 [batch, steps, columns], standardised.
      schema: says the horizon and the targets.
      params: nothing that this network needs.

    Returns:
      float32 [batch, steps, horizon, targets], standardised; `[:, -1]` is the forecast of the example.
    """
    import keras

    states = rnn2.stacked_grus(values, schema)
    size = states.shape[-1]
    first = keras.layers.Dense(size, activation="relu", kernel_initializer="he_normal", name="hidden_1")(states)
    second = keras.layers.Dense(max(1, size // 2), activation="relu", kernel_initializer="he_normal", name="hidden_2")(
        first
    )
    return head.forecast(second, schema)


def errors(forecasts: tf.Tensor, values: tf.Tensor, labels: tf.Tensor, schema: Schema) -> tf.Tensor:
    """Those of the forecasts after each of the last third of the steps, when the network has seen enough.

    Args:
      forecasts: float32 [batch, steps, horizon, targets], standardised.
      values: float32 [batch, steps, columns], standardised.
      labels: float32 [batch, horizon, targets], standardised.
      schema: gives steps and horizon, and which columns are targets.

    Returns:
      float32 [batch, last steps, horizon, targets], labels minus forecasts.
    """
    start = 2 * schema.steps // 3
    return labels_of_every_step(values, labels, schema)[:, start:] - forecasts[:, start:]


def labels_of_every_step(values: tf.Tensor, labels: tf.Tensor, schema: Schema) -> tf.Tensor:
    """The values that follow each step: of a series 1 2 3 with labels 4 5, they are 2 3, 3 4 and 4 5.

    Args:
      values: float32 [batch, steps, columns]; every target is among the columns.
      labels: float32 [batch, horizon, targets].
      schema: gives steps and horizon, and which columns are targets.

    Returns:
      float32 [batch, steps, horizon, targets].
    """
    import tensorflow as tf

    history = tf.gather(values, schema.target_indices, axis=2)
    series = tf.concat([history, labels], axis=1)
    ahead = [series[:, first : first + schema.steps] for first in range(1, schema.horizon + 1)]
    return tf.stack(ahead, axis=2)


def last_step(outputs: tf.Tensor) -> tf.Tensor:
    """The forecasts of examples, float32 [batch, horizon, targets], among those after every step."""
    return outputs[:, -1]


NETWORK = Network(name="rnnN", outputs=forecasts, forecast=last_step, errors=errors, check=channels.check)
