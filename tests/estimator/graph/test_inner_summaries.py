"""Summaries that are made in branches, loops and functions: whether they reach the event files, and when."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator import Estimator, EstimatorSpec, RunConfig
from trainer.estimator.steps.compiling import compile_policy

V1 = tf.compat.v1


def events(directory: Path) -> dict[int, dict[str, Any]]:
    """The values by step and tag."""
    found: dict[int, dict[str, Any]] = {}
    for file in sorted(directory.glob("events.*")):
        for event in V1.train.summary_iterator(str(file)):
            for value in event.summary.value:
                scalar = value.WhichOneof("value") == "simple_value"
                found.setdefault(event.step, {})[value.tag] = (
                    value.simple_value if scalar else tf.make_ndarray(value.tensor)
                )
    return found


def trained(inner: Callable[[tf.Tensor, tf.Tensor], tf.Tensor], directory: Path, steps: int = 4) -> dict[int, Any]:
    """Trains a model whose loss goes through `inner`, which gets x, float32 [], that counts steps from 0, and w []."""

    def model_fn(features: tf.Tensor) -> EstimatorSpec:
        weight = V1.get_variable("w", initializer=1.0)
        loss = inner(features, weight)
        train_op = V1.train.GradientDescentOptimizer(0.0).minimize(loss, V1.train.get_global_step())
        return EstimatorSpec("train", loss=loss, train_op=train_op)

    def input_fn() -> tf.data.Dataset:
        return tf.data.Dataset.range(steps).map(lambda number: tf.cast(number, tf.float32))

    Estimator(model_fn, str(directory), RunConfig(save_summary_steps=1)).train(input_fn)
    return events(directory)


def in_a_branch(x: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    def odd() -> tf.Tensor:
        tf.summary.scalar("odd", x)
        V1.summary.histogram("spread", tf.stack([x, x + 1]))
        return x * weight

    return tf.cond(tf.equal(x % 2, 1), odd, lambda: weight)


def test_a_branch_leaves_a_summary_at_the_steps_that_take_it(tmp_path: Path) -> None:
    found = trained(in_a_branch, tmp_path)
    assert {step: values["odd"] for step, values in found.items() if "odd" in values} == {2: 1.0, 4: 3.0}
    assert [step for step, values in found.items() if "spread" in values] == [2, 4]
    assert found[4]["spread"].shape == (30, 3) and found[4]["spread"][:, 2].sum() == 2


def test_a_compiled_program_leaves_them_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "trainer")
    monkeypatch.setattr(compile_policy, "first_compiled_step", lambda operations: 4)

    def branching(x: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
        def odd() -> tf.Tensor:
            tf.summary.scalar("odd", x)
            return x * weight

        return tf.cond(tf.equal(x % 2, 1), odd, lambda: weight)

    found = trained(branching, tmp_path, 8)
    assert [values["odd"] for values in found.values() if "odd" in values] == [1, 3, 5, 7]
    assert "XLA cannot compile" not in caplog.text


def test_a_loop_leaves_the_summary_of_its_last_iteration(tmp_path: Path) -> None:
    def looping(x: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
        def one(number: tf.Tensor) -> tf.Tensor:
            V1.summary.scalar("number", number)
            return number * weight

        return tf.reduce_sum(tf.map_fn(one, x + tf.constant([1.0, 2.0])))

    found = trained(looping, tmp_path, 2)
    assert [found[step]["number"] for step in (1, 2)] == [2.0, 3.0]


def test_a_function_and_a_branch_in_it_leave_theirs(tmp_path: Path) -> None:
    @tf.function
    def layer(x: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
        tf.summary.scalar("whole", x)
        return in_a_branch(x, weight)

    found = trained(layer, tmp_path)
    assert [found[step]["whole"] for step in (1, 2, 3, 4)] == [0.0, 1.0, 2.0, 3.0]
    assert [step for step, values in found.items() if "odd" in values] == [2, 4]


def test_summaries_in_a_branch_are_let_be_in_evaluation_and_prediction(tmp_path: Path) -> None:
    def model_fn(features: tf.Tensor, mode: str) -> EstimatorSpec:
        weight = V1.get_variable("w", initializer=1.0)
        loss = in_a_branch(features, weight)
        return EstimatorSpec(mode, loss=loss, predictions={"y": tf.reshape(loss, [1])}, train_op=tf.no_op())

    estimator = Estimator(model_fn, str(tmp_path))
    assert estimator.evaluate(lambda: tf.data.Dataset.from_tensors(np.float32(3)))["loss"] == 3.0
    (prediction,) = estimator.predict(lambda: tf.data.Dataset.from_tensors(np.float32(3)))
    assert prediction["y"] == 3.0


def test_a_summary_of_any_number_of_dimensions_is_left_out_with_a_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def branching(x: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
        def odd() -> tf.Tensor:
            shape = tf.cast(tf.fill([tf.cast(x, tf.int32)], 1), tf.int32)
            tf.summary.write("any", tf.reshape(x, shape))
            return x * weight

        return tf.cond(tf.equal(x % 2, 1), odd, lambda: weight)

    with caplog.at_level(logging.WARNING, "trainer"):
        found = trained(branching, tmp_path, 2)
    assert not any("any" in values for values in found.values())
    assert "The summary any is left out" in caplog.text
