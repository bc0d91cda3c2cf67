"""What every network promises: shapes, a gradient for every variable, the same numbers under XLA, stable names."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import tensorflow as tf

from trainer.formats.schema import Schema
from trainer.model import Params
from trainer.networks import registry

SMALL = Params(
    sparse_period=1,
    patch_length=1,
    patch_stride=1,
    patch_width=4,
    patch_heads=2,
    patch_layers=1,  # of several, of patchtst as of tsmixer, their own tests have the numbers
    patch_units=4,
    mixer_units=4,
    mixer_blocks=1,
    hits_pooling=(2, 1),
    hits_spacing=(2, 1),
    hits_units=4,
)
NETWORKS = {
    name: functools.partial(network.outputs, params=SMALL)
    for name, network in registry.NETWORKS.items()
    if network.compiled is None
}
HIDDEN = {
    "linear": [],
    "dnn": ["hidden_1/bias", "hidden_1/kernel", "hidden_2/bias", "hidden_2/kernel"],
    "cnn": [
        *["convolution_1/bias", "convolution_1/kernel", "convolution_2/bias", "convolution_2/kernel"],
        *["hidden/bias", "hidden/kernel"],
    ],
    "rnn": [
        "gru/gru_cell/bias",
        "gru/gru_cell/kernel",
        "gru/gru_cell/recurrent_kernel",
        "hidden/bias",
        "hidden/kernel",
    ],
}
every_network = pytest.mark.parametrize("name", NETWORKS)


@every_network
def test_a_history_of_one_step_is_enough(name, make_schema, traced, some_values):
    schema = make_schema(steps=1)
    assert np.isfinite(traced(NETWORKS[name], schema).forecasts(some_values(schema))).all()


@every_network
def test_every_step_ahead_and_target_has_a_forecast_and_xla_gives_the_same_and_reaches_every_variable(
    name, make_schema, traced, some_values
):
    schema = make_schema(steps=12, columns=3, horizon=4, targets=2)
    network = traced(NETWORKS[name], schema, gradients=True)
    values = tf.constant(some_values(schema))
    plain, compiled = network.run(values), tf.function(network.run, jit_compile=True)(values)
    assert plain["forecasts"].shape == ((5, 12, 4, 2) if name == "rnnN" else (5, 4, 2))
    np.testing.assert_allclose(compiled["forecasts"], plain["forecasts"], atol=1e-5)
    assert set(plain["gradients"]) == set(network.weights)
    for variable, gradient in plain["gradients"].items():
        assert np.any(gradient.numpy() != 0), f"no gradient reaches {variable}"
        scale = float(np.abs(gradient).max())
        np.testing.assert_allclose(compiled["gradients"][variable], gradient, atol=1e-5 * max(1.0, scale))


@pytest.mark.parametrize("name", HIDDEN)
def test_variables_are_named_after_their_layers(name, make_schema, traced):
    names = sorted(traced(NETWORKS[name], make_schema()).weights)
    assert names == sorted([*HIDDEN[name], "forecast/bias", "forecast/kernel"])


@pytest.mark.parametrize("name", ["linear", "lstm", "rnn"])
def test_the_same_seed_gives_the_same_network(name, make_schema, traced, some_values):
    schema: Schema = make_schema(steps=2)
    once, again = (traced(NETWORKS[name], schema).forecasts(some_values(schema)) for _ in range(2))
    np.testing.assert_array_equal(once, again)
