from __future__ import annotations

import functools

import numpy as np
import pytest

from trainer.networks import lstm_encoder


def layer(values: np.ndarray, weights: dict[str, np.ndarray], name: str) -> np.ndarray:
    """The outputs [batch, steps, units] of an LSTM in Keras's order of gates: input, forget, candidate, output."""
    kernel, recurrent, bias = (weights[f"{name}/lstm_cell/{part}"] for part in ("kernel", "recurrent_kernel", "bias"))
    hidden = cell = np.zeros((len(values), len(recurrent)))
    outputs = []
    for step in range(values.shape[1]):
        gates = np.split(values[:, step] @ kernel + hidden @ recurrent + bias, 4, axis=1)
        entering, kept, shown = (1 / (1 + np.exp(-gates[index])) for index in (0, 1, 3))
        cell = kept * cell + entering * np.tanh(gates[2])
        hidden = shown * np.tanh(cell)
        outputs.append(hidden)
    return np.stack(outputs, axis=1)


@pytest.mark.parametrize("steps", [5, 12], ids=["unrolled", "looped"])
def test_the_last_state_of_stacked_lstms_forecasts_the_whole_horizon(steps, make_schema, traced, some_values):
    schema = make_schema(steps=steps, columns=3, horizon=4, targets=2)
    settings = lstm_encoder.Settings(encoder_units=5, encoder_layers=2)
    network = traced(functools.partial(lstm_encoder.forecast, params=settings), schema)
    values, weights = some_values(schema), {name: variable.numpy() for name, variable in network.weights.items()}
    last = layer(layer(values, weights, "encoder_1"), weights, "encoder_2")[:, -1]
    expected = (last @ weights["forecast/kernel"] + weights["forecast/bias"]).reshape(5, 4, 2)
    np.testing.assert_allclose(network.forecasts(values), expected, atol=1e-5)


def test_its_size_is_that_of_an_lstm_and_a_dense_layer(make_schema, traced):
    network = traced(functools.partial(lstm_encoder.forecast, params=lstm_encoder.Settings()), make_schema(columns=2))
    assert sum(variable.numpy().size for variable in network.weights.values()) == 4 * (2 + 64 + 1) * 64 + 65
