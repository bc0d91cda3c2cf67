"""The optimizer of `tf.contrib.opt`: against Adam where every row is looked up, and rows that no batch looks up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import trainer.compat.v1 as tf


def table_after(optimizer: Any, ids: list[int], steps: int = 3) -> dict[str, np.ndarray]:
    """The variables of a table of three words, [3, 2] each, after steps on a batch of these."""

    def model_fn(features: Any, mode: str) -> Any:
        table = tf.get_variable("table", [3, 2], initializer=tf.constant_initializer(np.arange(6.0).reshape(3, 2)))
        loss = tf.reduce_sum(tf.square(tf.nn.embedding_lookup(table, features["ids"])))
        train_op = optimizer().minimize(loss, tf.train.get_global_step())
        return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)

    def input_fn() -> Any:
        return tf.data.Dataset.from_tensors({"ids": np.int64(ids)}).repeat()

    model = tf.estimator.Estimator(model_fn).train(input_fn, steps=steps)
    return {name: model.get_variable_value(name) for name in ("table", "table/Adam", "table/Adam_1")}


def adam() -> Any:
    return tf.train.AdamOptimizer(0.1)


def lazy_adam() -> Any:
    return tf.contrib.opt.LazyAdamOptimizer(0.1)


def test_lazy_adam_is_adam_where_a_batch_looks_up_every_row() -> None:
    usual, lazy = (table_after(optimizer, [0, 1, 2, 1]) for optimizer in (adam, lazy_adam))
    for name, value in usual.items():
        np.testing.assert_allclose(lazy[name], value, rtol=1e-6, err_msg=name)


def test_lazy_adam_leaves_rows_that_no_batch_looks_up() -> None:
    for name, value in table_after(lazy_adam, [1, 1]).items():
        np.testing.assert_array_equal(value[[0, 2]], [[0, 1], [4, 5]] if name == "table" else np.zeros([2, 2]))
        assert np.all(value[1] != [2, 3])


def test_an_optimizer_of_contrib_that_is_not_given_says_what_to_use() -> None:
    with pytest.raises(AttributeError, match=r"tf\.contrib\.opt\.NadamOptimizer.*keras\.optimizers\.Nadam"):
        tf.contrib.opt.NadamOptimizer  # noqa: B018
