from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

from trainer.formats.pipeline import order


@functools.cache
def traced(seed: int) -> Any:
    """`order.shuffled` of a seed, traced for any number of positions."""
    import tensorflow as tf

    signature = [tf.TensorSpec([None], tf.int64), tf.TensorSpec([], tf.int64)]
    return tf.function(lambda positions, count: order.shuffled(positions, count, seed), signature, autograph=False)


def shuffled(start: int, stop: int, count: int, seed: int = 0) -> np.ndarray:
    import tensorflow as tf

    return np.asarray(traced(seed)(tf.range(start, stop, dtype=tf.int64), tf.constant(count, tf.int64)))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 97, 1000])
def test_every_epoch_holds_every_example_once(count: int) -> None:
    epochs = shuffled(0, 6 * count, count).reshape(6, count)
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(np.arange(count), (6, 1)))


def test_the_order_can_be_asked_for_from_anywhere() -> None:
    whole = shuffled(0, 500, 37)
    np.testing.assert_array_equal(shuffled(123, 456, 37), whole[123:456])
    far = 37 * (1 << 40)
    np.testing.assert_array_equal(np.sort(shuffled(far, far + 37, 37)), np.arange(37))


def test_the_order_of_a_seed_stays_what_it_was_for_runs_that_go_on() -> None:
    assert shuffled(0, 9, 9, (7 << 40) - 5).tolist() == [8, 6, 0, 2, 3, 1, 4, 7, 5]


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    orders = {tuple(shuffled(0, 20, 20, seed)) for seed in (0, 1, -1, 1 << 32, 1 << 60)}
    orders |= {tuple(row) for row in shuffled(0, 20 * 1000, 20).reshape(1000, 20)}
    assert len(orders) == 1004


@pytest.mark.parametrize("count", [4, 20, 61])
def test_examples_stand_everywhere_equally_often_and_neighbours_are_independent(count: int) -> None:
    epochs = 2000
    orders = shuffled(0, epochs * count, count).reshape(epochs, count)
    places = np.stack([np.bincount(column, minlength=count) for column in orders.T])
    expected = epochs / count
    assert np.square(places - expected).sum() / expected / (count - 1) ** 2 == pytest.approx(1, abs=5 / count)
    gaps = np.bincount((np.diff(orders, axis=1) % count).ravel(), minlength=count)[1:]
    spread = np.square(gaps - gaps.mean()).sum() / gaps.mean() / max(1, count - 2)
    assert spread < 1 + 5 * np.sqrt(2 / (count - 2))
