"""The step from which XLA makes the steps."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tensorflow as tf

from trainer.estimator.steps.compiling import compile_policy


def first_compiled(body: Callable[[tf.Tensor], tf.Tensor], *shape: int) -> int:
    graph = tf.Graph()
    with graph.as_default():
        body(tf.compat.v1.placeholder(tf.float32, shape))
    return compile_policy.first_compiled_step(graph.get_operations())


def layers(x: tf.Tensor) -> tf.Tensor:
    for _ in range(20):
        x = tf.tanh(x @ tf.ones([x.shape[1], x.shape[1]]))
    return x


def test_a_light_step_is_made_as_a_graph_for_some_thousand_steps() -> None:
    assert 2_000 < first_compiled(layers, 20, 3) < 4_000


def test_the_more_a_step_computes_the_sooner_compiling_pays() -> None:
    light, heavy, heaviest = (first_compiled(layers, batch, 64) for batch in (20, 2_000, 200_000))
    assert light > heavy > heaviest > 0


def test_the_number_of_operations_alone_does_not_matter() -> None:
    once, twice = first_compiled(layers, 20, 3), first_compiled(lambda x: layers(layers(x)), 20, 3)
    assert once == pytest.approx(twice, rel=0.05)


def test_large_draws_are_compiled_sooner() -> None:
    def masked(x: tf.Tensor) -> tf.Tensor:
        return layers(x) * tf.random.stateless_uniform(x.shape, [1, 2], alg="philox")

    large = [first_compiled(body, 20_000, 64) for body in (layers, masked)]
    assert large[1] < 0.8 * large[0]
    small = [first_compiled(body, 10, 64) for body in (layers, masked)]
    assert small[1] > 0.95 * small[0]


def loop(x: tf.Tensor) -> tf.Tensor:
    return tf.while_loop(lambda x: tf.reduce_sum(x) < 1, lambda x: [x + 1], [x])[0]


def branch(x: tf.Tensor) -> tf.Tensor:
    return tf.cond(tf.reduce_sum(x) < 1, lambda: x, lambda: -x)


@pytest.mark.parametrize("body", [loop, branch, tf.function(tf.tanh)])
def test_what_calls_functions_is_compiled_at_once(body: Callable[[tf.Tensor], tf.Tensor]) -> None:
    assert first_compiled(body, 20, 3) == 0


def test_sizes_that_are_not_known_count_as_nothing() -> None:
    graph = tf.Graph()
    with graph.as_default():
        tf.tanh(tf.compat.v1.placeholder(tf.float32, [None, 3]))
    assert compile_policy.first_compiled_step(graph.get_operations()) > 2_000
