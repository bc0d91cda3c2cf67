"""N-HiTS: stacks that read a series at several rates (Challu et al., AAAI 2023, arXiv 2201.12886)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from trainer.formats.schema import Schema
from trainer.job.config import Checked, setting
from trainer.job.errors import UsageError
from trainer.networks import channels
from trainer.networks.instance_norm import InstanceNorm
from trainer.networks.network import LONG_TERM, Network

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(Checked):
    """What may be chosen about N-HiTS."""

    hits_pooling: tuple[int, ...] = setting(
        (8, 4, 1), "rows whose largest value each stack of nhits reads, a stack each"
    )
    hits_spacing: tuple[int, ...] = setting((24, 12, 1), "rows of the horizon for each knot of a stack, likewise")
    hits_units: int = setting(512, "units of the two dense layers of each stack of nhits", positive="from 1 up")
    hits_dropout: float = setting(0.0, "share of those units that nhits leaves out of a training step")
    hits_scaling: bool = setting(False, "whether nhits scales each window by its own mean and deviation")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.hits_dropout < 1:
            raise UsageError(f"--hits_dropout={self.hits_dropout:g}", "at least 0 and below 1", "Try 0.5")
        for name in ("hits_pooling", "hits_spacing"):
            sizes = getattr(self, name)
            if not sizes or min(sizes) < 1:
                raise UsageError(f"--{name}={','.join(map(str, sizes))}", "whole numbers from 1 up", "Try 8,4,1")
        if len(self.hits_pooling) != len(self.hits_spacing):
            pooling, spacing = (",".join(map(str, each)) for each in (self.hits_pooling, self.hits_spacing))
            got = f"--hits_pooling={pooling} with --hits_spacing={spacing}"
            raise UsageError(got, "a number for each stack in both", "Give as many of the one as of the other")


def forecast(values: tf.Tensor, schema: Schema, params: Settings, *, training: bool = False) -> tf.Tensor:
    """y = x_last + Σ g(θᶠ); for each stack h = relu(dense(relu(dense(maxpool(x))))), θᵇ, θᶠ = linear(h), x ← x - θᵇ.

    θᵇ has `steps` values, of which the last stack needs none; θᶠ has max(1, horizon // spacing) knots, between which g
    interpolates linearly. All weights are the same for all targets. With `hits_scaling`, x and y are those of windows
    scaled by their own mean and deviation, as its authors' library may do (`scaler_type="standard"`).

    Args:
      values: float32 [batch, steps, columns], standardised.
      schema: says the steps, the horizon and the targets.
      params: with the stacks.
      training: whether units are left out.

    Returns:
      float32 [batch, horizon, targets], standardised.
    """
    history = channels.of_targets(values, schema)
    if not params.hits_scaling:
        return _of_stacks(history, schema, params, training=training)
    norm = InstanceNorm.of(history, learnt=False)
    return norm.restored(_of_stacks(norm.scaled(history), schema, params, training=training))


def _of_stacks(history: tf.Tensor, schema: Schema, params: Settings, *, training: bool) -> tf.Tensor:
    """The forecast in the units of the history, float32 [batch, horizon, targets].

    Args:
      history: float32 [batch, steps, targets].
      schema: as in `forecast`.
      params: likewise.
      training: likewise.
    """
    import keras
    import tensorflow as tf

    rest = tf.reshape(tf.transpose(history, [0, 2, 1]), [-1, schema.steps])
    total = tf.repeat(rest[:, -1:], schema.horizon, axis=1)
    stacks = list(zip(params.hits_pooling, params.hits_spacing, strict=True))
    for number, (pooling, spacing) in enumerate(stacks, start=1):
        knots = max(1, schema.horizon // spacing)
        backcast = schema.steps if number < len(stacks) else 0
        dropout = params.hits_dropout if training else 0.0
        hidden = _hidden(pooled(rest, pooling), f"stack_{number}", params.hits_units, dropout)
        start = channels.initializer()  # small, so that the first forecast is about the last value
        last = keras.layers.Dense(backcast + knots, kernel_initializer=start, name=f"stack_{number}_theta")
        theta = tf.cast(last(hidden), tf.float32)
        rest = rest - theta[:, :backcast] if backcast else rest
        between = tf.constant(interpolation(knots, schema.horizon), tf.float32)
        total += tf.matmul(theta[:, backcast:], between)
    return tf.transpose(tf.reshape(total, [-1, len(schema.targets), schema.horizon]), [0, 2, 1])


def _hidden(inputs: tf.Tensor, name: str, units: int, dropout: float) -> tf.Tensor:
    """What the dense layers of a stack make of its inputs: float32 [rows, units].

    Args:
      inputs: float32 [rows, pooled steps].
      name: of the stack.
      units: of each layer.
      dropout: share of them that is left out.
    """
    import keras
    import tensorflow as tf

    hidden = inputs
    for layer in ("hidden_1", "hidden_2"):
        start = channels.initializer()
        dense = keras.layers.Dense(units, activation="relu", kernel_initializer=start, name=f"{name}_{layer}")
        hidden = tf.cast(dense(hidden), tf.float32)
        hidden = tf.nn.dropout(hidden, dropout) if dropout else hidden
    return hidden


def pooled(rows: tf.Tensor, width: int) -> tf.Tensor:
    """The largest of every `width` values, of which the last may be fewer: float32 [rows, ⌈steps / width⌉].

    Args:
      rows: float32 [rows, steps].
      width: how many.
    """
    import tensorflow as tf

    missing = -rows.shape[1] % width
    padded = tf.pad(rows, [[0, 0], [0, missing]], constant_values=rows.dtype.min)
    return tf.reduce_max(tf.reshape(padded, [-1, padded.shape[1] // width, width]), axis=2)


def interpolation(knots: int, horizon: int) -> np.ndarray:
    """The weights of the knots at each step, float64 [knots, horizon]: linear, and level beyond the outer knots.

    Knots stand in the middle of the steps that each is for, as in the paper's code.
    """
    import numpy as np

    at = np.clip((np.arange(horizon) + 0.5) * knots / horizon - 0.5, 0, knots - 1)
    return np.maximum(0.0, 1.0 - np.abs(at - np.arange(knots)[:, np.newaxis]))


ETTH1 = {
    **LONG_TERM,
    "model": "nhits",
    "lookback": "672",
    "horizon": "96",
    "train_batch_size": "36",
    "train_steps": "400",
    "learning_rate": "0.001",
    "learning_rate_schedule": "step",
    "learning_rate_schedule/decay_steps": "133",
    "loss": "absolute",
    "hits_pooling": "16,8,1",
    "hits_spacing": "84,12,1",
    "hits_dropout": "0.5",
    "hits_scaling": "true",
}
# Of the authors' experiments with ETTh1 (neuralforecast, long_horizon), but for fewer steps, and for windows that are
# scaled, which their library offers and these experiments leave out.
ETTH1_720 = {**ETTH1, "horizon": "720", "train_steps": "300", "learning_rate_schedule/decay_steps": "100"}
NETWORK = Network(
    name="nhits",
    outputs=forecast,
    settings=Settings,
    check=channels.check,
    presets={"nhits_etth1": ETTH1, "nhits_etth1_720": ETTH1_720},
)
