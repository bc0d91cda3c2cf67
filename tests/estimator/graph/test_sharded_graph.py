"""A model whose variables are row-sharded makes the steps of one that has them whole."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator import EstimatorSpec, ModeKeys
from trainer.estimator.graph.row_sharding import Placement
from trainer.estimator.graph.tracing import TracedModel, trace, training_operations
from trainer.estimator.graph.variables import VariableStore

V1 = tf.compat.v1
CPU = "/job:localhost/replica:0/task:0/device:CPU:0"
ROWS = np.random.default_rng(0).normal(size=(11, 3)).astype(np.float32)
BATCHES = np.random.default_rng(1).integers(0, 11, [5, 7])
THIRDS = Placement(
    devices=(CPU, CPU, CPU), partitioner=lambda shape, dtype: [3 if shape[0] == 11 else 1], least_bytes=1
)
Lookup = Callable[[tf.Tensor], tf.Tensor]


def of_variable(ids: tf.Tensor) -> tf.Tensor:
    return tf.nn.embedding_lookup(tf.Variable(ROWS, name="table"), ids)


def of_get_variable(ids: tf.Tensor) -> tf.Tensor:
    return V1.nn.embedding_lookup([V1.get_variable("table", initializer=tf.constant(ROWS))], ids)


def of_parts(ids: tf.Tensor) -> tf.Tensor:
    fixed = V1.fixed_size_partitioner(2)
    table = V1.get_variable("table", [11, 3], initializer=V1.constant_initializer(0.3), partitioner=fixed)
    return V1.nn.embedding_lookup(table, ids)


def of_keras(ids: tf.Tensor) -> tf.Tensor:
    return keras.layers.Embedding(11, 3, embeddings_initializer=keras.initializers.Constant(0.2))(ids)


def with_a_penalty(ids: tf.Tensor) -> tf.Tensor:
    table = tf.Variable(ROWS, name="table")
    return tf.nn.embedding_lookup(table, ids) + 0.01 * tf.nn.l2_loss(table) + 0.01 * tf.reduce_sum(table * table)


def twice(ids: tf.Tensor) -> tf.Tensor:
    table = tf.Variable(ROWS, name="table")
    return tf.nn.embedding_lookup(table, ids) + tf.gather(table, tf.reshape(10 - ids, [7, 1]))[:, 0]


LOOKUPS = [of_variable, of_get_variable, of_parts, of_keras, with_a_penalty, twice]
OPTIMIZERS = {
    "sgd": lambda: V1.train.GradientDescentOptimizer(0.1),
    "momentum": lambda: V1.train.MomentumOptimizer(0.1, 0.9),
    "adagrad": lambda: V1.train.AdagradOptimizer(0.1),
    "adam": lambda: V1.train.AdamOptimizer(0.1),
    "ftrl": lambda: V1.train.FtrlOptimizer(0.1),
    "rmsprop": lambda: V1.train.RMSPropOptimizer(0.1),
    "keras sgd": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
    "keras adam": lambda: keras.optimizers.Adam(0.1),
    "keras adagrad": lambda: keras.optimizers.Adagrad(0.1),
}


def traced(lookup: Lookup, optimizer: Callable[[], Any], placement: Placement | None) -> TracedModel:
    def model(ids: tf.Tensor) -> tuple[EstimatorSpec, None]:
        loss = tf.reduce_mean((lookup(ids) * [1.0, 2.0, 3.0] + 0.1) ** 2)
        variables = V1.trainable_variables()
        gradients = zip(tf.gradients(loss, variables), variables, strict=True)
        return EstimatorSpec(ModeKeys.TRAIN, loss=loss, train_op=optimizer().apply_gradients(gradients)), None

    return trace(model, [tf.TensorSpec([7], tf.int64)], ModeKeys.TRAIN, VariableStore(placement=placement))


def steps(model: TracedModel) -> tuple[list[float], dict[str, np.ndarray]]:
    step = model.prune(model.spec.loss, training_operations(model))
    losses = [float(step(tf.constant(batch))) for batch in BATCHES]
    return losses, {name: np.asarray(variable.read_value()) for name, variable in model.store.by_name.items()}


@pytest.mark.parametrize(
    ("lookup", "optimizer"),
    [*((of_variable, optimizer) for optimizer in OPTIMIZERS), *((lookup, "adam") for lookup in LOOKUPS[1:])]
    + [(of_keras, "keras adam"), (of_parts, "ftrl"), (of_keras, "adagrad")],
)
def test_steps_on_a_row_sharded_table_are_those_on_a_whole_one(lookup: Lookup, optimizer: str) -> None:
    apart, whole = (traced(lookup, OPTIMIZERS[optimizer], placement) for placement in (THIRDS, None))
    shards = {name: len(variable.rows) for name, variable in apart.store.row_sharded().items()}
    assert shards and all(count == 1 if "part_" in name else count == 3 for name, count in shards.items())
    assert set(shards) == {name for name, v in apart.store.by_name.items() if v.shape.rank}
    losses, values = steps(apart)
    expected_losses, expected = steps(whole)
    assert losses == pytest.approx(expected_losses, rel=1e-6)
    assert list(values) == list(expected)
    for name, value in expected.items():
        assert values[name] == pytest.approx(value, abs=1e-6), name


def test_slots_live_with_the_rows_that_they_belong_to() -> None:
    by_rows = traced(of_variable, OPTIMIZERS["adam"], THIRDS).store.row_sharded()
    assert {variable.rows for variable in by_rows.values()} == {by_rows["table"].rows}
    assert {name: variable.primary for name, variable in by_rows.items()} == {
        "table": None,
        "table/Adam": "table",
        "table/Adam_1": "table",
    }


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adagrad", "adam", "ftrl", "keras sgd", "keras adam"])
@pytest.mark.parametrize("lookup", [of_variable, of_keras])
def test_a_step_makes_nothing_as_large_as_the_table(lookup: Lookup, optimizer: str) -> None:
    model = traced(lookup, OPTIMIZERS[optimizer], THIRDS)
    step = model.prune(model.spec.loss, training_operations(model))
    assert step.taken_whole == frozenset()
    whole = [op for op in step.graph.get_operations() if any(o.shape == [11, 3] for o in op.outputs)]
    assert whole == []


def with_a_product(ids: tf.Tensor) -> tf.Tensor:
    return tf.one_hot(ids, 11) @ tf.Variable(ROWS, name="table")


def test_a_variable_that_is_taken_whole_is_fetched_and_gives_the_same_steps() -> None:
    apart, whole = (traced(with_a_product, OPTIMIZERS["adam"], placement) for placement in (THIRDS, None))
    assert apart.prune(apart.spec.loss, training_operations(apart)).taken_whole == {("table", "MatMul")}
    assert steps(apart)[0] == pytest.approx(steps(whole)[0], rel=1e-6)


def in_a_loop(ids: tf.Tensor) -> tf.Tensor:
    table = tf.Variable(ROWS, name="table")
    start = tf.zeros([7, 3])
    return tf.while_loop(lambda i, _: i < 2, lambda i, s: (i + 1, s + tf.gather(table, ids)), [0, start])[1]


def test_what_a_loop_takes_stays_whole_and_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "trainer"):
        apart = traced(in_a_loop, OPTIMIZERS["adagrad"], THIRDS)
    assert "table stays whole on one parameter server (0 MiB), because the model function gives it to" in caplog.text
    assert not [variable for variable in apart.store.row_sharded().values() if len(variable.rows) > 1]
    assert steps(apart)[0] == pytest.approx(steps(traced(in_a_loop, OPTIMIZERS["adagrad"], None))[0], rel=1e-6)


def test_a_later_mode_that_takes_a_row_sharded_variable_into_a_loop_is_refused() -> None:
    store = traced(of_variable, OPTIMIZERS["sgd"], THIRDS).store

    def model(ids: tf.Tensor) -> tuple[EstimatorSpec, None]:
        return EstimatorSpec(ModeKeys.PREDICT, predictions=in_a_loop(ids)), None

    later = trace(model, [tf.TensorSpec([7], tf.int64)], ModeKeys.PREDICT, store)
    with pytest.raises(ValueError, match="takes the variable table whole, which is row-sharded.*in every mode"):
        later.prune(later.spec.predictions)
