"""What can be stacked, how much of it, and which batches of a stack are whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator.steps.input.batches import StackedBatches
from trainer.estimator.steps.input.stacks import Stack, most_at_hand, stack_steps, stackable


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (tf.TensorSpec([None, 3]), True),
        (({"a": tf.TensorSpec([None], tf.string)}, tf.TensorSpec([4, 1])), True),
        (tf.TensorSpec([]), True),
        (tf.TensorSpec([None, None]), False),
        (tf.TensorSpec(None), False),
        (tf.RaggedTensorSpec([None, None]), False),
        (tf.SparseTensorSpec([None, 3]), False),
    ],
)
def test_dense_batches_with_one_unknown_dimension_can_be_stacked(spec: Any, expected: bool) -> None:
    assert stackable(spec) is expected


@pytest.mark.parametrize(
    ("shape", "limit", "save_steps", "expected"),
    [
        ([2, 3], None, None, 500),
        ([2, 3], 7, None, 7),
        ([2, 3], 7, 10, 5),
        ([2, 3], None, 1200, 400),
        ([2, 3], 5, 3, 3),
        ([1 << 20], None, None, 4),
        ([1 << 22], None, 10, 1),
        ([None, 1 << 10], None, None, 16),
    ],
)
def test_stacks_fit_into_memory_into_the_limit_and_between_saves(
    shape: list[int | None], limit: int | None, save_steps: int | None, expected: int
) -> None:
    assert stack_steps(tf.TensorSpec(shape), limit, save_steps) == expected


@pytest.mark.parametrize(
    ("length", "expected"), [(1, 500), (2_000, 500), (8_000, 2_000), (100_000, 8_000), (None, 4_000)]
)
def test_longer_trainings_have_longer_stacks(length: int | None, expected: int) -> None:
    assert most_at_hand(length) == expected


def test_whole_batches_end_where_a_smaller_one_comes() -> None:
    stack = StackedBatches(tf.data.Dataset.range(10).batch(4).repeat(2), 6).peek()
    assert stack is not None
    assert stack.whole_batches() == 2
    assert np.array(stack.sizes).tolist() == [[4], [4], [2], [4], [4], [2]]
    assert stack.tensors[0].shape == [6, 4]


def test_the_next_batch_of_a_stack_comes_without_its_padding() -> None:
    stack = Stack([tf.constant([[1, 2, 3], [4, 5, 0]]), tf.constant([7, 8])], np.array([[3, 0], [2, 0]]), 1, 2)
    assert [part.numpy().tolist() for part in stack.batch()] == [[4, 5], 8]
    assert (stack.left(), stack.batch_sizes, stack.whole_batches()) == (1, [3, 0], 0)
