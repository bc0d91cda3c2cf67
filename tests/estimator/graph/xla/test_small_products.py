"""Small products of matrices become arithmetic, in loops and branches too, and compute what they did."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator.graph.inside import bodies
from trainer.estimator.graph.op_table import PRODUCTS, calls
from trainer.estimator.graph.pruning import PrunedFunction, prune
from trainer.estimator.graph.xla.rules import ForXla

Body = Callable[..., tf.Tensor]


def rewritten(body: Body, *arguments: np.ndarray) -> tuple[PrunedFunction, tf.Tensor]:
    """The function with small products rewritten, and what the body itself gives."""
    traced = tf.function(body, autograph=False).get_concrete_function(*map(tf.constant, arguments))
    graph = traced.graph
    function = prune(graph, graph.outputs[0], feeds=graph.inputs[: len(arguments)], rule=ForXla)
    return function, traced(*map(tf.constant, arguments))


def products(graph: tf.Graph) -> list[str]:
    """The types of the products in a graph and in the functions that it calls."""
    operations = graph.get_operations()
    inner = [bodies.body(op, name) for op in operations for name in calls(op)]
    own = [op.type for op in operations if op.type in PRODUCTS]
    return own + [name for one in inner if one is not None for name in products(one)]


def numbers(*shape: int, dtype: type = np.float32) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(dtype)


@pytest.mark.parametrize("transpose", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("stacked", [(), (2,), (3, 2)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_small_product_becomes_arithmetic(
    transpose: tuple[bool, bool], stacked: tuple[int, ...], dtype: type
) -> None:
    first = numbers(*stacked, *((3, 4) if transpose[0] else (4, 3)), dtype=dtype)
    second = numbers(*stacked, *((5, 3) if transpose[1] else (3, 5)), dtype=dtype)
    function, expected = rewritten(lambda x, y: tf.matmul(x, y, *transpose), first, second)
    assert products(function.graph) == []
    np.testing.assert_allclose(function(first, second), expected, rtol=1e-5, atol=1e-6)
    assert function(first, second).shape == expected.shape


def test_stacks_of_matrices_are_broadcast() -> None:
    first, second = numbers(2, 1, 4, 3), numbers(5, 3, 2)
    function, expected = rewritten(tf.matmul, first, second)
    assert products(function.graph) == []
    np.testing.assert_allclose(function(first, second), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("first", "second"),
    [(numbers(64, 64), numbers(64, 64)), (numbers(2, 2, dtype=np.float16), numbers(2, 2, dtype=np.float16))],
    ids=["large", "short floats"],
)
def test_other_products_stay(first: np.ndarray, second: np.ndarray) -> None:
    function, expected = rewritten(tf.matmul, first, second)
    assert products(function.graph) == ["MatMul"]
    np.testing.assert_array_equal(function(first, second), expected)


def recurrent(x: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """The gradient of three steps of a recurrent net by its weights [2, 2], on x [4, 2]."""
    state = tf.while_loop(
        lambda index, state: index < 3,
        lambda index, state: (index + 1, tf.tanh(state @ weights)),
        [tf.constant(0), x],
        maximum_iterations=3,
    )[1]
    return tf.gradients(state, weights)[0]


def branching(x: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """One of two products of x [4, 2] and weights [2, 2], within a branch and a function that it calls."""
    inner = tf.function(lambda: x @ weights, autograph=False)
    return tf.cond(tf.reduce_sum(x) > 1e9, lambda: x @ tf.transpose(weights), inner)


@pytest.mark.parametrize("body", [recurrent, branching])
def test_products_in_loops_and_branches_become_arithmetic(body: Body) -> None:
    x, weights = numbers(4, 2), numbers(2, 2)
    function, expected = rewritten(body, x, weights)
    assert products(function.graph) == []
    np.testing.assert_allclose(function(x, weights), expected, rtol=1e-5, atol=1e-6)


def test_a_loop_that_writes_a_variable_still_writes_it() -> None:
    variable = tf.Variable(tf.ones([2, 2]))

    def body(x: tf.Tensor) -> tf.Tensor:
        def one(index: tf.Tensor) -> tuple[tf.Tensor]:
            with tf.control_dependencies([variable.assign(x @ variable)]):
                return (index + 1,)

        return tf.while_loop(lambda index: index < 2, one, [tf.constant(0)])[0]

    graph = tf.function(body, autograph=False).get_concrete_function(tf.TensorSpec([2, 2])).graph
    function = prune(graph, graph.outputs[0], feeds=graph.inputs[:1], rule=ForXla)
    assert products(function.graph) == []
    function(2.0 * tf.eye(2))
    assert variable.numpy().tolist() == [[4.0, 4.0], [4.0, 4.0]]
