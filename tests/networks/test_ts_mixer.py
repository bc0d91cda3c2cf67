from __future__ import annotations

import functools

import numpy as np
import pytest

from trainer.job.errors import UsageError
from trainer.networks import ts_mixer
from trainer.networks.ts_mixer import Settings

SETTINGS = Settings(mixer_blocks=2, mixer_units=5)


def dense(inputs: np.ndarray, weights: dict[str, np.ndarray], name: str) -> np.ndarray:
    return inputs @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]


def untrained_norm(inputs: np.ndarray, weights: dict[str, np.ndarray], name: str) -> np.ndarray:
    """A batch normalisation, of each step of each column, whose running mean is 0 and variance 1."""
    gamma, beta = (weights[f"{name}/{part}"].reshape(inputs.shape[1:]) for part in ("gamma", "beta"))
    return inputs / np.sqrt(1 + 1e-3) * gamma + beta


def test_blocks_mix_steps_then_columns_around_the_windows_own_scale(make_schema, traced, some_values):
    schema = make_schema(steps=8, columns=3, horizon=4, targets=2)
    network = traced(functools.partial(ts_mixer.forecast, params=SETTINGS), schema)
    values, weights = 2.0 * some_values(schema) + 3.0, {name: each.numpy() for name, each in network.weights.items()}
    mean, deviation = values.mean(axis=1, keepdims=True), np.sqrt(values.var(axis=1, keepdims=True) + 1e-5)
    mixed = (values - mean) / deviation
    for block in ("block_1", "block_2"):
        turned = untrained_norm(mixed, weights, f"{block}_time_norm").transpose(0, 2, 1)
        mixed = mixed + np.maximum(dense(turned, weights, f"{block}_time"), 0).transpose(0, 2, 1)
        normal = untrained_norm(mixed, weights, f"{block}_columns_norm")
        wide = np.maximum(dense(normal, weights, f"{block}_columns_in"), 0)
        mixed = mixed + dense(wide, weights, f"{block}_columns_out")
    ahead = dense(mixed.transpose(0, 2, 1), weights, "forecast").transpose(0, 2, 1) * deviation + mean
    np.testing.assert_allclose(network.forecasts(values), ahead[:, :, [1, 0]], atol=1e-4)


def test_its_size_follows_from_the_paper(make_schema, traced):
    steps, columns, horizon, units, blocks = 8, 3, 4, 5, 2
    schema = make_schema(steps=steps, columns=columns, horizon=horizon, targets=3)
    weights = traced(functools.partial(ts_mixer.forecast, params=SETTINGS), schema).weights
    block = 2 * 2 * steps * columns + steps * (steps + 1) + units * (columns + 1) + columns * (units + 1)
    expected = blocks * block + horizon * (steps + 1) + 2 * columns
    assert sum(variable.numpy().size for variable in weights.values()) == expected


def test_a_step_of_training_leaves_units_out(make_schema, traced, some_values):
    schema = make_schema(steps=8, columns=3, horizon=4, targets=2)
    settings = Settings(mixer_dropout=0.5)
    values = some_values(schema)
    training = traced(functools.partial(ts_mixer.forecast, params=settings, training=True), schema).forecasts(values)
    serving = traced(functools.partial(ts_mixer.forecast, params=settings), schema).forecasts(values)
    assert np.abs(training - serving).max() > 0.01


def test_all_units_cannot_be_left_out():
    with pytest.raises(UsageError, match="--mixer_dropout=1. Accepted: at least 0 and below 1"):
        Settings(mixer_dropout=1.0)
