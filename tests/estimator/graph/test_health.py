"""Which numbers are not finite, in tensors, arrays and variables."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator.graph import health
from trainer.estimator.graph.health import Health

_BOTH = Health.NAN | Health.INFINITE
_CASES = [([1.0, 2.0], Health.FINITE), ([1.0, np.inf], Health.INFINITE), ([-np.inf], Health.INFINITE)]
_CASES += [([np.nan], Health.NAN), ([np.nan, np.inf], _BOTH), ([], Health.FINITE)]


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float32, tf.float64, tf.complex64, tf.complex128])
@pytest.mark.parametrize(("values", "expected"), _CASES)
def test_a_probe_sees_what_is_not_finite(dtype: tf.DType, values: list[float], expected: Health) -> None:
    tensor = tf.cast(tf.constant(values, tf.float64), dtype)
    assert health.can_be_probed(tensor)
    assert health.read_probe(health.probe(tensor).numpy()) is expected
    assert health.of_array(tensor.numpy()) is expected


def test_only_numbers_with_a_fraction_can_be_other_than_finite() -> None:
    assert not health.can_be_probed(tf.constant([1]))
    assert health.of_array(np.array(["nan"])) is Health.FINITE


def test_variables_are_listed_by_what_is_not_finite_in_them() -> None:
    variables = {"w": tf.Variable([1.0, np.inf]), "v": tf.Variable([1.0]), "step": tf.Variable(3)}
    assert health.of_variables(variables) == {"w": Health.INFINITE}
    assert [str(found) for found in (Health.FINITE, Health.INFINITE, Health.NAN, _BOTH)] == [
        "finite",
        "infinite",
        "NaN",
        "NaN and infinite",
    ]
