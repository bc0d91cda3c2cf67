"""What a call returns travels in one vector."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator.distribution.ps.returned import Returned

SPECS = (tf.TensorSpec([2, 3]), tf.TensorSpec([2], tf.string), tf.TensorSpec([]), tf.TensorSpec([2], tf.int64))


def batches(rows: int) -> list[tf.Tensor]:
    numbers = tf.range(rows * 6, dtype=tf.float32)
    texts = tf.reshape(tf.strings.as_string(numbers[: rows * 2]), [rows, 2])
    return [
        tf.reshape(numbers, [rows, 2, 3]),
        texts,
        numbers[:rows],
        tf.fill([rows, 2], tf.constant(1 << 40, tf.int64)),
    ]


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_what_was_packed_is_unpacked(rows: int) -> None:
    returned, losses = Returned(SPECS), tf.constant([0.5, np.nan, 7.0])
    travelled = returned.pack(tf.constant(2), losses, batches(rows))
    assert [tensor.dtype for tensor in travelled] == [tf.int32, tf.string]
    made, given, parts = returned.unpack([tensor.numpy() for tensor in travelled])
    assert made == 2
    np.testing.assert_array_equal(given, [0.5, np.nan])
    for part, batch in zip(parts, batches(rows), strict=True):
        np.testing.assert_array_equal(part, batch.numpy())
        assert part.dtype == batch.dtype.as_numpy_dtype
