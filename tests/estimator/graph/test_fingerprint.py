"""Whether two traces compute the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import pytest
import tensorflow as tf

from trainer.estimator import EstimatorSpec, ModeKeys
from trainer.estimator.graph import fingerprint
from trainer.estimator.graph.tracing import trace, training_operations
from trainer.estimator.graph.variables import VariableStore

OUTSIDE = tf.constant(2.0)


def linear(x: tf.Tensor) -> tf.Tensor:
    return x * tf.Variable(1.0, name="w") * OUTSIDE


def looping(x: tf.Tensor) -> tf.Tensor:
    return tf.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, tf.cond(y[0] > 0, lambda: y, lambda: -y)), [0, x])[1]


def recurrent(x: tf.Tensor) -> tf.Tensor:
    return keras.layers.LSTM(2)(tf.reshape(x, [1, -1, 1]))


def of(function: Callable[[tf.Tensor], Any], store: VariableStore, key: str = "loss") -> fingerprint.Fingerprint:
    def body(x: tf.Tensor) -> tuple[EstimatorSpec, None]:
        loss = tf.reduce_sum(function(x))
        weights = tf.compat.v1.trainable_variables()
        train_op = tf.compat.v1.train.GradientDescentOptimizer(0.1).minimize(loss) if weights else tf.no_op()
        return EstimatorSpec(ModeKeys.TRAIN, loss=loss, train_op=train_op), None

    traced = trace(body, [tf.TensorSpec([3])], ModeKeys.TRAIN, store)
    return fingerprint.of(traced, {key: traced.spec.loss}, training_operations(traced))


@pytest.mark.parametrize("function", [linear, looping, recurrent])
def test_two_traces_of_one_function_are_the_same(function: Callable[[tf.Tensor], Any]) -> None:
    store = VariableStore(1)
    assert of(function, store) == of(function, store)


def test_another_constant_op_or_fetch_is_another_program() -> None:
    store = VariableStore(1)
    known = of(linear, store)
    assert known != of(lambda x: linear(x) + 1.0, store)
    assert known != of(linear, store, "other")
    assert of(lambda x: 2.0 * x, store) != of(lambda x: 3.0 * x, store)


def test_a_change_inside_a_loop_is_another_program() -> None:
    def loop(factor: float) -> Callable[[tf.Tensor], Any]:
        return lambda x: tf.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, factor * y), [0, x])[1]

    store = VariableStore(1)
    assert of(loop(2.0), store) == of(loop(2.0), store)
    assert of(loop(2.0), store) != of(loop(3.0), store)


def test_other_variables_and_other_tensors_from_outside_are_another_program() -> None:
    assert of(linear, VariableStore(1)) != of(linear, VariableStore(1))
    store = VariableStore(1)
    first, second = tf.constant([1.0, 2.0, 3.0]), tf.constant([1.0, 2.0, 3.0])
    assert of(lambda x: x * first, store) == of(lambda x: x * first, store)
    assert of(lambda x: x * first, store) != of(lambda x: x * second, store)
