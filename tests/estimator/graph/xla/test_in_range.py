"""What XLA would take from the nearest row becomes NaN, and everything else stays the bits that it was."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer import estimator
from trainer.estimator.graph.pruning import prune
from trainer.estimator.graph.xla.rules import ForXla
from trainer.estimator.steps.diagnosis.nan_loss import NanLossError

TABLE = np.random.default_rng(0).normal(size=(2, 5, 3, 4)).astype(np.float32)

GATHERS: dict[str, tuple[Callable[[tf.Tensor], tf.Tensor], tuple[int, ...], int]] = {
    "rows": (lambda ids: tf.gather(TABLE[0], ids), (6,), 5),
    "a matrix of rows": (lambda ids: tf.gather(TABLE[0], ids), (2, 3), 5),
    "along another axis": (lambda ids: tf.gather(TABLE[0], ids, axis=1), (2, 2), 3),
    "along the last axis": (lambda ids: tf.gather(TABLE[0], ids, axis=-1), (3,), 4),
    "of each batch": (lambda ids: tf.gather(TABLE, ids, batch_dims=1, axis=1), (2, 3), 5),
    "of each batch along a later axis": (lambda ids: tf.gather(TABLE, ids, batch_dims=1, axis=2), (2, 2), 3),
    "by coordinates": (lambda ids: tf.gather_nd(TABLE[0], ids[:, None]), (4,), 5),
    "in a loop": (
        lambda ids: tf.while_loop(
            lambda i, _: i < 3, lambda i, x: (i + 1, x + tf.gather(TABLE[0], ids)), [0, tf.zeros([4, 3, 4])]
        )[1],
        (4,),
        5,
    ),
}


def pair(body: Callable[[tf.Tensor], tf.Tensor], shape: tuple[int, ...]) -> tuple[Any, Any]:
    """A function of ids as it is, and its copy compiled by XLA."""
    traced = tf.function(body, autograph=False).get_concrete_function(tf.TensorSpec(shape, tf.int64))
    copy = prune(traced.graph, traced.graph.outputs[0], feeds=traced.graph.inputs[:1], rule=ForXla)
    return traced, tf.function(lambda ids: copy(ids), jit_compile=True, autograph=False)


@pytest.mark.parametrize("name", GATHERS)
def test_rows_that_are_not_there_are_nan_and_no_others(name: str) -> None:
    body, shape, size = GATHERS[name]
    traced, compiled = pair(body, shape)
    there = np.random.default_rng(1).integers(0, size, shape)
    np.testing.assert_array_equal(compiled(tf.constant(there)), traced(tf.constant(there)))
    for wrong in (size, -1):
        ids = there.copy()
        ids.flat[1] = wrong
        with pytest.raises(tf.errors.InvalidArgumentError):
            traced(tf.constant(ids))
        expected = np.where(np.isnan(compiled(tf.constant(ids))), np.nan, traced(tf.constant(there)))
        np.testing.assert_array_equal(compiled(tf.constant(ids)), expected)
        assert 0 < np.isnan(expected).sum() < expected.size


def test_integers_and_numbers_written_in_the_graph_stay_as_they_are() -> None:
    def body(ids: tf.Tensor) -> tf.Tensor:
        return tf.gather(tf.range(7), ids) + tf.cast(tf.gather(tf.cast(ids, tf.float32), [2, 0, 1]), tf.int32)

    traced = tf.function(body, autograph=False).get_concrete_function(tf.TensorSpec([3], tf.int64))
    copy = prune(traced.graph, traced.graph.outputs[0], feeds=traced.graph.inputs[:1], rule=ForXla)
    assert "SelectV2" not in {op.type for op in copy.graph.get_operations()}


def added_up(table: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    counts = tf.scatter_nd(rows[:, None], tf.ones([4]), [10])
    return tf.linalg.matvec(table, counts, transpose_a=True)


@pytest.mark.parametrize(
    ("taken", "why"),
    [(tf.nn.embedding_lookup, r"indices\[1\] = 13 is not in \[0, 10\)"), (added_up, r"indices\[1\] = \[13\] does not")],
)
def test_a_row_that_is_not_there_ends_a_training_that_xla_compiles(
    taken: Callable[..., tf.Tensor], why: str, tmp_path: pathlib.Path
) -> None:
    def model_fn(features: tf.Tensor, labels: tf.Tensor, mode: str) -> estimator.EstimatorSpec:
        table = tf.compat.v1.get_variable("table", [10, 4])
        loss = tf.reduce_mean((tf.reduce_sum(taken(table, features), -1) - labels) ** 2)
        # A loop has XLA compile the first step already.
        loss = tf.while_loop(lambda i, _: i < 1, lambda i, x: (i + 1, x * 1.0), [0, loss], maximum_iterations=1)[1]
        optimizer = tf.compat.v1.train.GradientDescentOptimizer(0.01)
        return estimator.EstimatorSpec(mode, loss=loss, train_op=optimizer.minimize(loss))

    def input_fn() -> tf.data.Dataset:
        ids = np.arange(40) % 10
        ids[33] = 13
        return tf.data.Dataset.from_tensor_slices((ids, np.ones(40, np.float32))).batch(4, drop_remainder=True)

    with pytest.raises(NanLossError, match=rf"at step 9;[\s\S]*{why}"):
        estimator.Estimator(model_fn, str(tmp_path)).train(input_fn)
