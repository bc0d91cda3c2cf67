"""SparseTSF: a forecast of each phase of a period by one small matrix (Lin et al., ICML 2024, arXiv 2405.00946)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from trainer.formats.schema import Schema
from trainer.job.config import Checked, setting
from trainer.job.errors import UsageError
from trainer.networks import channels
from trainer.networks.network import LONG_TERM, Network
from trainer.networks.precision import product

if TYPE_CHECKING:
    import tensorflow as tf


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(Checked):
    """What may be chosen about SparseTSF."""

    sparse_period: int = setting(
        24, "rows in a period of sparsetsf, of which lookback and horizon are multiples", positive="from 1 up"
    )


def forecast(values: tf.Tensor, schema: Schema, params: Settings) -> tf.Tensor:
    """m = mean(x); z = x - m + conv(x - m); fold z to [steps / w, w]; y = W z, unfolded, + m.

    The convolution has 1 + 2⌊w/2⌋ weights, no bias, and zeros beyond the ends; W is [horizon / w, steps / w], the same
    for all phases and targets.

    Args:
      values: float32 [batch, steps, columns], standardised.
      schema: says the steps, the horizon and the targets.
      params: with the period w.

    Returns:
      float32 [batch, horizon, targets], standardised.

    Raises:
      UsageError: steps or horizon are no multiple of the period.
    """
    import tensorflow as tf

    period, targets = params.sparse_period, len(schema.targets)
    _check_multiple(schema, period)
    history = channels.of_targets(values, schema)
    mean = tf.reduce_mean(history, axis=1, keepdims=True)
    rows = tf.reshape(tf.transpose(history - mean, [0, 2, 1]), [-1, schema.steps, 1])  # [batch · targets, steps, 1]
    width = 1 + 2 * (period // 2)
    kernel = channels.uniform([width, 1, 1], width, "convolution/kernel")
    rows += tf.nn.conv1d(rows, kernel, stride=1, padding="SAME")
    folded = tf.transpose(tf.reshape(rows, [-1, schema.steps // period, period]), [0, 2, 1])
    ahead = channels.uniform([schema.steps // period, schema.horizon // period], schema.steps // period, "kernel")
    phases = tf.transpose(product(folded, ahead), [0, 2, 1])
    return tf.transpose(tf.reshape(phases, [-1, targets, schema.horizon]), [0, 2, 1]) + mean


def _check_multiple(schema: Schema, period: int) -> None:
    for flag, rows in (("lookback", schema.steps), ("horizon", schema.horizon)):
        if rows % period:
            raise UsageError(
                f"--{flag} of {rows} rows with --sparse_period={period}",
                "whole periods",
                f"Set --{flag}={max(1, round(rows / period)) * period}, or another --sparse_period",
            )


ETTH1 = {
    **LONG_TERM,
    "model": "sparsetsf",
    "lookback": "720",
    "horizon": "96",
    "train_batch_size": "256",
    "num_epochs": "30",
    "learning_rate": "0.02",
    "learning_rate_schedule": "step",
    "learning_rate_schedule/decay_rate": "0.8",
    "learning_rate_schedule/constant_epochs": "3",
}
NETWORK = Network(
    name="sparsetsf", outputs=forecast, settings=Settings, check=channels.check, presets={"sparsetsf_etth1": ETTH1}
)
