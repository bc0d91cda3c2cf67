"""Two convolutions over time: the course's `cnn` (Google, "Art and Science of ML", sinemodel/model.py)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from trainer.formats.schema import Schema
from trainer.networks import head
from trainer.networks.network import Network

if TYPE_CHECKING:
    import tensorflow as tf


def forecast(values: tf.Tensor, schema: Schema, params: object = None) -> tf.Tensor:
    """Twice a convolution (width 3, steps // 2 filters, relu) and a max-pool of 2, then 3 rectified units, then a line.

    The convolutions' outputs are never negative, so a step of Adam moves all products of a unit the same way, and at a
    learning rate of 0.01 all three units were dead after 500 steps in four runs of four. Here the outputs are divided
    by √size, and the kernel's initial values are √size as large: the same functions, but the units stay alive (in six
    runs of six).

    Args:
      values: float32 [batch, steps, columns], standardised.
      schema: gives steps, horizon and targets.
      params: nothing that this network needs.

    Returns:
      float32 [batch, horizon, targets], standardised.
    """
    import keras
    import tensorflow as tf

    units = values
    for number in (1, 2):
        units = halve(convolve(units, filters=max(1, schema.steps // 2), name=f"convolution_{number}"))
    flat = tf.reshape(units, [-1, units.shape[1] * units.shape[2]])
    start = keras.initializers.RandomNormal(stddev=math.sqrt(2))
    hidden = keras.layers.Dense(3, activation="relu", kernel_initializer=start, name="hidden")(
        flat / math.sqrt(flat.shape[1])
    )
    return head.forecast(hidden, schema)


def convolve(values: tf.Tensor, *, filters: int, name: str) -> tf.Tensor:
    """A rectified convolution of width 3 that keeps the number of steps, written as one matrix product.

    XLA's convolutions on a CPU take ten times as long: 51 ms for a training step of 512 rows of 49 values, 5 ms so.

    Args:
      values: float32 [batch, steps, columns].
      filters: how many outputs a step has.
      name: of the layer, which names its variables.

    Returns:
      float32 [batch, steps, filters].
    """
    import keras
    import tensorflow as tf

    steps = values.shape[1]
    padded = tf.pad(values, [[0, 0], [1, 1], [0, 0]])
    neighbours = tf.concat([padded[:, shift : shift + steps] for shift in range(3)], axis=2)
    return keras.layers.Dense(filters, activation="relu", kernel_initializer="he_normal", name=name)(neighbours)


def halve(values: tf.Tensor) -> tf.Tensor:
    """The larger of each two steps: float32 [batch, steps // 2, columns]; one step alone stays as it is."""
    import tensorflow as tf

    steps, columns = values.shape[1:]
    if steps == 1:
        return values
    pairs = tf.reshape(values[:, : steps // 2 * 2], [-1, steps // 2, 2, columns])
    return tf.reduce_max(pairs, axis=2)


NETWORK = Network(name="cnn", outputs=forecast)
