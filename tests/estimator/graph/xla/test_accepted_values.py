"""What a kernel of TensorFlow refuses makes the loss of the step NaN where XLA would compute something for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator.graph.pruning import prune
from trainer.estimator.graph.xla.rules import ForXla

TABLE = np.arange(12, dtype=np.float32).reshape(4, 3)
COUNTS = np.arange(12, dtype=np.int32).reshape(4, 3)
ONES = np.ones([2, 3], np.float32)
Use = Callable[[tf.Tensor], Any]


def variable_with(change: Callable[[tf.Variable, tf.Tensor], tf.Tensor]) -> Callable[[], Use]:
    """A use of a variable of its own."""

    def make() -> Use:
        variable = tf.Variable(TABLE)
        return lambda numbers: change(variable, numbers)

    return make


def checked(numbers: tf.Tensor) -> tf.Tensor:
    with tf.control_dependencies([tf.debugging.assert_less(numbers, 4)]):
        return tf.identity(numbers)


def plainly_checked(numbers: tf.Tensor) -> tf.Tensor:
    with tf.control_dependencies([tf.raw_ops.Assert(condition=tf.reduce_all(numbers < 4), data=["too large"])]):
        return tf.identity(numbers)


def in_a_branch(numbers: tf.Tensor) -> tf.Tensor:
    taken = tf.reduce_sum(numbers) > 0
    return tf.cond(taken, lambda: tf.scatter_nd(numbers[:, None], ONES, [4, 3]), lambda: tf.zeros([4, 3]))


def in_a_loop(numbers: tf.Tensor) -> tf.Tensor:
    def body(at: tf.Tensor, total: tf.Tensor) -> Any:
        return at + 1, total + tf.math.unsorted_segment_sum(ONES, numbers, 4)

    return tf.while_loop(lambda at, total: at < 2, body, [0, tf.zeros([4, 3])], maximum_iterations=2)[1]


# What is done with two numbers, two that are accepted, and two that are not.
USES: dict[str, tuple[Callable[[], Use], list[int], list[int]]] = {
    "gather of floats": (lambda: lambda n: tf.gather(TABLE, n), [1, 3], [1, 13]),
    "gather of whole numbers": (lambda: lambda n: tf.gather(COUNTS, n), [1, 3], [1, 13]),
    "gather of a variable's whole numbers": (
        lambda: (lambda counts: lambda n: tf.gather(counts, n))(tf.Variable(COUNTS)),
        [1, 3],
        [1, -1],
    ),
    "gather_nd": (lambda: lambda n: tf.gather_nd(COUNTS, n[None, :]), [3, 2], [2, 3]),
    "scatter_nd": (lambda: lambda n: tf.scatter_nd(n[:, None], ONES, [4, 3]), [1, 3], [1, 4]),
    "scatter_nd of whole numbers": (lambda: lambda n: tf.scatter_nd(n[:, None], n, [4]), [1, 3], [1, -1]),
    "tensor_scatter_nd_add": (
        lambda: lambda n: tf.tensor_scatter_nd_add(TABLE, n[:, None], ONES),
        [1, 3],
        [1, 4],
    ),
    "tensor_scatter_nd_max": (
        lambda: lambda n: tf.tensor_scatter_nd_max(TABLE, n[:, None], ONES),
        [1, 3],
        [1, -2],
    ),
    "unsorted_segment_sum": (lambda: lambda n: tf.math.unsorted_segment_sum(ONES, n, 4), [-1, 3], [1, 4]),
    "unsorted_segment_mean": (lambda: lambda n: tf.math.unsorted_segment_mean(ONES, n, 4), [1, 3], [1, 4]),
    "bincount": (
        lambda: lambda n: tf.raw_ops.DenseBincount(input=n, size=4, weights=np.ones(0, np.int32)),
        [1, 13],
        [1, -1],
    ),
    "floor division": (lambda: lambda n: 7 // n, [1, -3], [1, 0]),
    "remainder": (lambda: lambda n: 7 % n, [1, 3], [0, 3]),
    "power": (lambda: lambda n: tf.pow(2, n), [1, 3], [1, -1]),
    "scatter_add of a variable": (
        variable_with(lambda v, n: v.scatter_add(tf.IndexedSlices(ONES, n)).read_value()),
        [1, 3],
        [1, 4],
    ),
    "scatter_nd_update of a variable": (
        variable_with(lambda v, n: v.scatter_nd_update(n[:, None], ONES)),
        [1, 3],
        [1, 4],
    ),
    "slice": (lambda: lambda n: tf.slice(TABLE, n, [2, 1]), [2, 2], [3, 2]),
    "one row": (lambda: lambda n: tf.constant(TABLE)[n[0]], [-4, 0], [4, 0]),
    "one column": (lambda: lambda n: tf.constant(TABLE)[..., n[0]], [2, 0], [3, 0]),
    "one number behind a new dimension": (
        lambda: lambda n: tf.constant(TABLE)[tf.newaxis, :, n[0]],
        [2, 0],
        [3, 0],
    ),
    "sparse_to_dense": (lambda: lambda n: tf.compat.v1.sparse_to_dense(n, [4], 1.0), [1, 3], [1, 4]),
    "reverse_sequence": (lambda: lambda n: tf.reverse_sequence(ONES, n, seq_axis=1), [1, 3], [1, 4]),
    "invert_permutation": (lambda: lambda n: tf.math.invert_permutation(n), [1, 0], [1, 1]),
    "check_numerics": (
        lambda: lambda n: tf.debugging.check_numerics(tf.math.log(tf.cast(n, tf.float32)), "logarithm"),
        [1, 3],
        [1, 0],
    ),
    "assert_less": (lambda: checked, [1, 3], [1, 4]),
    "Assert": (lambda: plainly_checked, [1, 3], [1, 4]),
    "a scatter in a branch": (lambda: in_a_branch, [1, 3], [1, 4]),
    "segments in a loop": (lambda: in_a_loop, [1, 3], [1, 4]),
}


def for_xla(use: Use) -> Callable[[tf.Tensor], Any]:
    """The loss of a step, float32 [], that uses two numbers, int32 [2], compiled by XLA by the rules for it."""

    def step(numbers: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.cast(use(numbers), tf.float32))

    graph = tf.function(step, autograph=False).get_concrete_function(tf.TensorSpec([2], tf.int32)).graph
    operations = [op for op in graph.get_operations() if op in graph.control_outputs]
    function = prune(graph, [graph.outputs[0]], operations, feeds=graph.inputs[:1], rule=ForXla)

    def steps(stack: tf.Tensor) -> tf.Tensor:
        # As in a training: XLA compiles anew for other constants, but takes the batches of a stack as they come.
        def body(at: tf.Tensor, loss: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return at + 1, function(stack[at])[0]

        return tf.while_loop(lambda at, loss: at < 1, body, [0, 0.0], maximum_iterations=1)[1]

    return tf.function(lambda numbers: steps(numbers[None]), jit_compile=True, autograph=False)


@pytest.mark.parametrize("name", USES)
def test_the_loss_is_nan_where_the_kernel_would_refuse(name: str) -> None:
    make, good, bad = USES[name]
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.function(make(), autograph=False)(tf.constant(bad))
    compiled = for_xla(make())
    expected = tf.reduce_sum(tf.cast(tf.function(make(), autograph=False)(tf.constant(good)), tf.float32))
    np.testing.assert_allclose(compiled(tf.constant(good)), expected, rtol=1e-6)
    assert np.isnan(compiled(tf.constant(bad)))


def test_constants_are_not_looked_at_again() -> None:
    def step(numbers: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.gather(numbers // 2, [0, 1]))

    graph = tf.function(step, autograph=False).get_concrete_function(tf.TensorSpec([2], tf.int32)).graph
    function = prune(graph, [graph.outputs[0]], feeds=graph.inputs, rule=ForXla)
    assert {op.type for op in function.graph.get_operations()} == {op.type for op in graph.get_operations()}
