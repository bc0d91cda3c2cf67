from __future__ import annotations

import numpy as np

from trainer.networks import head


def test_a_fresh_forecast_is_near_zero(make_schema, traced, some_values):
    schema = make_schema(steps=20, columns=4, horizon=3, targets=2)
    forecasts = traced(head.forecast, schema).forecasts(some_values(schema))
    assert forecasts.shape == (5, 20, 3, 2)
    assert 0 < np.abs(forecasts).max() < 1
