"""Operations copied from one graph into another."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator.graph.subgraphs import Copier, ancestors, in_order


def graph_of(function: tf.types.experimental.GenericFunction, *arguments: tf.Tensor) -> tf.Graph:
    return function.get_concrete_function(*arguments).graph


@pytest.fixture
def line() -> tf.Graph:
    """x · 2 + 1, of float32 [3]."""
    return graph_of(tf.function(lambda x: x * 2.0 + 1.0, autograph=False), tf.ones([3]))


def moved(source: tf.Graph, value: tf.Tensor) -> tf.Tensor:
    """What the source gives for a value in the place of its input, computed in another graph."""
    argument = source.inputs[0]

    @tf.function(autograph=False)
    def elsewhere(value: tf.Tensor) -> tf.Tensor:
        copier = Copier()
        copier.replace(argument, value)
        copier.copy(in_order(source, ancestors([source.outputs[0].op], {argument.op}) - {argument.op}))
        return copier.copy_of(source.outputs[0])

    return elsewhere(value)


def test_a_copy_computes_what_the_source_does_from_what_is_put_in_place_of_its_input(line: tf.Graph) -> None:
    assert moved(line, tf.constant([0.0, 1.0, 2.0])).numpy().tolist() == [1.0, 3.0, 5.0]


def test_a_rewrite_puts_something_else_in_the_place_of_an_op(line: tf.Graph) -> None:
    @tf.function(autograph=False)
    def elsewhere(value: tf.Tensor) -> tf.Tensor:
        copier = Copier()
        copier.replace(line.inputs[0], value)
        ops = in_order(line, set(line.get_operations()) - {line.inputs[0].op})
        copier.copy(ops, lambda op: [tf.constant(10.0)] if op.type == "Const" else None)
        return copier.copy_of(line.outputs[0])

    assert elsewhere(tf.ones([3])).numpy().tolist() == [20.0, 20.0, 20.0]


def test_functions_that_an_op_calls_come_with_it() -> None:
    def halved(x: tf.Tensor) -> tf.Tensor:
        return tf.while_loop(lambda x: tf.reduce_max(x) > 1.0, lambda x: (x / 2.0,), [x])[0]

    source = graph_of(tf.function(halved, autograph=False), tf.ones([2]))
    assert moved(source, tf.constant([4.0, 2.0])).numpy().tolist() == [1.0, 0.5]


def test_what_waits_for_an_op_waits_for_what_it_became() -> None:
    variable = tf.Variable(0.0)

    @tf.function(autograph=False)
    def write_and_read(x: tf.Tensor) -> tf.Tensor:
        variable.assign(x)
        return variable.read_value()

    source = graph_of(write_and_read, tf.constant(0.0))
    ((handle, inner),) = source.captures
    ops = in_order(source, set(source.get_operations()) - {source.inputs[0].op, inner.op})

    # `wrap_function` orders nothing by itself and runs only what the result needs.
    def elsewhere(x: tf.Tensor) -> tf.Tensor:
        copier = Copier()
        copier.replace(source.inputs[0], x)
        copier.replace(inner, copier.graph.capture(handle))
        copier.copy(ops)
        return copier.copy_of(source.outputs[0])

    assert tf.compat.v1.wrap_function(elsewhere, [tf.TensorSpec([])])(tf.constant(7.0)).numpy() == 7.0


def test_shapes_that_were_set_by_hand_and_what_handles_are_of_are_kept() -> None:
    def body(x: tf.Tensor) -> tf.Tensor:
        items = tf.TensorArray(tf.float32, 2, element_shape=[3]).unstack(x)
        seen = tf.py_function(lambda x: x, [items.read(0)], tf.float32)
        seen.set_shape([3])
        return seen

    source = graph_of(tf.function(body, autograph=False), tf.ones([2, 3]))
    copied = tf.compat.v1.wrap_function(lambda x: moved(source, x), [tf.TensorSpec([2, 3])])
    assert copied.graph.outputs[0].shape == [3]
    assert copied(tf.ones([2, 3])).numpy().tolist() == [1.0, 1.0, 1.0]


def test_an_op_like_another_may_have_other_shapes_and_attributes_and_a_device(line: tf.Graph) -> None:
    (add,) = (op for op in line.get_operations() if op.type == "AddV2")
    with tf.Graph().as_default():
        copier = Copier()
        (total,) = copier.like(add, [tf.ones([5]), tf.ones([5])], "/job:ps/task:1")
        assert (total.shape, total.op.type, total.op.device) == ([5], "AddV2", "/job:ps/task:1")
        assert copier.operations(add) == [total.op]
        seeded = graph_of(tf.function(lambda: tf.random.uniform([2], seed=1))).get_operations()
        (draw,) = (op for op in seeded if op.type == "RandomUniform")
        (other,) = copier.like(draw, [tf.constant([3])], "", {"seed2": tf.compat.v1.AttrValue(i=5)})
        assert (other.shape, other.op.get_attr("seed2"), draw.get_attr("seed2")) == ([3], 5, 1)


def test_ancestors_end_at_the_stops_and_may_leave_out_what_is_only_waited_for() -> None:
    with tf.Graph().as_default():
        first, second = tf.constant(1.0), tf.constant(2.0)
        with tf.control_dependencies([second]):
            middle = tf.negative(first)
        last = tf.negative(middle)
    assert ancestors([last.op], set()) == {last.op, middle.op, first.op, second.op}
    assert ancestors([last.op], set(), control=False) == {last.op, middle.op, first.op}
    assert ancestors([last.op], {middle.op}) == {last.op, middle.op}


def test_a_gradient_through_a_loop_is_copied_although_the_loop_was_made_before_what_it_hands_on() -> None:
    def gradient(x: tf.Tensor) -> tf.Tensor:
        power = tf.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, y * x), [0, tf.ones([])])[1]
        return tf.gradients(power, x)[0]

    source = graph_of(tf.function(gradient, autograph=False), tf.constant(1.0))
    np.testing.assert_allclose(moved(source, tf.constant(2.0)), 12.0)
