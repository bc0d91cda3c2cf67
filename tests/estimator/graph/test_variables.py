"""Variables made anywhere in a model function, shared by name between its modes."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator import EstimatorSpec, ModeKeys
from trainer.estimator.graph.inside.seeds import seeded
from trainer.estimator.graph.tracing import trace, training_operations
from trainer.estimator.graph.variables import Role, VariableStore

V1 = tf.compat.v1


def traced(body: Callable[[], Any], store: VariableStore, mode: str = ModeKeys.PREDICT) -> Any:
    """What `body` returned, from a trace of its own."""

    def model(features: tf.Tensor) -> tuple[EstimatorSpec, Any]:
        made = body()
        return EstimatorSpec(mode, predictions=features, loss=tf.constant(0.0), train_op=tf.no_op()), made

    return trace(model, [tf.TensorSpec([None, 1])], mode, store).context


def names(body: Callable[[], Any], seed: int | None = None) -> list[str]:
    store = VariableStore(seed)
    traced(body, store)
    return list(store.by_name)[1:]


@pytest.mark.parametrize(
    "initial_value",
    [
        np.array([1.0, 2.0], np.float32),
        [1.0, 2.0],
        lambda: tf.constant([1.0, 2.0]),
        lambda: np.array([1.0, 2.0], np.float32),
    ],
    ids=["numpy", "list", "callable", "callable numpy"],
)
def test_a_variable_takes_any_initial_value(initial_value: Any) -> None:
    store = VariableStore()
    traced(lambda: tf.Variable(initial_value, name="w"), store)
    assert store.by_name["w"].numpy().tolist() == [1.0, 2.0]


def test_an_initial_value_may_be_a_tensor_of_the_trace_even_one_made_of_another_variable() -> None:
    store = VariableStore()

    def body() -> None:
        first = tf.Variable(tf.range(3.0) + 1.0, name="first")
        tf.Variable(first.read_value() * 2.0, name="second")

    traced(body, store)
    assert store.by_name["first"].numpy().tolist() == [1.0, 2.0, 3.0]
    assert store.by_name["second"].numpy().tolist() == [2.0, 4.0, 6.0]


def test_an_initial_value_that_depends_on_the_features_is_an_error() -> None:
    def model(features: tf.Tensor) -> tuple[EstimatorSpec, None]:
        tf.Variable(tf.reduce_mean(features), name="w")
        return EstimatorSpec(ModeKeys.PREDICT, predictions=features), None

    with pytest.raises(ValueError, match="depends on the features or the labels.*Compute it from those"):
        trace(model, [tf.TensorSpec([None, 1])], ModeKeys.PREDICT, VariableStore())


def test_unnamed_variables_count_as_in_a_graph() -> None:
    assert names(lambda: [tf.Variable(0.0), tf.Variable(0.0)]) == ["Variable", "Variable_1"]


def test_name_scopes_lead_a_tf_variable_and_variable_scopes_a_get_variable() -> None:
    def body() -> None:
        with tf.name_scope("outer"):
            tf.Variable(0.0, name="w")
            with V1.variable_scope("cell"):
                V1.get_variable("kernel", shape=[1])

    assert names(body) == ["outer/w", "cell/kernel"]


def test_reuse_gives_the_same_variable_within_a_trace() -> None:
    def body() -> tuple[Any, Any, Any]:
        with V1.variable_scope("layer"):
            first = V1.get_variable("kernel", shape=[2])
        with V1.variable_scope("layer", reuse=True):
            second = V1.get_variable("kernel", shape=[2])
        with V1.variable_scope("layer", reuse=V1.AUTO_REUSE):
            third = V1.get_variable("kernel", shape=[2])
        return first, second, third

    store = VariableStore()
    first, second, third = traced(body, store)
    assert first is second is third
    assert list(store.by_name) == ["global_step", "layer/kernel"]


def test_get_variable_twice_without_reuse_is_tensorflows_own_error() -> None:
    def body() -> None:
        V1.get_variable("kernel", shape=[2])
        V1.get_variable("kernel", shape=[2])

    with pytest.raises(ValueError, match="kernel already exists"):
        traced(body, VariableStore())


def test_every_mode_finds_the_variables_of_the_first() -> None:
    store = VariableStore()
    body = lambda: (tf.Variable(0.0), V1.get_variable("v", shape=[1]), keras.layers.Dense(1))  # noqa: E731
    made = [traced(body, store, mode) for mode in (ModeKeys.TRAIN, ModeKeys.EVAL, ModeKeys.PREDICT)]
    assert made[0][0] is made[1][0] is made[2][0]
    assert made[0][1] is made[1][1] is made[2][1]


def test_another_shape_in_another_mode_is_an_error() -> None:
    store = VariableStore()
    traced(lambda: tf.Variable(tf.zeros([2]), name="w"), store)
    with pytest.raises(ValueError, match=r"Variable w has shape \(3,\) in this mode and \(2,\) in an earlier one"):
        traced(lambda: tf.Variable(tf.zeros([3]), name="w"), store, ModeKeys.EVAL)


def number(name: str) -> int:
    return int(name.partition("_")[2] or 0)


def test_keras_names_count_from_zero_in_each_trace_and_go_on_outside() -> None:
    before = keras.layers.Dense(1).name  # counts in the process, not in the trace
    store = VariableStore()

    def body() -> None:
        for _ in range(2):
            keras.layers.Dense(1)(tf.ones([1, 1]))

    traced(body, store)
    traced(body, store, ModeKeys.EVAL)
    assert set(store.by_name) == {
        "global_step",
        "dense/kernel",
        "dense/bias",
        "dense_1/kernel",
        "dense_1/bias",
    }
    assert number(keras.layers.Dense(1).name) == number(before) + 1


def test_roles_say_what_is_trained_and_what_is_saved() -> None:
    def body() -> None:
        kernel = V1.get_variable("kernel", shape=[1])
        tf.Variable(0.0, trainable=False, name="average")
        V1.metrics.mean(tf.constant(1.0), name="mean")
        keras.layers.BatchNormalization()(tf.ones([1, 1]))
        keras.metrics.Mean(name="own").update_state(1.0)
        optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
        optimizer.apply([tf.ones([1])], [kernel])

    store = VariableStore()
    traced(body, store)
    roles = {name: role for name, role in store.roles.items() if not name.startswith("own")}
    assert roles == {
        "global_step": Role.STEP,
        "kernel": Role.WEIGHT,
        "average": Role.OPTIMIZER,
        "mean/total": Role.METRIC,
        "mean/count": Role.METRIC,
        "batch_normalization/gamma": Role.WEIGHT,
        "batch_normalization/beta": Role.WEIGHT,
        "batch_normalization/moving_mean": Role.STATE,
        "batch_normalization/moving_variance": Role.STATE,
        "sgd/iteration": Role.OPTIMIZER,
        "sgd/learning_rate": Role.OPTIMIZER,
        "sgd/kernel_0_momentum": Role.OPTIMIZER,
    }
    assert {role for name, role in store.roles.items() if name.startswith("own")} == {Role.METRIC}
    assert not [name for name in store.saved() if "mean/" in name or name.startswith("own")]


def test_the_same_seed_gives_the_same_initial_values_and_another_seed_others() -> None:
    def values(seed: int | None) -> list[list[float]]:
        store = VariableStore(seed)

        def body() -> None:
            tf.Variable(tf.random.normal([2]), name="tensor")
            tf.Variable(lambda: tf.random.normal([2]), name="callable")
            V1.get_variable("got", shape=[2])
            keras.layers.Dense(2, name="layer")(tf.ones([1, 1]))

        traced(body, store, ModeKeys.TRAIN)
        return [store.by_name[name].numpy().ravel().tolist() for name in ("tensor", "callable", "got", "layer/kernel")]

    first = values(1)
    assert first == values(1)
    assert all(a != b for a, b in zip(first, values(2), strict=True))
    assert all(a != b for a, b in zip(values(None), values(None), strict=True))
    assert len({tuple(value) for value in first}) == 4


def test_given_initial_values_take_the_place_of_the_functions_own() -> None:
    store = VariableStore(initial_values={"w": np.float32(7.0)})
    traced(lambda: tf.Variable(1.0, name="w"), store)
    assert store.by_name["w"].numpy() == 7.0


def test_metrics_start_afresh_when_reset() -> None:
    store = VariableStore()
    traced(lambda: V1.metrics.mean(tf.constant(1.0), name="m"), store)
    store.by_name["m/total"].assign(5.0)
    store.reset_metrics()
    assert store.by_name["m/total"].numpy() == 0.0


def test_seeding_inside_changes_nothing_outside() -> None:
    tf.random.set_seed(3)
    random.seed(3)
    expected = tf.random.normal([2]).numpy().tolist(), random.random()
    tf.random.set_seed(3)
    random.seed(3)
    with seeded(1):
        tf.random.normal([2])
        random.random()
    assert (tf.random.normal([2]).numpy().tolist(), random.random()) == expected


@pytest.mark.parametrize("kind", ["apply", "apply_gradients", "group", "control dependency", "loss scale"])
def test_a_keras_train_op_updates_the_weights_however_it_is_wrapped(kind: str) -> None:
    store = VariableStore()

    def model(features: tf.Tensor) -> tuple[EstimatorSpec, None]:
        weight = tf.Variable(1.0, name="w")
        optimizer: Any = keras.optimizers.SGD(0.5)
        if kind == "loss scale":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=1.0)
        if kind == "apply":
            made: Any = optimizer.apply([tf.constant(1.0)], [weight])
        else:
            made = optimizer.apply_gradients([(tf.constant(1.0), weight)])
        if kind == "group":
            made = tf.group(made)
        if kind == "control dependency":
            with tf.control_dependencies([made]):
                made = tf.no_op()
        return EstimatorSpec(ModeKeys.TRAIN, loss=tf.constant(0.0), train_op=made), None

    built = trace(model, [tf.TensorSpec([None, 1])], ModeKeys.TRAIN, store)
    built.prune(built.spec.loss, training_operations(built))(tf.ones([1, 1]))
    assert store.by_name["w"].numpy() == 0.5


def test_keras_regularizers_join_the_v1_collection() -> None:
    def body() -> list[tf.Tensor]:
        keras.layers.Dense(1, kernel_regularizer="l2")(tf.ones([1, 1]))
        return V1.losses.get_regularization_losses()

    assert len(traced(body, VariableStore())) == 1


def test_a_loss_of_a_keras_regularizer_is_there_once_whoever_reads_it_first() -> None:
    def body() -> list[list[tf.Tensor]]:
        in_branch: list[list[tf.Tensor]] = []

        def branch() -> tf.Tensor:
            in_branch.append(V1.losses.get_regularization_losses())
            return tf.add_n(in_branch[0])

        V1.get_variable("w", [2], regularizer=tf.reduce_sum)
        keras.layers.Dense(1, kernel_regularizer="l2")(tf.ones([1, 1]))
        tf.cond(tf.random.uniform([]) > 0.5, branch, lambda: tf.constant(0.0))
        return [in_branch[0], V1.losses.get_regularization_losses()]

    first, second = traced(body, VariableStore())
    assert [one is other for one, other in zip(first, second, strict=True)] == [True, True]
