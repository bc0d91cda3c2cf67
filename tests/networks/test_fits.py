from __future__ import annotations

import functools

import numpy as np
import pytest

from trainer.networks import fits


def by_hand(series: np.ndarray, horizon: int, bins: int, weights: dict[str, np.ndarray]) -> np.ndarray:
    """The forecast of one series, float64 [horizon], by NumPy's Fourier transforms."""
    steps, length = len(series), len(series) + horizon
    deviation = np.sqrt(series.var() + 1e-5)
    spectrum = np.fft.rfft((series - series.mean()) / deviation)[:bins]
    kernel = weights["real/kernel"] + 1j * weights["imaginary/kernel"]
    wider = np.zeros(length // 2 + 1, np.complex128)
    ahead = spectrum @ kernel + weights["real/bias"] + 1j * weights["imaginary/bias"]
    wider[: len(ahead)] = ahead
    return np.fft.irfft(wider, length)[steps:] * (length / steps) * deviation + series.mean()


@pytest.mark.parametrize(("steps", "horizon"), [(48, 12), (49, 8), (12, 2)], ids=["some bins", "odd", "all bins"])
def test_the_forecast_is_that_of_fourier_transforms(steps, horizon, make_schema, traced, some_values):
    schema = make_schema(steps=steps, columns=2, horizon=horizon, targets=2)
    network = traced(functools.partial(fits.forecast, params=fits.Settings()), schema)
    values = 2.0 * some_values(schema) + 3.0
    weights = {name: variable.numpy() for name, variable in network.weights.items()}
    expected = [
        [by_hand(values[example, :, column], horizon, fits.bins_kept(steps, 24), weights) for column in (1, 0)]
        for example in range(5)
    ]
    np.testing.assert_allclose(network.forecasts(values), np.transpose(expected, (0, 2, 1)), atol=2e-4)


def test_it_keeps_the_bins_of_the_paper_and_has_its_size(make_schema, traced):
    assert fits.bins_kept(360, 24) == 106
    schema = make_schema(steps=360, columns=7, horizon=96, targets=7)
    weights = traced(functools.partial(fits.forecast, params=fits.Settings()), schema).weights
    sizes = {name: tuple(variable.shape) for name, variable in weights.items()}
    assert sizes == {
        **{f"{part}/kernel": (106, 134) for part in ("real", "imaginary")},
        **{f"{part}/bias": (134,) for part in ("real", "imaginary")},
    }
