from __future__ import annotations

import functools

import numpy as np
import pytest

from trainer.networks import lstm


def by_hand(values: np.ndarray, weights: dict[str, np.ndarray]) -> np.ndarray:
    """The last output of an LSTM with Keras's order of gates (input, forget, candidate, output), read out linearly."""
    hidden = cell = np.zeros((len(values), weights["weight"].shape[0]))
    for step in range(values.shape[1]):
        sums = values[:, step] @ weights["lstm/lstm_cell/kernel"] + hidden @ weights["lstm/lstm_cell/recurrent_kernel"]
        gates = np.split(sums + weights["lstm/lstm_cell/bias"], 4, axis=1)
        entering, kept, shown = (1 / (1 + np.exp(-gates[index])) for index in (0, 1, 3))
        cell = kept * cell + entering * np.tanh(gates[2])
        hidden = shown * np.tanh(cell)
    return hidden @ weights["weight"] + weights["bias"]


@pytest.mark.parametrize("steps", [lstm.LONGEST_UNROLLED, lstm.LONGEST_UNROLLED + 1], ids=["unrolled", "looped"])
def test_the_forecast_is_the_last_output_of_a_hand_written_lstm(steps, make_schema, traced, some_values):
    schema = make_schema(steps=steps, columns=2, horizon=2, targets=2)
    network, values = traced(functools.partial(lstm.forecast, params=lstm.Settings()), schema), some_values(schema)
    expected = by_hand(values, {name: variable.numpy() for name, variable in network.weights.items()})
    np.testing.assert_allclose(network.forecasts(values), expected.reshape(5, 2, 2), atol=1e-5)


def test_the_forget_gate_starts_open_as_in_the_course(make_schema, traced):
    network = traced(functools.partial(lstm.forecast, params=lstm.Settings()), make_schema())
    np.testing.assert_array_equal(network.weights["lstm/lstm_cell/bias"], [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0])


def test_unrolled_and_looped_lstms_have_the_same_variables(make_schema, traced):
    network = functools.partial(lstm.forecast, params=lstm.Settings())
    short, long = (traced(network, make_schema(steps=steps)).weights for steps in (9, 49))
    assert {name: v.shape for name, v in short.items()} == {name: v.shape for name, v in long.items()}
