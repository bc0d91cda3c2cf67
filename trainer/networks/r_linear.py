"""RLinear: a linear map of windows scaled by their own mean and deviation (Li et al. 2023, arXiv 2305.10721)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.formats.schema import Schema
from trainer.networks import channels, n_linear
from trainer.networks.instance_norm import InstanceNorm
from trainer.networks.network import Network

if TYPE_CHECKING:
    import tensorflow as tf


def forecast(values: tf.Tensor, schema: Schema, params: object = None) -> tf.Tensor:
    """z = (x - mean(x)) / √(var(x) + 1e-5) · g + o; y = ((W z + b - o) / g) · √(var(x) + 1e-5) + mean(x).

    W [horizon, steps] and b [horizon] are the same for all targets; each has a gain g and an offset o.

    Args:
      values: float32 [batch, steps, columns], standardised.
      schema: says the steps, the horizon and the targets.
      params: nothing that this network needs.

    Returns:
      float32 [batch, horizon, targets], standardised.
    """
    history = channels.of_targets(values, schema)
    norm = InstanceNorm.of(history, learnt=True)
    return norm.restored(channels.along_time(norm.scaled(history), schema.horizon, "linear"))


PRESETS = {"rlinear_etth1": {**n_linear.ETTH1, "model": "rlinear", "horizon": "96"}}
NETWORK = Network(name="rlinear", outputs=forecast, check=channels.check, presets=PRESETS)
