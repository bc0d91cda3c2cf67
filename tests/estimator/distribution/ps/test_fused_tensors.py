"""Tensors that travel together."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator.distribution.ps.fused_tensors import SMALL_BYTES, FusedTensors

LARGE = np.arange(SMALL_BYTES, dtype=np.float32)
MIXED = [
    np.float32([[1.5, -2.0]]),
    np.int64(1 << 40),
    LARGE,
    np.array([True, False]),
    np.float64([3.25]),
    np.int32([[-7]]),
    np.zeros([0, 3], np.float32),
]


def fused(tensors: list[np.ndarray]) -> FusedTensors:
    return FusedTensors(tuple(tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in tensors))


@pytest.mark.parametrize("xla", [None, True])
def test_small_tensors_travel_as_one_and_arrive_bit_for_bit(xla: bool | None) -> None:
    mixed = fused(MIXED)

    @tf.function(jit_compile=xla)
    def there_and_back(*tensors: tf.Tensor) -> list[tf.Tensor]:
        pieces = mixed.pack(tensors)
        assert [piece.dtype for piece in pieces] == [tf.int32, tf.float32, tf.bool]
        return mixed.unpack(pieces)

    for sent, arrived in zip(MIXED, there_and_back(*map(tf.constant, MIXED)), strict=True):
        assert arrived.dtype == sent.dtype
        assert np.array_equal(arrived, sent)


@pytest.mark.parametrize(("other", "travels"), [(np.float32([[1.0]]), tf.float32), (np.int64([3]), tf.int32)])
def test_the_bits_of_a_nan_are_kept_and_tensors_of_one_type_travel_in_it(other: np.ndarray, travels: tf.DType) -> None:
    odd = np.uint32([0x7FC00001, 0xFFA12345]).view(np.float32)
    two = fused([odd, other])
    pieces = two.pack([tf.constant(odd), tf.constant(other)])
    assert [piece.dtype for piece in pieces] == [travels]
    arrived = two.unpack(pieces)
    assert np.array_equal(arrived[0].numpy().view(np.uint32), odd.view(np.uint32))
    assert np.array_equal(arrived[1], other)


@pytest.mark.parametrize(
    "specs",
    [
        [],
        [tf.TensorSpec([2])],
        [tf.TensorSpec([2]), tf.TensorSpec([SMALL_BYTES])],
        [tf.TensorSpec([2]), tf.TensorSpec([None])],
        [tf.TensorSpec([2]), tf.TensorSpec([2], tf.bfloat16)],
    ],
)
def test_a_small_tensor_without_another_travels_as_it_is(specs: list[tf.TensorSpec]) -> None:
    tensors = [tf.zeros([size or 5 for size in spec.shape], spec.dtype) for spec in specs]
    alone = FusedTensors(tuple(specs))
    assert alone.together == []
    assert all(piece is tensor for piece, tensor in zip(alone.pack(tensors), tensors, strict=True))
    assert all(piece is tensor for piece, tensor in zip(alone.unpack(tensors), tensors, strict=True))
