"""Random numbers for XLA: drawn by key, counter and place, evenly spread, in loops too."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator.graph.inside import bodies
from trainer.estimator.graph.op_table import STATELESS_RANDOM, calls
from trainer.estimator.graph.pruning import prune
from trainer.estimator.graph.xla.rules import ForXla

MANY = 1 << 16
KEY, COUNTER = 0x0123456789ABCDEF, (5, 0xFEDCBA9876543210)
MASK = (1 << 64) - 1

Draw = Callable[..., tf.Tensor]


def rewritten(draw: Draw, *arguments: tf.Tensor) -> tuple[np.ndarray, list[str]]:
    """What the function gives when its draws are rewritten, compiled, and the types of the ops that draw then."""
    graph = tf.function(draw, autograph=False).get_concrete_function(*arguments).graph
    function = prune(graph, graph.outputs[0], feeds=graph.inputs[: len(arguments)], rule=ForXla)
    drawn: tf.Tensor = tf.function(lambda *given: function(*given), jit_compile=True)(*arguments)
    return drawn.numpy(), drawing(function.graph)


def drawing(graph: tf.Graph) -> list[str]:
    """The types of the ops in a graph, and in the functions that it calls, that draw by key and counter."""
    inner = [bodies.body(op, name) for op in graph.get_operations() for name in calls(op)]
    own = [op.type for op in graph.get_operations() if op.type in STATELESS_RANDOM]
    return own + [name for one in inner if one is not None for name in drawing(one)]


def uniform(seed: tf.Tensor) -> tf.Tensor:
    return tf.random.stateless_uniform([MANY], seed, alg="philox")


def normal(seed: tf.Tensor) -> tf.Tensor:
    return tf.random.stateless_normal([MANY], seed, alg="philox")


def seeds(first: int, second: int) -> tf.Tensor:
    return tf.constant([first, second], tf.int64)


def mixed(word: int) -> int:
    """SplittableRandom's `mix64`, by whole numbers of any size."""
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 & MASK
    word = (word ^ word >> 27) * 0x94D049BB133111EB & MASK
    return word ^ word >> 31


def test_numbers_are_those_of_the_generator_by_key_counter_and_place() -> None:
    def draw(key: tf.Tensor, counter: tf.Tensor) -> tf.Tensor:
        return tf.raw_ops.StatelessRandomUniformV2(shape=[32, 64], key=key, counter=counter, alg=1)

    drawn, left = rewritten(draw, tf.constant([KEY], tf.uint64), tf.constant(COUNTER, tf.uint64))
    start, gamma = mixed(COUNTER[0]) + COUNTER[1], mixed(KEY) | 1
    expected = [(mixed((start + place * gamma) & MASK) >> 41) / (1 << 23) for place in range(1, 32 * 64 + 1)]
    assert left == []
    np.testing.assert_array_equal(drawn, np.reshape(expected, [32, 64]).astype(np.float32))


def test_uniform_numbers_are_spread_evenly_and_do_not_follow_from_each_other() -> None:
    for first, second in [(0, 0), (2**62, 1000)]:
        drawn, _ = rewritten(uniform, seeds(first, second))
        assert drawn.dtype == np.float32
        assert 0.0 <= drawn.min() < drawn.max() < 1.0
        for numbers in (drawn, drawn * 256 % 1):  # their first bits, and those behind
            counts = np.bincount((numbers * 256).astype(int), minlength=256)
            # Chi-square of 255 degrees: within six deviations of its mean.
            assert abs(((counts - MANY / 256) ** 2).sum() / (MANY / 256) - 255) < 6 * np.sqrt(2 * 255)
        for lag in (1, 2, 3, 64, 1024):
            assert abs(np.corrcoef(drawn[:-lag], drawn[lag:])[0, 1]) < 6 / np.sqrt(MANY)


def test_draws_of_other_steps_and_streams_have_nothing_to_do_with_each_other() -> None:
    draws = [rewritten(uniform, seeds(*pair))[0] for pair in [(7, 0), (7, 1), (8, 0)]]
    for first, second in itertools.combinations(draws, 2):
        assert abs(np.corrcoef(first, second)[0, 1]) < 6 / np.sqrt(MANY)


def test_normal_numbers_have_mean_zero_deviation_one_and_the_tails_of_a_normal_distribution() -> None:
    drawn, left = rewritten(normal, seeds(3, 4))
    assert left == []
    assert np.isfinite(drawn).all()
    assert abs(drawn.mean()) < 6 / np.sqrt(MANY)
    assert abs(drawn.std() - 1.0) < 6 / np.sqrt(2 * MANY)
    for limit, share in [(1.0, 0.31731), (2.0, 0.04550), (3.0, 0.00270)]:
        assert abs((abs(drawn) > limit).mean() - share) < 6 * np.sqrt(share / MANY)


def test_the_same_seed_draws_the_same_numbers() -> None:
    np.testing.assert_array_equal(rewritten(uniform, seeds(1, 2))[0], rewritten(uniform, seeds(1, 2))[0])


def test_a_generator_of_tensorflow_draws_others_at_each_draw() -> None:
    def twice(key: tf.Tensor) -> tf.Tensor:
        draw = tf.raw_ops.StatelessRandomUniformV2
        counters = [tf.constant([count, 0], tf.uint64) for count in (0, 256 * MANY)]
        return tf.stack([draw(shape=[MANY], key=key, counter=counter, alg=1) for counter in counters])

    (first, second), _ = rewritten(twice, tf.constant([KEY], tf.uint64))
    assert abs(np.corrcoef(first, second)[0, 1]) < 6 / np.sqrt(MANY)


@pytest.mark.parametrize(
    "draw",
    [
        lambda seed: tf.random.stateless_uniform([8], seed, alg="philox"),
        lambda seed: tf.random.stateless_uniform([MANY], seed, dtype=tf.float64, alg="philox"),
    ],
    ids=["few numbers", "long floats"],
)
def test_other_draws_stay(draw: Draw) -> None:
    assert rewritten(draw, seeds(1, 2))[1] == ["StatelessRandomUniformV2"]


def test_draws_in_loops_are_rewritten_too() -> None:
    def added(seed: tf.Tensor) -> tf.Tensor:
        def body(index: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return index + 1, total + uniform(tf.stack([seed[0], index]))

        start = [tf.constant(0, tf.int64), tf.zeros([MANY])]
        return tf.while_loop(lambda index, _: index < 3, body, start, maximum_iterations=3)[1]

    drawn, left = rewritten(added, seeds(1, 0))
    assert left == []
    expected = sum(rewritten(uniform, seeds(1, index))[0] for index in range(3))
    np.testing.assert_allclose(drawn, expected, rtol=1e-6)
