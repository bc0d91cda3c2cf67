from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest
import tensorflow as tf

from trainer.job.errors import UsageError
from trainer.networks import n_hits
from trainer.networks.n_hits import Settings

SETTINGS = Settings(hits_pooling=(4, 1), hits_spacing=(3, 1), hits_units=6)


def dense(inputs: np.ndarray, weights: dict[str, np.ndarray], name: str) -> np.ndarray:
    return inputs @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]


def by_hand(series: np.ndarray, horizon: int, weights: dict[str, np.ndarray]) -> np.ndarray:
    """The forecast of one series, float64 [horizon]."""
    rest, total = series.astype(np.float64), np.full(horizon, series[-1], np.float64)
    for number, (pooling, spacing) in enumerate(((4, 3), (1, 1)), start=1):
        hidden = np.array([rest[at : at + pooling].max() for at in range(0, len(rest), pooling)])
        for layer in ("hidden_1", "hidden_2"):
            hidden = np.maximum(dense(hidden, weights, f"stack_{number}_{layer}"), 0)
        theta = dense(hidden, weights, f"stack_{number}_theta")
        knots = horizon // spacing
        if number == 1:
            rest, theta = rest - theta[: len(rest)], theta[len(rest) :]
        middles = (np.arange(knots) + 0.5) * horizon / knots - 0.5
        total += np.interp(np.arange(horizon), middles, theta)
    return total


def test_the_forecast_is_the_sum_of_what_the_stacks_interpolate(make_schema, traced, some_values):
    schema = make_schema(steps=10, columns=2, horizon=6, targets=2)
    network = traced(functools.partial(n_hits.forecast, params=SETTINGS), schema)
    values, weights = some_values(schema), {name: variable.numpy() for name, variable in network.weights.items()}
    expected = [[by_hand(values[example, :, column], 6, weights) for column in (1, 0)] for example in range(5)]
    np.testing.assert_allclose(network.forecasts(values), np.transpose(expected, (0, 2, 1)), atol=1e-5)


def test_windows_that_are_scaled_forecast_alike_in_all_units(make_schema, traced, some_values):
    schema, settings = make_schema(steps=10, horizon=6), dataclasses.replace(SETTINGS, hits_scaling=True)
    network, values = traced(functools.partial(n_hits.forecast, params=settings), schema), some_values(schema)
    elsewhere = network.forecasts(40 * values + 7)
    np.testing.assert_allclose(elsewhere, 40 * network.forecasts(values) + 7, rtol=1e-3)


def test_an_untrained_network_forecasts_about_the_last_value(make_schema, traced, some_values):
    schema = make_schema(steps=48, horizon=12)
    network, values = traced(functools.partial(n_hits.forecast, params=Settings()), schema), some_values(schema)
    assert np.std(network.forecasts(values) - values[:, -1:]) < 0.4


def test_a_step_of_training_leaves_units_out(make_schema, traced, some_values):
    schema, settings = make_schema(steps=10, horizon=6), dataclasses.replace(SETTINGS, hits_dropout=0.5)
    values, forecast = some_values(schema), functools.partial(n_hits.forecast, params=settings)
    training = traced(functools.partial(forecast, training=True), schema).forecasts(values)
    assert np.abs(training - traced(forecast, schema).forecasts(values)).max() > 0.01


def test_the_last_values_are_pooled_even_where_they_are_few():
    pooled = n_hits.pooled(tf.constant([[-1.0, -2.0, -3.0, -4.0, -5.0]]), 2)
    np.testing.assert_array_equal(pooled, [[-1, -3, -5]])


def test_a_step_between_two_knots_is_between_their_values():
    np.testing.assert_allclose(n_hits.interpolation(2, 4), [[1, 0.75, 0.25, 0], [0, 0.25, 0.75, 1]])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hits_pooling": (4, 2, 1, 1)}, "--hits_pooling=4,2,1,1 with --hits_spacing=24,12,1. Accepted: a number for"),
        ({"hits_dropout": 1.0}, "--hits_dropout=1. Accepted: at least 0 and below 1"),
        ({"hits_spacing": (4, 0, 1)}, "--hits_spacing=4,0,1. Accepted: whole numbers from 1 up"),
    ],
)
def test_stacks_that_cannot_be_are_refused(settings, message):
    with pytest.raises(UsageError, match=message):
        Settings(**settings)
