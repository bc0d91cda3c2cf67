"""NLinear, DLinear and RLinear against the equations of their papers in NumPy."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from trainer.job.errors import UsageError
from trainer.networks import channels, d_linear, n_linear, r_linear

LONG = {"steps": 40, "columns": 3, "horizon": 6, "targets": 2}


def along_time(history: np.ndarray, weights: dict[str, np.ndarray], name: str) -> np.ndarray:
    """W x + b for each channel."""
    ahead = np.einsum("bsc,sh->bhc", history, weights[f"{name}/kernel"])
    return ahead + weights[f"{name}/bias"].reshape(1, -1, 1)


def numbers(network) -> dict[str, np.ndarray]:
    return {name: variable.numpy() for name, variable in network.weights.items()}


def test_nlinear_maps_the_distances_from_the_last_value(make_schema, traced, some_values):
    schema = make_schema(**LONG)
    network, values = traced(n_linear.forecast, schema), some_values(schema)
    history = values[:, :, [1, 0]]  # the targets, in their order
    last = history[:, -1:]
    expected = along_time(history - last, numbers(network), "linear") + last
    np.testing.assert_allclose(network.forecasts(values), expected, atol=1e-5)


def test_dlinear_maps_the_moving_average_and_what_is_left(make_schema, traced, some_values):
    schema, width = make_schema(**LONG), 25
    network = traced(functools.partial(d_linear.forecast, params=d_linear.Settings()), schema)
    values, weights = some_values(schema), numbers(network)
    history = values[:, :, [1, 0]]
    padded = np.concatenate([history[:, :1].repeat(12, 1), history, history[:, -1:].repeat(12, 1)], axis=1)
    trend = np.stack([padded[:, at : at + width].mean(axis=1) for at in range(schema.steps)], axis=1)
    expected = along_time(history - trend, weights, "remainder") + along_time(trend, weights, "trend")
    np.testing.assert_allclose(network.forecasts(values), expected, atol=1e-5)


def test_rlinear_maps_windows_scaled_by_their_own_mean_and_deviation(make_schema, traced, some_values):
    schema = make_schema(**LONG)
    network, values = traced(r_linear.forecast, schema), 3.0 * some_values(schema) + 7.0
    network.weights["instance_norm/gain"].assign([0.5, 2.0])
    network.weights["instance_norm/offset"].assign([0.25, -1.0])
    history, weights = values[:, :, [1, 0]], numbers(network)
    mean, deviation = history.mean(axis=1, keepdims=True), np.sqrt(history.var(axis=1, keepdims=True) + 1e-5)
    gain, offset = weights["instance_norm/gain"], weights["instance_norm/offset"]
    ahead = along_time((history - mean) / deviation * gain + offset, weights, "linear")
    np.testing.assert_allclose(network.forecasts(values), (ahead - offset) / gain * deviation + mean, atol=1e-4)


@pytest.mark.parametrize("network", [n_linear, d_linear], ids=["nlinear", "dlinear"])
def test_weights_start_within_one_over_the_root_of_the_lookback(network, make_schema, traced):
    schema = make_schema(steps=336, columns=7, horizon=96, targets=7)
    forecast = functools.partial(network.forecast, params=d_linear.Settings())
    for name, weight in numbers(traced(forecast, schema)).items():
        assert 0.8 * 336**-0.5 < np.abs(weight).max() <= 336**-0.5, name


def test_their_sizes_are_those_of_the_papers(make_schema, traced):
    schema = make_schema(steps=336, columns=7, horizon=96, targets=7)
    dlinear = traced(functools.partial(d_linear.forecast, params=d_linear.Settings()), schema)
    nlinear = traced(n_linear.forecast, schema)
    assert [sum(value.size for value in numbers(each).values()) for each in (nlinear, dlinear)] == [32_352, 64_704]


def test_a_trend_of_an_even_width_is_refused():
    with pytest.raises(UsageError, match="--trend_width=24. Accepted: an odd number from 1 up. Set --trend_width=25"):
        d_linear.Settings(trend_width=24)


def test_a_target_whose_past_is_not_given_is_refused(make_schema):
    schema = make_schema(columns=1, targets=1)
    channels.check(schema)
    other = type(schema)(**{**vars(schema), "targets": ("price",)})
    with pytest.raises(UsageError, match="The target price is not among the feature columns.*Add it to --feature_col"):
        channels.check(other)
