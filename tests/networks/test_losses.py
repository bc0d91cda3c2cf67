from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from trainer.job.errors import UsageError
from trainer.networks import losses
from trainer.networks.losses import Loss, Settings


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Settings(), [4.0, 0.25]),
        (Settings(loss=Loss.ABSOLUTE), [2.0, 0.5]),
        (Settings(loss=Loss.QUANTILE), [1.0, 0.25]),
        (Settings(loss=Loss.QUANTILE, quantile=0.9), [1.8, 0.05]),
    ],
)
def test_a_loss_of_each_error(settings, expected):
    np.testing.assert_allclose(losses.of_errors(tf.constant([2.0, -0.5]), settings), expected, rtol=1e-6)


def test_the_quantile_loss_is_least_at_the_quantile():
    labels = np.random.default_rng(1).normal(size=10_001).astype(np.float32)
    settings = Settings(loss=Loss.QUANTILE, quantile=0.8)
    forecasts = np.linspace(-1, 2, 61)
    means = [float(tf.reduce_mean(losses.of_errors(labels - forecast, settings))) for forecast in forecasts]
    assert forecasts[int(np.argmin(means))] == pytest.approx(np.quantile(labels, 0.8), abs=0.05)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"quantile": 0.9}, "--quantile=0.9 with --loss=squared, which has no use for it. Accepted: --loss=quantile"),
        ({"loss": Loss.QUANTILE, "quantile": 1.0}, "--quantile=1. Accepted: above 0 and below 1"),
    ],
)
def test_a_quantile_that_cannot_be_is_refused(settings, message):
    with pytest.raises(UsageError, match=message):
        Settings(**settings)
