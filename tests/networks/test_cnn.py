from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from trainer.networks import cnn


def test_the_matrix_product_is_tensorflows_convolution(make_schema, traced, some_values):
    schema = make_schema(steps=7, columns=2)
    network = traced(lambda values, _: cnn.convolve(values, filters=4, name="convolution"), schema)
    network.weights["convolution/bias"].assign([0.1, -0.2, 0.3, -0.4])
    values = some_values(schema)
    kernel = tf.reshape(network.weights["convolution/kernel"], [3, 2, 4])
    expected = tf.nn.relu(tf.nn.conv1d(values, kernel, 1, "SAME") + network.weights["convolution/bias"])
    np.testing.assert_allclose(network.forecasts(values), expected, atol=1e-5)


@pytest.mark.parametrize("steps", [2, 7, 12])
def test_halving_is_tensorflows_max_pool(steps):
    values = tf.random.stateless_normal([5, steps, 3], seed=[1, 2])
    np.testing.assert_array_equal(cnn.halve(values), tf.nn.max_pool1d(values, 2, 2, "VALID"))


def test_halving_keeps_a_single_step():
    values = tf.ones([5, 1, 3])
    assert cnn.halve(values) is values


def test_filters_are_half_the_steps_as_in_the_course(make_schema, traced):
    network = traced(cnn.forecast, make_schema(steps=49))
    assert {name: tuple(v.shape) for name, v in network.weights.items() if name.endswith("kernel")} == {
        "convolution_1/kernel": (3, 24),
        "convolution_2/kernel": (72, 24),
        "hidden/kernel": (288, 3),
        "forecast/kernel": (3, 1),
    }
