"""What code of TensorFlow 1 expects of the graph that its model function builds."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator import Estimator, EstimatorSpec, ModeKeys

V1 = tf.compat.v1


def batches() -> tf.data.Dataset:
    values = np.arange(16, dtype=np.float32).reshape(8, 2) / 16
    return tf.data.Dataset.from_tensor_slices(({"x": values}, values.sum(1, keepdims=True))).repeat().batch(4)


def trained(model_fn: Callable[..., EstimatorSpec], steps: int = 3) -> Estimator:
    return Estimator(model_fn, tempfile.mkdtemp()).train(batches, steps=steps)


def minimized(predicted: tf.Tensor, labels: tf.Tensor, **settings: Any) -> EstimatorSpec:
    loss = tf.reduce_mean(tf.square(predicted - labels))
    optimizer = V1.train.GradientDescentOptimizer(0.1)
    train_op = optimizer.minimize(loss, V1.train.get_global_step(), **settings)
    return EstimatorSpec(ModeKeys.TRAIN, loss=loss, train_op=train_op)


def test_variables_are_members_of_sets_and_lists() -> None:
    def model_fn(features: Any, labels: tf.Tensor) -> EstimatorSpec:
        with V1.variable_scope("frozen"):
            bias = V1.get_variable("b", [1], initializer=V1.zeros_initializer())
        weight = V1.get_variable("w", [2, 1])
        frozen = set(V1.trainable_variables("frozen"))
        assert bias in V1.trainable_variables() and [weight, bias].index(bias) == 1
        rest = [variable for variable in V1.trainable_variables() if variable not in frozen]
        return minimized(features["x"] @ weight + bias, labels, var_list=rest)

    assert trained(model_fn).get_variable_value("frozen/b") == 0.0


def test_variables_and_tensors_are_keys_of_dicts() -> None:
    def model_fn(features: Any, labels: tf.Tensor) -> EstimatorSpec:
        inputs = features["x"]
        weight, bias = V1.get_variable("w", [2, 1]), V1.get_variable("b", initializer=[0.0])
        doubled = {inputs: inputs * 2.0}
        rates = {weight: 1.0, bias: 0.0}
        loss = tf.reduce_mean(tf.square(doubled[inputs] @ weight + bias - labels))
        optimizer = V1.train.GradientDescentOptimizer(0.1)
        scaled = [(gradient * rates[variable], variable) for gradient, variable in optimizer.compute_gradients(loss)]
        train_op = optimizer.apply_gradients(scaled, V1.train.get_global_step())
        return EstimatorSpec(ModeKeys.TRAIN, loss=loss, train_op=train_op)

    assert trained(model_fn).get_variable_value("b") == 0.0


def test_a_comparison_of_tensors_by_value_is_said_to_be_none(caplog: pytest.LogCaptureFixture) -> None:
    def model_fn(features: Any, labels: tf.Tensor) -> EstimatorSpec:
        predicted = features["x"] @ V1.get_variable("w", [2, 1])
        assert labels not in [predicted] and labels in [predicted, labels]
        assert (labels == labels) is True
        assert (predicted == labels) is False
        assert (predicted != 1.0) is True
        return minimized(predicted, labels)

    trained(model_fn)
    said = [record.getMessage() for record in caplog.records if "compares tensors" in record.getMessage()]
    assert len(said) == 2
    assert __file__ in said[0] and "Use tf.equal or tf.not_equal to compare their values" in said[0]


def test_moving_averages_say_what_to_restore() -> None:
    names: list[str] = []

    def model_fn(features: Any, labels: tf.Tensor) -> EstimatorSpec:
        weight = V1.get_variable("w", [2, 1])
        averages = tf.train.ExponentialMovingAverage(0.9)
        spec = minimized(features["x"] @ weight, labels)
        with tf.control_dependencies([spec.train_op]):
            train_op = averages.apply([weight])
        names.extend(averages.variables_to_restore())
        return spec._replace(train_op=train_op)

    trained(model_fn)
    assert "w/ExponentialMovingAverage" in names


@pytest.mark.parametrize("in_a_branch", [False, True])
def test_a_variable_has_an_op_of_its_name(in_a_branch: bool) -> None:
    seen: list[str] = []

    def model_fn(features: Any, labels: tf.Tensor) -> EstimatorSpec:
        with V1.variable_scope("scope"):
            weight = V1.get_variable("w", [2, 1])
        also = tf.Variable(tf.zeros([1]), name="b")
        layer = tf.keras.layers.Dense(1, name="layer")
        predicted = layer(features["x"] @ weight + also)

        def look() -> tf.Tensor:
            seen.extend([weight.op.name, also.op.name, layer.kernel.value.op.name])
            assert weight.graph is also.graph and weight.op.graph is weight.graph
            return predicted

        if in_a_branch:
            predicted = tf.cond(tf.reduce_sum(predicted) > 0, look, lambda: predicted)
        else:
            look()
        return minimized(predicted, labels)

    trained(model_fn)
    assert seen == ["scope/w", "b", "layer/kernel"]


def test_slots_that_are_first_made_in_a_branch_have_the_names_that_tf_estimator_gave() -> None:
    """Gradients are added up over four steps, and applied inside of `tf.cond`."""

    def model_fn(features: Any, labels: tf.Tensor) -> EstimatorSpec:
        weight = V1.get_variable("w", initializer=tf.zeros([2, 1]))
        sums = V1.get_variable("sums", initializer=tf.zeros([2, 1]), trainable=False)
        loss = tf.reduce_mean(tf.square(features["x"] @ weight - labels))
        step, optimizer = V1.train.get_global_step(), V1.train.AdamOptimizer(0.1)

        def apply() -> tf.Operation:
            with tf.control_dependencies([optimizer.apply_gradients([(sums / 4, weight)])]):
                return tf.group(sums.assign(tf.zeros_like(sums)))

        with tf.control_dependencies([sums.assign_add(tf.gradients(loss, weight)[0])]):
            applied = tf.cond(tf.equal((step + 1) % 4, 0), apply, tf.no_op)
        with tf.control_dependencies([applied]):
            return EstimatorSpec(ModeKeys.TRAIN, loss=loss, train_op=step.assign_add(1))

    estimator = trained(model_fn, steps=8)
    names = {"sums", "beta1_power", "beta2_power", "global_step", "w", "w/Adam", "w/Adam_1"}
    assert set(estimator.get_variable_names()) == names
    assert np.allclose(estimator.get_variable_value("beta1_power"), 0.9**3)
