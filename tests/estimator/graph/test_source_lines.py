"""The line of a program behind an operation, and the operation that a gradient is of."""

from __future__ import annotations

import keras
import pytest
import tensorflow as tf

from trainer.estimator.graph import source_lines


def graph_of(function: object) -> tf.Graph:
    return tf.function(function, autograph=False).get_concrete_function(tf.TensorSpec([4])).graph


def by_gradients(x: tf.Tensor) -> tf.Tensor:
    root = tf.sqrt(tf.abs(x))
    return tf.gradients(tf.exp(root), x)[0]


def by_tape(x: tf.Tensor) -> tf.Tensor:
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.exp(tf.sqrt(tf.abs(x)))
    return tape.gradient(y, x)


@pytest.mark.parametrize("function", [by_gradients, by_tape])
def test_an_op_in_a_gradient_is_traced_to_the_op_that_it_is_the_gradient_of(function: object) -> None:
    ops = graph_of(function).get_operations()
    gradient = next(op for op in ops if op.type == "SqrtGrad")
    forward = source_lines.forward_of(gradient)
    assert forward is not None and forward.type == "Sqrt"
    assert source_lines.forward_of(forward) is None


def test_the_line_of_an_op_is_the_innermost_that_is_no_librarys() -> None:
    dense = keras.layers.Dense(1)
    product = next(op for op in graph_of(lambda x: dense(x[None])).get_operations() if op.type == "MatMul")
    line = source_lines.line_of(product)
    assert line is not None and line.path == __file__
    assert str(line) == f"{__file__}:{line.number} ({line.text})" and "dense(x[None])" in line.text
