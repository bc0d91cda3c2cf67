"""FITS: a forecast as interpolation of the low frequencies (Xu et al., ICLR 2024, arXiv 2307.03756)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from trainer.formats.schema import Schema
from trainer.job.config import Checked, setting
from trainer.networks import channels
from trainer.networks.instance_norm import InstanceNorm
from trainer.networks.network import LONG_TERM, Network
from trainer.networks.precision import product

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf

_HARMONICS = 6
"""Of the period that the paper's cut-off keeps."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(Checked):
    """What may be chosen about FITS."""

    fits_period: int = setting(24, "rows in the period whose sixth harmonic fits keeps", positive="from 1 up")


def forecast(values: tf.Tensor, schema: Schema, params: Settings) -> tf.Tensor:
    """x' = (x - mean) / √(var + 1e-5); X = rfft(x')[:K]; Y = A X + a; y = irfft(Y, L + H) (L + H) / L, scaled back.

    L are the steps, H the horizon; K = (⌊L / period⌋ + 1) · 6 + 10 bins become ⌊K (L + H) / L⌋ by a complex matrix A
    and a complex a, the same for all targets; the forecast is the last H values. The transforms are products with
    constant matrices: they keep few bins, and a served model needs no operation of a Fourier transform.

    Args:
      values: float32 [batch, steps, columns], standardised.
      schema: says the steps L, the horizon H and the targets.
      params: with the period.

    Returns:
      float32 [batch, horizon, targets], standardised.
    """
    import tensorflow as tf

    history = channels.of_targets(values, schema)
    norm = InstanceNorm.of(history, learnt=False)
    rows = tf.transpose(norm.scaled(history), [0, 2, 1])  # [batch, targets, steps]
    steps, length = schema.steps, schema.steps + schema.horizon
    bins = bins_kept(steps, params.fits_period)
    wider = bins * length // steps
    cosines, sines = (tf.constant(each, rows.dtype) for each in analysis(steps, bins))
    real, imaginary = tf.tensordot(rows, cosines, 1), tf.tensordot(rows, sines, 1)  # [batch, targets, bins]
    a, b = (channels.uniform([bins, wider], bins, f"{part}/kernel") for part in ("real", "imaginary"))
    a_bias, b_bias = (channels.uniform([wider], bins, f"{part}/bias") for part in ("real", "imaginary"))
    new_real = product(real, a) - product(imaginary, b) + a_bias
    new_imaginary = product(real, b) + product(imaginary, a) + b_bias
    from_real, from_imaginary = (
        tf.constant(each[:, steps:] * (length / steps), rows.dtype) for each in synthesis(length, wider)
    )
    ahead = tf.tensordot(new_real, from_real, 1) + tf.tensordot(new_imaginary, from_imaginary, 1)
    return norm.restored(tf.transpose(ahead, [0, 2, 1]))


def bins_kept(steps: int, period: int) -> int:
    """K of the paper, at most all that there are."""
    return min((steps // period + 1) * _HARMONICS + 10, steps // 2 + 1)


def analysis(steps: int, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """What gives the real and the imaginary parts of the first bins of rfft: float64 [steps, bins] each."""
    import numpy as np

    angles = 2 * np.pi * np.outer(np.arange(steps), np.arange(bins)) / steps
    return np.cos(angles), -np.sin(angles)


def synthesis(length: int, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """What gives `length` values of irfft from real and imaginary parts of its first bins: float64 [bins, length] each.

    All bins but the first, and the last of an even length, stand for two of a complex spectrum.
    """
    import numpy as np

    bins_there = np.arange(bins)
    twice = np.where((bins_there == 0) | (2 * bins_there == length), 1.0, 2.0)[:, np.newaxis] / length
    angles = 2 * np.pi * np.outer(bins_there, np.arange(length)) / length
    return twice * np.cos(angles), -twice * np.sin(angles)


ETTH1 = {
    **LONG_TERM,
    "model": "fits",
    "lookback": "360",
    "horizon": "96",
    "train_batch_size": "128",
    "num_epochs": "60",
    "learning_rate": "0.0005",
    "learning_rate_schedule": "step",
    "learning_rate_schedule/decay_rate": "0.95",
    "learning_rate_schedule/constant_epochs": "1",
}
NETWORK = Network(name="fits", outputs=forecast, settings=Settings, check=channels.check, presets={"fits_etth1": ETTH1})
