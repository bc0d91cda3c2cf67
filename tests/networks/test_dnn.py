from __future__ import annotations

import functools

import numpy as np

from trainer.networks import dnn


def test_hidden_layers_have_the_sizes_asked_for_in_their_order(make_schema, traced):
    network = traced(
        functools.partial(dnn.forecast, params=dnn.Settings(first_layer_size=7, second_layer_size=5)),
        make_schema(steps=9),
    )
    kernels = [tuple(v.shape) for name, v in sorted(network.weights.items()) if name.endswith("kernel")]
    assert kernels == [(5, 1), (9, 7), (7, 5)]


def test_hidden_units_are_rectified_and_the_forecast_is_not(make_schema, traced, some_values):
    schema = make_schema(steps=3)
    network = traced(
        functools.partial(dnn.forecast, params=dnn.Settings(first_layer_size=1, second_layer_size=1)), schema
    )
    network.weights["hidden_1/kernel"].assign(np.ones((3, 1), np.float32))
    network.weights["hidden_2/kernel"].assign([[1.0]])
    network.weights["forecast/kernel"].assign([[-2.0]])
    network.weights["forecast/bias"].assign([0.5])
    values = some_values(schema)
    expected = 0.5 - 2 * np.maximum(values.sum(axis=1), 0)
    np.testing.assert_allclose(network.forecasts(values)[:, 0], expected, atol=1e-5)
