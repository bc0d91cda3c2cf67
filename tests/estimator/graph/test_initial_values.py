"""Initial values of which no more than a block is ever made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator.graph.initial_values import Source
from trainer.estimator.graph.inside.seeds import seeded
from trainer.estimator.graph.row_sharding import Block

V1 = tf.compat.v1
SHAPE = [900, 4]


def block(source: Source, start: int, stop: int, salt: str = "a") -> np.ndarray:
    """A block that is made alone, if it is of a tensor of a graph."""
    before = source.value
    rows = np.asarray(source.rows(Block(0, start, stop), salt))
    assert source.value is before, "was computed whole"
    return rows


@pytest.mark.parametrize(
    ("make", "mean", "deviation"),
    [
        (lambda: tf.random.uniform(SHAPE, -1.0, 1.0), 0, 0.577),
        (lambda: tf.random.normal(SHAPE) * 2.0 + 1.0, 1, 2),
        (lambda: keras.initializers.RandomUniform(-1.0, 1.0)(SHAPE), 0, 0.577),
        (lambda: keras.initializers.RandomNormal(stddev=0.5, seed=1)(SHAPE, dtype="float32"), 0, 0.5),
        (lambda: V1.random_uniform_initializer(-1.0, 1.0)(SHAPE), 0, 0.577),
        (lambda: V1.glorot_uniform_initializer()(SHAPE), 0, np.sqrt(2 / 904)),
        (lambda: V1.random_normal_initializer(stddev=0.5, seed=3)(SHAPE), 0, 0.5),
    ],
)
def test_blocks_of_random_values_are_alike_in_distribution_and_differ_in_value(
    make: Callable[[], Any], mean: float, deviation: float
) -> None:
    source = Source(make, None)
    assert (source.shape, source.fill()) == (SHAPE, None)
    first, second = block(source, 0, 500, "a"), block(source, 500, 900, "b")
    assert (first.shape, second.shape) == ((500, 4), (400, 4))
    assert (first[:400] == second).mean() < 0.01
    for part in (first, second):
        assert part.mean() == pytest.approx(mean, abs=deviation / 6)
        assert part.std() == pytest.approx(deviation, rel=0.1)


def test_a_seed_gives_the_same_block_again_and_another_seed_another() -> None:
    def drawn(seed: int) -> np.ndarray:
        with seeded(seed):
            return block(Source(lambda: tf.random.uniform(SHAPE), None), 10, 12)

    assert np.array_equal(drawn(1), drawn(1))
    assert not np.array_equal(drawn(1), drawn(2))


@pytest.mark.parametrize(
    ("make", "fill"),
    [
        (lambda: tf.zeros(SHAPE), 0.0),
        (lambda: V1.constant_initializer(0.5)(SHAPE, dtype=tf.float32), 0.5),
        (lambda: keras.initializers.Ones()(SHAPE), 1.0),
    ],
)
def test_one_number_everywhere_is_known_as_such(make: Callable[[], Any], fill: float) -> None:
    source = Source(make, None)
    assert source.fill() == fill
    assert np.array_equal(block(source, 0, 3), np.full([3, 4], fill, np.float32))


NUMBERS = np.arange(12.0).reshape(4, 3)


@pytest.mark.parametrize("given", [NUMBERS, NUMBERS.tolist(), lambda: NUMBERS, lambda: tf.constant(NUMBERS)])
def test_of_numbers_a_block_is_cut(given: Any) -> None:
    source = Source(given, tf.float32)
    assert (source.dtype, source.fill()) == (tf.float32, None)
    assert np.array_equal(block(source, 1, 3), NUMBERS[1:3])


def test_a_function_that_gives_numbers_is_called_once() -> None:
    calls: list[int] = []

    def numbers() -> np.ndarray:
        calls.append(1)
        return NUMBERS

    source = Source(numbers, None)
    assert (source.plain is NUMBERS, calls) == (True, [1])


def test_what_cannot_be_made_in_blocks_is_computed_whole_once() -> None:
    source = Source(lambda: tf.reverse(tf.random.uniform([4, 3]), [0]), None)
    blocks = [source.rows(Block(0, start, start + 2), "a") for start in (0, 2)]
    assert np.array_equal(np.concatenate(blocks), np.asarray(source.value))
    assert len(np.unique(source.value)) == 12


@pytest.mark.parametrize("offset", [lambda: tf.range(4.0), lambda: tf.ones([1, 4]), lambda: tf.constant(2.0)])
def test_what_is_broadcast_along_the_rows_is_the_same_in_every_block(offset: Callable[[], tf.Tensor]) -> None:
    square = Source(lambda: tf.zeros([4, 4]) + offset(), None)
    rows = np.concatenate([block(square, 0, 1), block(square, 1, 4)])
    assert np.array_equal(rows, np.broadcast_to(offset(), [4, 4]))


def test_random_numbers_that_all_rows_share_are_drawn_once() -> None:
    source = Source(lambda: tf.zeros([6, 2]) + tf.random.uniform([2]), None)
    rows = np.concatenate([source.rows(Block(0, start, start + 3), str(start)) for start in (0, 3)])
    assert np.array_equal(rows, np.broadcast_to(rows[0], [6, 2]))


def test_a_tensor_that_is_used_twice_is_made_once_for_a_block() -> None:
    def difference() -> tf.Tensor:
        drawn = tf.random.uniform(SHAPE)
        return drawn - drawn

    assert not block(Source(difference, None), 0, 500).any()
