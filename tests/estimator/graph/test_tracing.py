"""A model function's graph in one mode, and the part of it that runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator import EstimatorSpec, ModeKeys
from trainer.estimator.graph.tracing import (
    TracedModel,
    metrics_of,
    trace,
    training_operations,
)
from trainer.estimator.graph.variables import VariableStore

V1 = tf.compat.v1
X = [tf.TensorSpec([None, 1])]


def traced(
    model: Callable[[tf.Tensor], Any], mode: str = ModeKeys.TRAIN, store: VariableStore | None = None
) -> TracedModel:
    return trace(lambda x: (model(x), None), X, mode, store or VariableStore())


def step(model: TracedModel) -> Callable[..., Any]:
    return model.prune(model.spec.loss, training_operations(model))


@pytest.mark.parametrize("gate", [V1.train.Optimizer.GATE_OP, V1.train.Optimizer.GATE_GRAPH])
def test_gradients_wait_for_each_other_only_where_a_program_has_all_of_them_wait(gate: int) -> None:
    def model(x: tf.Tensor) -> EstimatorSpec:
        loss = tf.reduce_mean(tf.Variable(1.0, name="v") * (x * tf.Variable(2.0, name="w")))
        train_op = V1.train.GradientDescentOptimizer(0.5).minimize(loss, gate_gradients=gate)
        return EstimatorSpec(ModeKeys.TRAIN, loss=loss, train_op=train_op)

    built = traced(model)
    gates = [op for op in built.graph.get_operations() if "control_dependency" in op.name]
    assert len(gates) == (2 if gate == V1.train.Optimizer.GATE_GRAPH else 0)
    step(built)(tf.constant([[3.0]]))
    assert [built.store.by_name[name].numpy() for name in "vw"] == [-2.0, 0.5]


@pytest.mark.parametrize("mode", [ModeKeys.EVAL, ModeKeys.PREDICT])
def test_a_train_op_built_in_every_mode_runs_in_none_but_train(mode: str) -> None:
    def model(x: tf.Tensor) -> EstimatorSpec:
        weight = tf.Variable(1.0, name="w")
        loss = tf.reduce_mean(x * weight)
        train_op = V1.train.GradientDescentOptimizer(0.5).minimize(loss)
        metric = keras.metrics.Mean(name="m")
        metric.update_state(x)
        pair = V1.metrics.mean(x)
        return EstimatorSpec(mode, weight * x, loss, train_op, {"k": metric, "v": pair})

    built = traced(model, mode)
    metrics = metrics_of(built)
    built.prune([built.spec.loss, built.spec.predictions], metrics.updates)(tf.constant([[2.0], [4.0]]))
    assert built.store.by_name["w"].numpy() == 1.0
    assert {name: float(result()) for name, result in metrics.results.items()} == {"k": 3.0, "v": 3.0}


@pytest.mark.parametrize("make", [keras.metrics.Mean, keras.metrics.AUC])
def test_a_keras_metric_of_a_spec_is_a_value_and_an_update_to_who_takes_it_for_a_pair(make: Callable[..., Any]) -> None:
    def model(x: tf.Tensor) -> EstimatorSpec:
        metric = make(name="m")
        metric.update_state(*[x] * (2 if make is keras.metrics.AUC else 1))
        spec = EstimatorSpec(ModeKeys.EVAL, loss=tf.reduce_mean(x), eval_metric_ops={"m": metric})
        value, update = spec.eval_metric_ops["m"]
        return spec._replace(eval_metric_ops={**spec.eval_metric_ops, "pair": (value, update)})

    built = traced(model, ModeKeys.EVAL)
    metrics = metrics_of(built)
    built.prune(built.spec.loss, metrics.updates)(tf.constant([[0.0], [1.0]]))
    assert float(metrics.results["pair"]()) == float(metrics.results["m"]()) > 0.0


def test_a_metric_of_the_train_graph_stays_still() -> None:
    def model(x: tf.Tensor) -> EstimatorSpec:
        metric = keras.metrics.Mean(name="m")
        metric.update_state(x)
        return EstimatorSpec(ModeKeys.TRAIN, loss=tf.reduce_mean(x), train_op=tf.no_op(), eval_metric_ops={"m": metric})

    built = traced(model)
    step(built)(tf.ones([1, 1]))
    assert [float(v.numpy()) for name, v in built.store.by_name.items() if name.startswith("m/")] == [0.0, 0.0]


def test_a_step_runs_the_state_of_keras_layers_and_the_update_ops() -> None:
    def model(x: tf.Tensor) -> EstimatorSpec:
        y = keras.layers.BatchNormalization(momentum=0.5, name="norm")(x, training=True)
        counter = tf.Variable(0.0, trainable=False, name="counter")
        V1.add_to_collection(V1.GraphKeys.UPDATE_OPS, counter.assign_add(1.0))
        loss = tf.reduce_mean(y)
        return EstimatorSpec(ModeKeys.TRAIN, loss=loss, train_op=V1.train.GradientDescentOptimizer(0.1).minimize(loss))

    built = traced(model)
    step(built)(tf.constant([[2.0], [4.0]]))
    assert built.store.by_name["norm/moving_mean"].numpy().tolist() == [1.5]
    assert built.store.by_name["counter"].numpy() == 1.0


def test_batch_normalization_is_not_updated_by_evaluation() -> None:
    def model(x: tf.Tensor) -> EstimatorSpec:
        y = keras.layers.BatchNormalization(momentum=0.5, name="norm")(x, training=True)
        return EstimatorSpec(ModeKeys.EVAL, loss=tf.reduce_mean(y))

    built = traced(model, ModeKeys.EVAL)
    built.prune(built.spec.loss, metrics_of(built).updates)(tf.constant([[2.0], [4.0]]))
    assert built.store.by_name["norm/moving_mean"].numpy().tolist() == [0.0]


def test_the_iterations_of_a_keras_optimizer_serve_as_a_train_op() -> None:
    def model(x: tf.Tensor) -> EstimatorSpec:
        weight = tf.Variable(1.0, name="w")
        optimizer = keras.optimizers.SGD(0.5)
        optimizer.apply([tf.constant(1.0)], [weight])
        return EstimatorSpec(ModeKeys.TRAIN, loss=tf.reduce_mean(x), train_op=optimizer.iterations)

    built = traced(model)
    step(built)(tf.ones([1, 1]))
    assert built.store.by_name["w"].numpy() == 0.5


def test_reads_and_writes_of_one_variable_keep_the_order_of_the_code() -> None:
    def model(x: tf.Tensor) -> EstimatorSpec:
        weight = tf.Variable(1.0, name="w")
        before = weight.read_value()
        first = weight.assign(10.0)
        between = weight.read_value()
        second = weight.assign_add(5.0)
        loss = before + 100.0 * between
        return EstimatorSpec(ModeKeys.TRAIN, loss=loss, train_op=tf.group(first, second))

    built = traced(model)
    assert step(built)(tf.ones([1, 1])).numpy() == 1001.0
    assert built.store.by_name["w"].numpy() == 15.0


def test_a_part_needs_its_feeds() -> None:
    built = traced(lambda x: EstimatorSpec(ModeKeys.PREDICT, predictions=2.0 * x), ModeKeys.PREDICT)
    assert built.prune(built.spec.predictions)(tf.ones([1, 1])).numpy().tolist() == [[2.0]]
    with pytest.raises(ValueError, match="which is not fed"):
        built.prune(built.spec.predictions, feeds=())


def test_a_placeholder_with_a_default_need_not_be_fed() -> None:
    def model(x: tf.Tensor) -> EstimatorSpec:
        factor = tf.compat.v1.placeholder_with_default(2.0, [], name="factor")
        return EstimatorSpec(ModeKeys.PREDICT, predictions=factor * x)

    built = traced(model, ModeKeys.PREDICT)
    assert built.prune(built.spec.predictions)(tf.ones([1, 1])).numpy().tolist() == [[2.0]]


def test_a_part_names_the_variables_that_it_uses() -> None:
    def model(x: tf.Tensor) -> EstimatorSpec:
        used, _ = tf.Variable(1.0, name="used"), tf.Variable(1.0, name="unused")
        return EstimatorSpec(ModeKeys.PREDICT, predictions=used * x)

    built = traced(model, ModeKeys.PREDICT)
    assert built.prune(built.spec.predictions).variables == {"used"}


def test_a_part_keeps_shapes_that_the_function_knew_better() -> None:
    def model(x: tf.Tensor) -> EstimatorSpec:
        value = tf.py_function(lambda t: t, [x], tf.float32)
        value.set_shape([None, 1])
        return EstimatorSpec(ModeKeys.PREDICT, predictions=value)

    built = traced(model, ModeKeys.PREDICT)
    shapes = []
    tf.function(lambda x: shapes.append(built.prune(built.spec.predictions)(x).shape)).get_concrete_function(X[0])
    assert shapes[0].as_list() == [None, 1]


def test_a_metric_value_that_hangs_on_a_batch_is_an_error() -> None:
    def model(x: tf.Tensor) -> EstimatorSpec:
        loss = tf.reduce_mean(x)
        return EstimatorSpec(ModeKeys.EVAL, loss=loss, eval_metric_ops={"wrong": (loss, tf.no_op())})

    with pytest.raises(ValueError, match=r"eval_metric_ops\['wrong'\] has a value that depends on the features"):
        metrics_of(traced(model, ModeKeys.EVAL))


def test_a_keras_metric_that_nothing_updates_is_an_error() -> None:
    def model(x: tf.Tensor) -> EstimatorSpec:
        other = keras.metrics.Mean(name="other")
        other.update_state(x)
        metrics = {"m": keras.metrics.Mean(name="m"), "other": other}
        return EstimatorSpec(ModeKeys.EVAL, loss=tf.reduce_mean(x), eval_metric_ops=metrics)

    with pytest.raises(ValueError, match=r"eval_metric_ops\['m'\] is a Keras metric that the model function does not"):
        metrics_of(traced(model, ModeKeys.EVAL))


def test_summaries_of_both_generations_are_found_with_their_tags() -> None:
    def model(x: tf.Tensor) -> EstimatorSpec:
        V1.summary.scalar("old", tf.reduce_mean(x))
        tf.summary.scalar("new", tf.reduce_sum(x))
        with tf.name_scope("scope"):
            V1.summary.scalar("inner", tf.reduce_max(x))
        return EstimatorSpec(ModeKeys.TRAIN, loss=tf.reduce_mean(x), train_op=tf.no_op())

    built = traced(model)
    assert [summary.tag for summary in built.summaries] == ["old", "new", "scope/inner"]
    values = built.prune([summary.tensor for summary in built.summaries])(tf.constant([[1.0], [3.0]]))
    assert np.array(values).tolist() == [2.0, 4.0, 3.0]


def test_v1_losses_and_regularization_add_up() -> None:
    def model(x: tf.Tensor) -> EstimatorSpec:
        with V1.variable_scope("s", regularizer=lambda v: 0.5 * tf.reduce_sum(v)):
            weight = V1.get_variable("w", initializer=np.full([1, 1], 2.0, np.float32))
        V1.losses.mean_squared_error(tf.zeros_like(x), x @ weight)
        return EstimatorSpec(ModeKeys.EVAL, loss=V1.losses.get_total_loss())

    built = traced(model, ModeKeys.EVAL)
    assert built.prune(built.spec.loss)(tf.ones([1, 1])).numpy() == 4.0 + 1.0


def test_static_rnn_runs_over_a_hand_written_cell() -> None:
    class Cell:
        output_size = state_size = 1

        def zero_state(self, batch_size: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
            return tf.zeros([batch_size, 1], dtype)

        def __call__(self, inputs: tf.Tensor, state: tf.Tensor, scope: Any = None) -> tuple[tf.Tensor, tf.Tensor]:
            with V1.variable_scope(scope or "cell"):
                kernel = V1.get_variable("kernel", initializer=np.ones([1, 1], np.float32))
            state = state + inputs @ kernel
            return state, state

    def model(x: tf.Tensor) -> EstimatorSpec:
        outputs, _ = V1.nn.static_rnn(Cell(), [x, x, x], dtype=tf.float32)
        return EstimatorSpec(ModeKeys.PREDICT, predictions=outputs[-1])

    built = traced(model, ModeKeys.PREDICT)
    assert list(built.store.by_name) == ["global_step", "rnn/cell/kernel"]
    assert built.prune(built.spec.predictions)(tf.constant([[2.0]])).numpy().tolist() == [[6.0]]
