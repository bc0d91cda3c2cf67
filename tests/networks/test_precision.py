"""Mixed precision: products in bfloat16, everything that is kept in float32, and nothing of it left behind."""

from __future__ import annotations

import dataclasses
import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.model import Params
from trainer.networks import precision, registry
from trainer.networks.precision import MixedPrecision

SMALL = Params(
    sparse_period=2, patch_length=4, patch_stride=4, patch_layers=1, hits_pooling=(4, 1), hits_spacing=(2, 1)
)
MIXED = dataclasses.replace(SMALL, mixed_precision=MixedPrecision.BFLOAT16)


def test_a_product_has_factors_in_bfloat16_and_is_float32():
    left, right = tf.constant([[1.0 + 2**-9]]), tf.constant([[1.0]])
    with precision.policy(MIXED):
        mixed = precision.product(left, right)
    assert mixed.dtype == tf.float32
    assert float(mixed[0, 0]) == 1.0
    assert float(precision.product(left, right)[0, 0]) == 1.0 + 2**-9


def test_the_policy_ends_with_its_block_even_after_an_error():
    with pytest.raises(RuntimeError, match="inside"), precision.policy(MIXED):
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
        raise RuntimeError("inside")
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize(
    "name", ["cnn", "lstm", "lstm_encoder", "dlinear", "fits", "sparsetsf", "nhits", "patchtst", "rnnN", "tsmixer"]
)
def test_a_network_of_mixed_precision_is_near_one_of_float32_and_keeps_float32_variables(
    name, make_schema, traced, some_values
):
    schema = make_schema(steps=12, columns=2, horizon=2, targets=2)
    values = some_values(schema)
    network = registry.NETWORKS[name]

    def forecasts(params: Params):
        return traced(functools.partial(network, params=params, training=False), schema)

    plain, mixed = (forecasts(params) for params in (SMALL, MIXED))
    assert {variable.dtype for variable in mixed.weights.values()} == {tf.float32}
    expected = plain.forecasts(values)
    difference = np.abs(mixed.forecasts(values) - expected).max()
    assert 0 < difference < 0.1 * max(1.0, np.abs(expected).max())
