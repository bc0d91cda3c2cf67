"""What a train_op does to the global step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from trainer.estimator import Estimator, EstimatorSpec, ModeKeys, RunConfig
from trainer.estimator.graph.model_function import ModelFunction
from trainer.estimator.graph.step_counts import counts_of
from trainer.estimator.graph.variables import VariableStore

V1 = tf.compat.v1


def minimize(loss: tf.Tensor, counts: bool) -> tf.Operation:
    return V1.train.GradientDescentOptimizer(0.1).minimize(loss, V1.train.get_global_step() if counts else None)


def both(loss: tf.Tensor, first: bool, second: bool) -> tf.Operation:
    return tf.group(minimize(loss, first), minimize(-loss, second))


def one_of_two(loss: tf.Tensor) -> tf.Operation:
    minimize(loss, True)  # nobody asks for it
    return minimize(-loss, True)


def either(loss: tf.Tensor) -> tf.Operation:
    with tf.control_dependencies([minimize(loss, True)]):
        step = V1.train.get_global_step()
        return tf.cond(loss > 0, lambda: V1.assign_add(step, 1), lambda: tf.identity(step))


def model_fn(train_op: Callable[[tf.Tensor], Any]) -> Callable[..., EstimatorSpec]:
    def function(features: Any, labels: Any, mode: str) -> EstimatorSpec:
        loss = tf.reduce_mean((features * V1.get_variable("w", []) - labels) ** 2)
        return EstimatorSpec(mode, loss=loss, train_op=train_op(loss))

    return function


@pytest.mark.parametrize(
    ("train_op", "counts"),
    [
        (lambda loss: minimize(loss, False), 0),
        (lambda loss: minimize(loss, True), 1),
        (lambda loss: both(loss, True, False), 1),
        (lambda loss: both(loss, True, True), 2),
        (one_of_two, 1),
        (either, 2),
    ],
)
def test_what_a_step_runs_is_counted(train_op: Callable[[tf.Tensor], Any], counts: int) -> None:
    model = ModelFunction(model_fn(train_op), None, RunConfig())
    spec = tf.TensorSpec([2])
    assert counts_of(model.trace(ModeKeys.TRAIN, (spec, spec), VariableStore())) == counts


def test_two_counts_are_told_once_and_a_step_counts_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    estimator = Estimator(model_fn(lambda loss: both(loss, True, True)), tmp_path)
    estimator.train(lambda: tf.data.Dataset.from_tensors((tf.ones([2]), tf.ones([2]))).repeat(), max_steps=2)
    assert estimator.get_variable_value("global_step") == 2
    (told,) = (record.getMessage() for record in caplog.records if "advances global_step" in record.getMessage())
    assert "The train_op advances global_step 2 times in a step" in told
    assert "Divide steps and max_steps by 2 to train as long as there" in told
