"""What a head makes of optimizers, update ops and regularization losses, and the summaries that it writes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer import estimator as tfe
from trainer.compat.v1.contrib import estimator as v1
from trainer.estimator.saving.events import read_scalars

V1 = tf.compat.v1
LOGITS, LABELS = np.float32([[1.0]]), np.float32([[0.0]])


def spec(head: Any, **arguments: Any) -> tfe.EstimatorSpec:
    """Of a step of training, in a graph."""
    with V1.Graph().as_default():
        return head.create_estimator_spec({}, "train", tf.constant(LOGITS), tf.constant(LABELS), **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "neither optimizer nor train_op_fn. Training takes one of them"),
        (
            {"optimizer": keras.optimizers.SGD(), "train_op_fn": lambda _: tf.no_op()},
            "both optimizer and train_op_fn. Training takes one of them",
        ),
        ({"optimizer": keras.optimizers.SGD()}, "trainable_variables None. It takes a list or a tuple"),
        (
            {"optimizer": V1.train.AdamOptimizer()},
            "It takes a keras.optimizers.Optimizer. Give another one",
        ),
        ({"train_op_fn": lambda _: tf.no_op(), "update_ops": 1}, "update_ops 1. It takes a list or a tuple"),
    ],
)
def test_a_head_refuses_to_train_by_something_else(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        spec(tfe.RegressionHead(), **arguments)


def model_fn(features: Any, labels: Any, mode: str, params: Any) -> tfe.EstimatorSpec:
    """A weight that is regularized, and a count of the steps that an update op makes."""
    weight = V1.get_variable("w", [1, 1], initializer=V1.initializers.ones())
    count = V1.get_variable("count", [], trainable=False, initializer=V1.initializers.zeros())
    arguments: dict[str, Any] = {"regularization_losses": [tf.constant(0.25), tf.constant(0.5)]}
    if params["version"] == 1:
        head = v1.regression_head(loss_reduction=V1.losses.Reduction.SUM, name="price")
        V1.add_to_collection(V1.GraphKeys.UPDATE_OPS, count.assign_add(1.0))
    else:
        head = tfe.RegressionHead(name="price")
        arguments |= {"update_ops": [count.assign_add(1.0)], "trainable_variables": [weight]}
    logits = tf.matmul(features["x"], weight)
    return head.create_estimator_spec(features, mode, logits, labels, optimizer=params["optimizer"](), **arguments)


def input_fn() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors(({"x": np.float32([[1.0], [1.0]])}, np.float32([[0.0], [3.0]]))).repeat(2)


@pytest.mark.parametrize(
    ("version", "optimizer", "summaries"),
    [
        (2, lambda: keras.optimizers.SGD(0.1), {"loss": 3.25, "loss/price": 3.25, "regularization_loss/price": 0.75}),
        (
            1,
            lambda: V1.train.GradientDescentOptimizer(0.05),
            {"loss": 5.75, "loss/price": 5.75, "average_loss/price": 2.5, "regularization_loss/price": 0.75},
        ),
        (
            1,
            lambda: keras.optimizers.SGD(0.05),
            {"loss": 5.75, "loss/price": 5.75, "average_loss/price": 2.5, "regularization_loss/price": 0.75},
        ),
    ],
    ids=["keras", "v1", "keras_in_v1"],
)
def test_a_step_runs_the_update_ops_and_writes_the_losses(
    version: int, optimizer: Any, summaries: dict[str, float], tmp_path: Path
) -> None:
    config = tfe.RunConfig(save_summary_steps=1)
    made = tfe.Estimator(model_fn, tmp_path, config, {"version": version, "optimizer": optimizer})
    made.train(input_fn)
    assert (made.get_variable_value("global_step"), made.get_variable_value("count")) == (2, 2.0)
    # Of the mean the gradient is 2 (w - 1.5), of the sum twice that at half the rate.
    assert made.get_variable_value("w").item() == pytest.approx(1.18)
    written = read_scalars(str(tmp_path))[1]
    assert {name: written[name] for name in summaries} == pytest.approx(summaries)
    results = made.evaluate(input_fn)
    assert results["regularization_loss/price"] == pytest.approx(0.75)
    assert results["label/mean/price"] == pytest.approx(1.5)


def test_a_train_op_fn_gets_the_loss() -> None:
    given = []

    def train_op_fn(loss: tf.Tensor) -> tf.Operation:
        given.append(loss)
        return tf.no_op()

    made = spec(tfe.RegressionHead(), train_op_fn=train_op_fn)
    assert given == [made.loss]
