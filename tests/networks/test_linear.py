from __future__ import annotations

import numpy as np

from trainer.networks import linear


def test_a_forecast_is_a_weighted_sum_of_all_values_plus_a_bias(make_schema, traced, some_values):
    schema = make_schema(steps=4, columns=2, horizon=3, targets=2)
    network, values = traced(linear.forecast, schema), some_values(schema)
    bias = np.arange(6, dtype=np.float32)
    network.weights["forecast/bias"].assign(bias)
    expected = values.reshape(5, 8) @ network.weights["forecast/kernel"].numpy() + bias
    np.testing.assert_allclose(network.forecasts(values), expected.reshape(5, 3, 2), atol=1e-5)
