"""Values of Python in a batch: TensorFlow carries them in the specs of elements, and a model function gets them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator import Estimator, EstimatorSpec, ModeKeys
from trainer.estimator.graph.inside.plain_values import PlainSpec, PlainValue, unwrapped, wrapped

V1 = tf.compat.v1


class Pair(NamedTuple):
    a: Any
    b: Any


def test_tensorflow_takes_the_values_through_datasets_and_graphs() -> None:
    element = wrapped(({"x": tf.ones([2]), "rate": 0.5}, "a label"))
    dataset = tf.data.Dataset.from_tensors(element).repeat(3).map(lambda x, y: (x, y)).shard(2, 0).prefetch(1)
    assert unwrapped(next(iter(dataset)))[0]["rate"] == 0.5
    seen = []

    def traced(features: Any, label: Any) -> tf.Tensor:
        seen.append((unwrapped(features)["rate"], unwrapped(label)))
        return features["x"]

    tf.function(traced).get_concrete_function(*dataset.element_spec)
    assert seen == [(0.5, "a label")]


@pytest.mark.parametrize("make", [tf.constant, np.float32], ids=["tensors", "arrays"])
def test_a_list_reaches_the_model_function_as_one(make: Any, tmp_path: Path) -> None:
    seen: list[Any] = []

    def model_fn(features: Any, labels: Any, mode: str) -> EstimatorSpec:
        seen.append([len(part) if isinstance(part, list) else part for part in (features["x"], features["pair"][1])])
        total = tf.concat(features["x"], 0)
        loss = tf.reduce_sum(total * tf.Variable(1.0, name="w")) - labels[0][0]
        return EstimatorSpec(mode, loss=loss, train_op=tf.compat.v1.assign_add(V1.train.get_global_step(), 1))

    def input_fn() -> Any:
        x = [make([1.0]), make([2.0, 3.0]) if make is np.float32 else tf.random.uniform([2])]
        return {"x": x, "pair": (make([0.0]), [make([4.0])] * 3)}, [make([1.0])]

    Estimator(model_fn, model_dir=tmp_path).train(input_fn, steps=2)
    assert seen and all(found == [2, 3] for found in seen)


def test_specs_are_equal_where_values_print_alike_and_tell_them() -> None:
    assert PlainSpec({}) == PlainSpec({}) and hash(PlainSpec({})) == hash(PlainSpec({}))
    assert PlainSpec(1) != PlainSpec(1.0) and PlainSpec("1") != PlainSpec(1)
    assert repr(PlainSpec("a")) == "PlainSpec('a')"
    assert PlainSpec(3).most_specific_compatible_type(PlainSpec(3)) == PlainSpec(3)


@pytest.mark.parametrize(
    "given",
    [
        tf.ones([1]),
        np.ones(3),
        [1.0, 2.0, 3.0],
        {"x": tf.ones([1]), "y": np.float32(1)},
        ({"x": tf.ones([1])}, None),
        Pair(tf.ones([1]), tf.ones([1])),
        tf.data.Dataset.range(3),
    ],
)
def test_tensors_arrays_and_datasets_stay_as_they_are(given: Any) -> None:
    parts = tf.nest.flatten(wrapped(given))
    assert not any(isinstance(part, PlainValue) for part in parts)


@pytest.mark.parametrize("given", [None, {}, 3, "text", {"x": 1, "y": (None, 2.0)}, ({}, 5)])
def test_other_values_come_back_as_they_were(given: Any) -> None:
    assert unwrapped(wrapped(given)) == given


@pytest.mark.parametrize(
    ("given", "features", "labels"),
    [
        (None, None, None),
        ((None, None), None, None),
        ({}, {}, None),
        (({}, None), {}, None),
        (({"rate": 0.5, "name": "a"}, 3), {"rate": 0.5, "name": "a"}, 3),
    ],
)
def test_a_model_function_gets_what_an_input_function_gives(
    given: Any, features: Any, labels: Any, tmp_path: Path
) -> None:
    seen: list[tuple[str, Any, Any]] = []

    def model_fn(features: Any, labels: Any, mode: str) -> EstimatorSpec:
        seen.append((mode, features, labels))
        w = V1.get_variable("w", [], initializer=V1.zeros_initializer())
        loss = (w - 1.0) ** 2
        return EstimatorSpec(mode, w, loss, V1.train.GradientDescentOptimizer(0.25).minimize(loss))

    estimator = Estimator(model_fn, tmp_path).train(lambda: given, steps=2)
    assert estimator.evaluate(lambda: given, steps=1)["loss"] == pytest.approx(0.25**2)
    assert next(estimator.predict(lambda: given, yield_single_examples=False)) == 0.75
    modes = (ModeKeys.TRAIN, ModeKeys.EVAL, ModeKeys.PREDICT)
    assert seen == [(mode, features, None if mode == ModeKeys.PREDICT else labels) for mode in modes]


def test_values_beside_tensors_reach_the_model_function_and_another_value_is_traced_anew(tmp_path: Path) -> None:
    def model_fn(features: Mapping[str, Any], mode: str) -> EstimatorSpec:
        loss = tf.reduce_sum(features["x"]) * features["rate"]
        return EstimatorSpec(mode, features["x"], loss, V1.assign_add(V1.train.get_global_step(), 1))

    estimator = Estimator(model_fn, tmp_path).train(lambda: {"x": tf.ones([2]), "rate": 0.5}, steps=1)
    for rate in (0.5, 3.0):
        results = estimator.evaluate(lambda rate=rate: {"x": tf.ones([2]), "rate": rate}, steps=1)
        assert results["loss"] == 2.0 * rate
