"""TSMixer: dense layers along time and along columns in turn (Chen et al., TMLR 2023, arXiv 2303.06053)."""

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
    import tensorflow as tf


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(Checked):
    """What may be chosen about TSMixer."""

    mixer_blocks: int = setting(2, "blocks of tsmixer", positive="from 1 up")
    mixer_units: int = setting(64, "units of the first layer along columns of tsmixer", positive="from 1 up")
    mixer_dropout: float = setting(0.3, "share of units that tsmixer leaves out of a training step")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.mixer_dropout < 1:
            raise UsageError(f"--mixer_dropout={self.mixer_dropout:g}", "at least 0 and below 1", "Try 0.3")


def forecast(values: tf.Tensor, schema: Schema, params: Settings, *, training: bool = False) -> tf.Tensor:
    """Blocks z = x + drop(relu(T norm(x) + t)); x' = z + drop(V drop(relu(U norm(z) + u)) + v); y = W x + b.

    T [steps, steps] mixes steps and is the same for all columns; U [units, columns] and V [columns, units] mix columns
    and are the same for all steps; W [horizon, steps] is the same for all columns. `norm` is a batch normalisation of
    each step of each column by itself, and all of it works on windows scaled by their own mean and deviation (RevIN,
    with gain and offset).

    Args:
      values: float32 [batch, steps, columns], standardised.
      schema: says the steps, the horizon and the targets, which are among the columns.
      params: with the number and the size of the blocks.
      training: whether units are left out, and batches normalised by themselves.

    Returns:
      float32 [batch, horizon, targets], standardised.
    """
    norm = InstanceNorm.of(values, learnt=True)
    mixed = norm.scaled(values)
    for number in range(1, params.mixer_blocks + 1):
        mixed = _block(mixed, f"block_{number}", params, training=training)
    ahead = norm.restored(channels.along_time(mixed, schema.horizon, "forecast"))
    return channels.of_targets(ahead, schema)


def _block(inputs: tf.Tensor, name: str, params: Settings, *, training: bool) -> tf.Tensor:
    """One block, float32 [batch, steps, columns] of the same.

    Args:
      inputs: float32 [batch, steps, columns].
      name: of the block.
      params: with its size.
      training: as in `forecast`.
    """
    import keras
    import tensorflow as tf

    def normal(units: tf.Tensor, of: str) -> tf.Tensor:
        layer = keras.layers.BatchNormalization(dtype="float32", name=f"{name}_{of}_norm")
        flat = layer(tf.reshape(units, [-1, steps * columns]), training=training)
        return tf.reshape(flat, [-1, steps, columns])

    def kept(units: tf.Tensor) -> tf.Tensor:
        units = tf.cast(units, tf.float32)
        return tf.nn.dropout(units, params.mixer_dropout) if training and params.mixer_dropout else units

    steps, columns = inputs.shape[1:]
    along_time = keras.layers.Dense(steps, activation="relu", name=f"{name}_time")
    turned = along_time(tf.transpose(normal(inputs, "time"), [0, 2, 1]))
    mixed = inputs + kept(tf.transpose(turned, [0, 2, 1]))
    wide = keras.layers.Dense(params.mixer_units, activation="relu", name=f"{name}_columns_in")
    narrow = keras.layers.Dense(columns, name=f"{name}_columns_out")
    return mixed + kept(narrow(kept(wide(normal(mixed, "columns")))))


ETTH1 = {
    **LONG_TERM,
    "model": "tsmixer",
    "lookback": "512",
    "horizon": "96",
    "train_batch_size": "32",
    "num_epochs": "20",
    "learning_rate": "0.0001",
    "mixer_blocks": "6",
    "mixer_units": "512",
    "mixer_dropout": "0.9",
    "exporter": "best",
}
ETTH1_720 = {
    **ETTH1,
    "horizon": "720",
    "num_epochs": "3",
    "learning_rate": "0.001",
    "mixer_blocks": "2",
    "mixer_units": "64",
}
NETWORK = Network(
    name="tsmixer",
    outputs=forecast,
    settings=Settings,
    check=channels.check,
    presets={"tsmixer_etth1": ETTH1, "tsmixer_etth1_720": ETTH1_720},
)
