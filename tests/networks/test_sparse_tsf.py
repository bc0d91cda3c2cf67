from __future__ import annotations

import functools

import numpy as np
import pytest

from trainer.job.errors import UsageError
from trainer.networks import sparse_tsf
from trainer.networks.sparse_tsf import Settings


def test_the_forecast_of_each_phase_is_a_map_of_its_past(make_schema, traced, some_values):
    schema, period = make_schema(steps=12, columns=3, horizon=8, targets=2), 4
    network = traced(functools.partial(sparse_tsf.forecast, params=Settings(sparse_period=period)), schema)
    values = some_values(schema) + 5.0
    kernel, weight = (network.weights[name].numpy() for name in ("convolution/kernel", "kernel"))
    expected = np.zeros((5, 8, 2))
    for example in range(5):
        for target, column in enumerate((1, 0)):
            series = values[example, :, column]
            centred = series - series.mean()
            smooth = centred + np.correlate(np.pad(centred, 2), kernel[:, 0, 0], "valid")
            phases = smooth.reshape(3, 4).T @ weight  # [phase, periods ahead]
            expected[example, :, target] = phases.T.reshape(-1) + series.mean()
    np.testing.assert_allclose(network.forecasts(values), expected, atol=1e-5)


def test_it_has_the_145_weights_of_the_paper(make_schema, traced):
    schema = make_schema(steps=720, columns=7, horizon=96, targets=7)
    network = traced(functools.partial(sparse_tsf.forecast, params=Settings()), schema)
    assert sum(variable.numpy().size for variable in network.weights.values()) == 145


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"steps": 700, "horizon": 96}, "--lookback of 700 rows with --sparse_period=24.*Set --lookback=696"),
        ({"steps": 720, "horizon": 10}, "--horizon of 10 rows with --sparse_period=24.*Set --horizon=24"),
    ],
)
def test_parts_of_a_period_are_refused(sizes, message, make_schema, traced):
    with pytest.raises(UsageError, match=message):
        traced(functools.partial(sparse_tsf.forecast, params=Settings()), make_schema(**sizes))
