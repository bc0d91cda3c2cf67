from __future__ import annotations

import functools
import math

import numpy as np
import pytest

from trainer.job.errors import UsageError
from trainer.networks import patch_tst
from trainer.networks.patch_tst import Settings

SMALL = Settings(patch_length=4, patch_stride=3, patch_width=4, patch_heads=2, patch_layers=2, patch_units=5)


def dense(inputs: np.ndarray, weights: dict[str, np.ndarray], name: str) -> np.ndarray:
    return inputs @ weights[f"{name}/kernel"] + weights.get(f"{name}/bias", 0.0)


def untrained_norm(inputs: np.ndarray, weights: dict[str, np.ndarray], name: str) -> np.ndarray:
    """A batch normalisation whose running mean is 0 and variance 1."""
    return inputs / np.sqrt(1 + 1e-5) * weights[f"{name}/gamma"] + weights[f"{name}/beta"]


def attention(states: np.ndarray, before: np.ndarray, weights: dict[str, np.ndarray], name: str):
    """What each patch takes from all, and the scores [heads, patches, patches], for states [patches, 4] and 2 heads."""
    query, key, value = (dense(states, weights, f"{name}_{part}") for part in ("query", "key", "value"))
    scores, mixed = np.zeros_like(before), []
    for head in range(2):
        part = slice(2 * head, 2 * head + 2)
        scores[head] = query[:, part] @ key[:, part].T / np.sqrt(2) + before[head]
        powers = np.exp(scores[head])
        mixed.append(powers / powers.sum(axis=1, keepdims=True) @ value[:, part])
    return dense(np.concatenate(mixed, axis=1), weights, f"{name}_mixed"), scores


def by_hand(series: np.ndarray, weights: dict[str, np.ndarray]) -> np.ndarray:
    """The forecast of one series."""
    mean, deviation = series.mean(), np.sqrt(series.var() + 1e-5)
    padded = np.concatenate([(series - mean) / deviation, np.full(3, (series[-1] - mean) / deviation)])
    patches = np.stack([padded[at : at + 4] for at in range(0, len(padded) - 3, 3)])
    states = dense(patches, weights, "embedding") + weights["position"]
    scores = np.zeros((2, len(patches), len(patches)))
    for layer in ("layer_1", "layer_2"):
        attended, scores = attention(states, scores, weights, layer)
        states = untrained_norm(states + attended, weights, f"{layer}_attention_norm")
        hidden = dense(states, weights, f"{layer}_dense_in")
        hidden = hidden * 0.5 * (1 + np.vectorize(math.erf)(hidden / np.sqrt(2)))
        states = untrained_norm(states + dense(hidden, weights, f"{layer}_dense_out"), weights, f"{layer}_dense_norm")
    return dense(states.reshape(-1), weights, "forecast") * deviation + mean


def test_the_forecast_is_that_of_a_transformer_over_patches(make_schema, traced, some_values):
    schema = make_schema(steps=10, columns=3, horizon=4, targets=2)
    network = traced(functools.partial(patch_tst.forecast, params=SMALL), schema)
    values, weights = 2.0 * some_values(schema) + 3.0, {name: each.numpy() for name, each in network.weights.items()}
    expected = [[by_hand(values[example, :, column], weights) for column in (1, 0)] for example in range(5)]
    np.testing.assert_allclose(network.forecasts(values), np.transpose(expected, (0, 2, 1)), atol=1e-4)


def test_336_rows_make_the_42_patches_of_the_paper_the_last_of_repeated_values():
    rows = patch_tst.patch_rows(336, Settings())
    assert rows.shape == (42, 16)
    np.testing.assert_array_equal(rows[-1], [*range(328, 336), *[335] * 8])


def test_its_size_follows_from_the_paper_but_for_the_bias_of_keys(make_schema, traced):
    schema = make_schema(steps=336, columns=7, horizon=96, targets=7)
    weights = traced(functools.partial(patch_tst.forecast, params=Settings()), schema).weights
    layer = 4 * 16 * 16 + 3 * 16 + (16 + 1) * 128 + (128 + 1) * 16 + 2 * 2 * 16
    expected = (16 + 1) * 16 + 42 * 16 + 3 * layer + (42 * 16 + 1) * 96
    assert sum(variable.numpy().size for variable in weights.values()) == expected


def test_a_history_shorter_than_a_patch_is_refused():
    with pytest.raises(UsageError, match="--patch_length=16 with a history of 9 rows.*Set --patch_length=9"):
        patch_tst.patch_rows(9, Settings())


def test_heads_have_to_share_the_width():
    with pytest.raises(UsageError, match="--patch_width=6 with --patch_heads=4. Accepted: a .* multiple of the heads"):
        Settings(patch_width=6)
