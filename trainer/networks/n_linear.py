"""NLinear: a linear map of distances from the last value (Zeng et al., AAAI 2023, arXiv 2205.13504, section 4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.formats.schema import Schema
from trainer.networks import channels
from trainer.networks.network import LONG_TERM, Network

if TYPE_CHECKING:
    import tensorflow as tf


def forecast(values: tf.Tensor, schema: Schema, params: object = None) -> tf.Tensor:
    """y = W (x - x_last) + b + x_last for each target, with the same W [horizon, steps] and b [horizon] for all.

    Args:
      values: float32 [batch, steps, columns], standardised.
      schema: says the steps, the horizon and the targets.
      params: nothing that this network needs.

    Returns:
      float32 [batch, horizon, targets], standardised.
    """
    history = channels.of_targets(values, schema)
    last = history[:, -1:]
    return channels.along_time(history - last, schema.horizon, "linear") + last


ETTH1 = {
    **LONG_TERM,
    "model": "nlinear",
    "lookback": "336",
    "train_batch_size": "32",
    "num_epochs": "10",
    "learning_rate": "0.005",
    "learning_rate_schedule": "step",
    "learning_rate_schedule/decay_rate": "0.5",
    "learning_rate_schedule/constant_epochs": "1",
}
PRESETS = {
    "nlinear_etth1": {**ETTH1, "horizon": "96"},
    "nlinear_etth1_336": {**ETTH1, "horizon": "336"},
    "nlinear_etth1_720": {**ETTH1, "horizon": "720"},
}
NETWORK = Network(name="nlinear", outputs=forecast, check=channels.check, presets=PRESETS)
