"""Optimizers that change rows, compiled by XLA: the same rows with the same numbers, whatever rows a batch names."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator import EstimatorSpec, ModeKeys
from trainer.estimator.canned import optimizers
from trainer.estimator.graph.tracing import TracedModel, trace, training_operations
from trainer.estimator.graph.variables import VariableStore
from trainer.estimator.graph.xla import padded_rows, row_updates
from trainer.estimator.graph.xla.rules import ForXla

FOR_XLA = functools.partial(ForXla, padded_rows=True)

V1 = tf.compat.v1.train
BATCHES = [[3, 0, 3, 3], [1, 1, 1, 1], [5, 4, 3, 2], [0, 0, 5, 5]]
FIRST: dict[str, Callable[[], Any]] = {
    "adagrad": lambda: V1.AdagradOptimizer(0.1),
    "adam": lambda: V1.AdamOptimizer(0.1),
    "ftrl": lambda: V1.FtrlOptimizer(0.1, l1_regularization_strength=0.02, l2_regularization_strength=0.1),
    "ftrl with another power": lambda: V1.FtrlOptimizer(0.1, learning_rate_power=-0.4),
    "ftrl with shrinkage": lambda: V1.FtrlOptimizer(0.1, l2_shrinkage_regularization_strength=0.1),
    "momentum": lambda: V1.MomentumOptimizer(0.1, 0.9),
    "nesterov": lambda: V1.MomentumOptimizer(0.1, 0.9, use_nesterov=True),
    "rmsprop": lambda: V1.RMSPropOptimizer(0.1, momentum=0.5),
    "centered rmsprop": lambda: V1.RMSPropOptimizer(0.1, centered=True),
    "sgd": lambda: V1.GradientDescentOptimizer(0.1),
}
SECOND: dict[str, Callable[[], Any]] = {
    "adagrad": lambda: tf.keras.optimizers.Adagrad(0.1),
    "adam": lambda: tf.keras.optimizers.Adam(0.1),
    "ftrl": lambda: tf.keras.optimizers.Ftrl(0.1, l1_regularization_strength=0.02, beta=0.1),
    "momentum": lambda: tf.keras.optimizers.SGD(0.1, momentum=0.9),
    "nesterov": lambda: tf.keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "rmsprop": lambda: tf.keras.optimizers.RMSprop(0.1),
    "rmsprop with momentum": lambda: tf.keras.optimizers.RMSprop(0.1, momentum=0.5),
    "centered rmsprop": lambda: tf.keras.optimizers.RMSprop(0.1, momentum=0.5, centered=True),
}
CASES = [
    *((f"v1 {name}", make) for name, make in FIRST.items()),
    *((f"v2 {name}", make) for name, make in SECOND.items()),
]


def traced(make: Callable[[], Any], store: VariableStore, times: int = 1) -> TracedModel:
    """A step on a table [6, 2], by an optimizer, of rows [4 · times]."""

    def body(rows: tf.Tensor) -> tuple[EstimatorSpec, None]:
        table = tf.compat.v1.get_variable("table", initializer=np.arange(12, dtype=np.float32).reshape(6, 2) / 10)
        factors = tf.constant([[1.0, -2.0], [0.5, 1.0], [-1.0, 3.0], [2.0, 0.1]] * times)
        loss = tf.reduce_sum(tf.square(tf.nn.embedding_lookup(table, rows) * factors - 1.0))
        made = make()
        if isinstance(made, tf.keras.optimizers.Optimizer):
            train_op = optimizers.step(optimizers.second_version(made, None, None), loss, [table])
        else:
            train_op = made.minimize(loss)
        return EstimatorSpec(ModeKeys.TRAIN, loss=loss, train_op=train_op), None

    return trace(body, [tf.TensorSpec([4 * times], tf.int64)], ModeKeys.TRAIN, store, xla=True)


def variables_after(make: Callable[[], Any], *, xla: bool, times: int = 1) -> dict[str, np.ndarray]:
    """What the steps leave, on batches that are put together of the same one so many times."""
    store = VariableStore(1)
    model = traced(make, store, times)
    step = model.prune(model.spec.loss, training_operations(model), rule=FOR_XLA if xla else None)
    program = tf.function(step.__call__, jit_compile=xla or None, autograph=False)
    for rows in BATCHES:
        program(tf.constant(rows * times, tf.int64))
    return {name: variable.numpy() for name, variable in store.by_name.items()}


@pytest.mark.parametrize(("name", "make"), CASES, ids=[name for name, _ in CASES])
def test_xla_changes_the_rows_as_tensorflow_does(name: str, make: Callable[[], Any], times: int = 1) -> None:
    expected, found = (variables_after(make, xla=xla, times=times) for xla in (False, True))
    assert expected.keys() == found.keys() and len(expected) > 1
    for variable, value in expected.items():
        np.testing.assert_allclose(found[variable], value, rtol=2e-6, atol=1e-6, err_msg=variable)


@pytest.mark.parametrize("name", ["adagrad", "ftrl", "rmsprop", "sgd"])
def test_a_variable_of_fewer_rows_than_a_batch_looks_up_is_changed_as_a_whole(name: str) -> None:
    model = traced(FIRST[name], VariableStore(1), times=2)
    copied = model.prune(model.spec.loss, training_operations(model), rule=FOR_XLA).graph.get_operations()
    assert (name == "sgd") == any("Scatter" in op.type for op in copied)  # which has no sums and no slots
    test_xla_changes_the_rows_as_tensorflow_does(name, FIRST[name], times=2)


@pytest.mark.parametrize("name", ["adagrad", "ftrl", "adam"])
def test_rows_of_large_variables_are_changed_one_by_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_updates, "_MOST_MERGED", 5)
    monkeypatch.setattr(padded_rows, "_MOST_SUMMED", 7)
    test_xla_changes_the_rows_as_tensorflow_does(name, FIRST[name])


def test_rows_that_something_else_counts_are_left_as_they_are() -> None:
    def copied(body: Callable[[tf.Tensor], tf.Tensor]) -> list[str]:
        def model(rows: tf.Tensor) -> tuple[EstimatorSpec, None]:
            loss = body(rows)
            return EstimatorSpec(ModeKeys.TRAIN, loss=loss, train_op=tf.no_op()), None

        found = trace(model, [tf.TensorSpec([4], tf.int64)], ModeKeys.TRAIN, VariableStore(1))
        return [op.type for op in found.prune(found.spec.loss, rule=FOR_XLA).graph.get_operations()]

    table = tf.constant(np.arange(12, dtype=np.float32).reshape(6, 2))
    assert "Unique" in copied(lambda rows: tf.cast(tf.size(tf.unique(rows)[0]), tf.float32))
    assert "Unique" in copied(lambda rows: tf.reduce_mean(tf.gather(table, tf.unique(rows)[0])))
    assert "Unique" in copied(lambda rows: tf.reduce_sum(tf.gather(tf.constant([1.0, 2, 3, 4]), tf.unique(rows)[1])))
    summed = lambda rows: tf.reduce_mean(tf.math.unsorted_segment_sum(tf.ones([4]), tf.unique(rows)[1], 4))  # noqa: E731
    assert "Unique" in copied(summed)
