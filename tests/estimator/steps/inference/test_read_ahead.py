"""Predictions of many batches in a call: those of the batches one by one, and none that come too early."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator import EstimatorSpec, ModeKeys
from trainer.estimator.graph.tracing import TracedModel, trace
from trainer.estimator.graph.variables import VariableStore
from trainer.estimator.steps.inference import read_ahead
from trainer.estimator.steps.inference.inference import Prediction, prediction


def model(x: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"row": tf.stack([x, 2.0 * x], 1), "name": tf.strings.as_string(x), "sum": tf.reduce_sum(x), "pair": x[:2]}


def ready(function: Any = model) -> Prediction:
    def on_batch(x: tf.Tensor) -> tuple[EstimatorSpec, None]:
        return EstimatorSpec(ModeKeys.PREDICT, predictions=function(x)), None

    traced: TracedModel = trace(on_batch, [tf.TensorSpec([None])], ModeKeys.PREDICT, VariableStore())
    return prediction(traced, None)


def rows(count: int, size: int = 3) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(np.arange(count, dtype=np.float32)).batch(size)


@pytest.fixture(scope="module")
def made() -> Prediction:
    return ready()


@pytest.mark.parametrize("count", [0, 1, 3, 23, 1000])
def test_predictions_are_those_of_each_batch(made: Prediction, count: int) -> None:
    assert read_ahead.possible(rows(count), made.predictions)
    batches = list(made.batches(rows(count), []))
    expected = [made.part(batch)[0] for batch in rows(count)]
    assert len(batches) == len(expected)
    for found, wanted in zip(batches, expected, strict=True):
        assert list(found) == list(wanted)
        for key, value in wanted.items():
            np.testing.assert_array_equal(found[key], value.numpy())
            assert type(found[key]) is type(value.numpy()) and found[key].dtype == value.numpy().dtype


def generated(count: int) -> Iterator[np.ndarray]:
    for index in range(count):
        yield np.full([2], index, np.float32)


def from_a_generator() -> tf.data.Dataset:
    return tf.data.Dataset.from_generator(lambda: generated(9), output_signature=tf.TensorSpec([2])).prefetch(1)


def from_a_function() -> tf.data.Dataset:
    return rows(9).map(lambda x: tf.ensure_shape(tf.numpy_function(lambda y: y, [x], tf.float32), [3]))


def from_a_function_within() -> tf.data.Dataset:
    return tf.data.Dataset.range(3).interleave(lambda _: from_a_generator())


def of_another() -> tf.data.Dataset:
    return tf.data.experimental.from_variant(tf.data.experimental.to_variant(rows(9)), rows(9).element_spec)


def of_a_variable() -> tf.data.Dataset:
    variable = tf.Variable([1.0, 2.0])
    return tf.data.Dataset.range(3).map(lambda _: variable.read_value())


@pytest.mark.parametrize("make", [from_a_generator, from_a_function, from_a_function_within, of_another, of_a_variable])
def test_nothing_is_read_ahead_of_what_may_depend_on_the_moment(made: Prediction, make: Any) -> None:
    assert not read_ahead.possible(make(), made.predictions)


@pytest.mark.parametrize(
    "function",
    [lambda x: tf.reshape(tf.tile(x, [tf.size(x)]), [tf.size(x), -1]), lambda x: tf.sparse.from_dense(x)],
    ids=["unknown dimensions", "sparse"],
)
def test_predictions_that_cannot_be_joined_are_not_read_ahead(function: Any) -> None:
    made = ready(function)
    assert not read_ahead.possible(rows(9), made.predictions)
    assert len(list(made.batches(rows(9), []))) == 3
