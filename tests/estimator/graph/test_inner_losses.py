"""Losses that a model function makes inside of a function of its own."""

from __future__ import annotations

import re

import pytest
import tensorflow as tf

from trainer.estimator import EstimatorSpec, ModeKeys
from trainer.estimator.graph.tracing import trace
from trainer.estimator.graph.variables import VariableStore

V1 = tf.compat.v1


def spec(total: tf.Tensor) -> tuple[EstimatorSpec, None]:
    return EstimatorSpec(ModeKeys.TRAIN, loss=total, train_op=tf.no_op()), None


def test_a_loss_of_the_collection_is_named_where_a_function_made_it(caplog: pytest.LogCaptureFixture) -> None:
    def model(x: tf.Tensor) -> tuple[EstimatorSpec, None]:
        inner = tf.function(lambda value: V1.losses.mean_squared_error(value, value * 2.0))
        V1.losses.add_loss(tf.reduce_mean(x))
        assert len(V1.losses.get_losses()) == 1
        return spec(inner(x))

    trace(model, [tf.TensorSpec([None])], ModeKeys.TRAIN, VariableStore())
    said = [record.message for record in caplog.records if "is made inside of a tf.function" in record.message]
    assert len(said) == 1
    assert "mean_squared_error/value:0" in said[0]
    assert said[0].endswith("To have it in the total loss, return it from the function and add it.")


def test_a_regularizer_that_would_not_count_is_refused() -> None:
    def model(x: tf.Tensor) -> tuple[EstimatorSpec, None]:
        ones = V1.ones_initializer()
        inner = tf.function(lambda value: value * V1.get_variable("w", [], initializer=ones, regularizer=tf.nn.l2_loss))
        return spec(tf.reduce_mean(inner(x)))

    message = "made a variable with a regularizer inside of a tf.function: w/Regularizer/L2Loss:0. Regularizers count"
    with pytest.raises(ValueError, match=re.escape(message)):
        trace(model, [tf.TensorSpec([None])], ModeKeys.TRAIN, VariableStore())


def test_a_regularizer_of_a_variable_made_outside_of_the_function_counts() -> None:
    totals: list[int] = []

    def model(x: tf.Tensor) -> tuple[EstimatorSpec, None]:
        weight = V1.get_variable("w", [], initializer=V1.ones_initializer(), regularizer=tf.nn.l2_loss)
        loss = tf.reduce_mean(tf.function(lambda value: value * weight)(x))
        totals.append(len(V1.losses.get_regularization_losses()))
        return spec(loss)

    trace(model, [tf.TensorSpec([None])], ModeKeys.TRAIN, VariableStore())
    assert totals == [1]
