"""Scaffolds of model functions: moving averages that are evaluated, and what runs at the start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from trainer.estimator import Estimator, EstimatorSpec, ModeKeys, RunConfig, export

V1 = tf.compat.v1


def input_fn() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors(tf.ones([1])).repeat(5)


def averaged(of_mode: Callable[[str], bool]) -> Callable[..., EstimatorSpec]:
    """A model function of one weight, whose moving average is read in the modes of which that is true."""

    def model_fn(features: tf.Tensor, mode: str) -> EstimatorSpec:
        weight = V1.get_variable("w", [], initializer=V1.zeros_initializer())
        average = V1.train.ExponentialMovingAverage(0.9)
        loss = tf.reduce_mean(tf.square(weight - features))
        step = V1.train.GradientDescentOptimizer(0.1).minimize(loss, V1.train.get_global_step())
        with tf.control_dependencies([step]):
            op = average.apply([weight])
        saver = V1.train.Saver({average.average_name(weight): weight}) if of_mode(mode) else None
        return EstimatorSpec(
            mode,
            loss=loss,
            train_op=op,
            predictions={"w": weight * tf.ones_like(features)},
            eval_metric_ops={"w": V1.metrics.mean(weight)},
            scaffold=V1.train.Scaffold(saver=saver),
        )

    return model_fn


def test_evaluation_prediction_and_export_read_the_averages_that_a_saver_names(tmp_path: Path) -> None:
    estimator = Estimator(averaged(lambda mode: mode != ModeKeys.TRAIN), tmp_path).train(input_fn)
    average = estimator.get_variable_value("w/ExponentialMovingAverage")
    assert average != estimator.get_variable_value("w")
    assert estimator.evaluate(input_fn)["w"] == pytest.approx(average, abs=1e-6)
    assert next(iter(estimator.predict(input_fn)))["w"] == pytest.approx(average)
    receiver = export.build_raw_serving_input_receiver_fn(tf.TensorSpec([None], tf.float32, "x"))
    exported = tf.saved_model.load(estimator.export_saved_model(str(tmp_path / "export"), receiver).decode())
    (served,) = exported.signatures["serving_default"](tf.ones([1])).values()
    assert served.numpy() == pytest.approx([average])


def test_a_saver_that_is_made_before_the_train_op_restores_nothing_at_its_steps(tmp_path: Path) -> None:
    def model_fn(features: tf.Tensor, mode: str) -> EstimatorSpec:
        weight = V1.get_variable("w", [], initializer=V1.zeros_initializer())
        scaffold = V1.train.Scaffold(saver=V1.train.Saver())
        loss = tf.reduce_mean(tf.square(weight - features))
        op = V1.train.GradientDescentOptimizer(0.25).minimize(loss, V1.train.get_global_step())
        return EstimatorSpec(mode, weight * tf.ones_like(features), loss, op, scaffold=scaffold)

    estimator = Estimator(model_fn, tmp_path).train(input_fn, steps=2)
    assert estimator.get_variable_value("w") == 0.75
    assert estimator.evaluate(input_fn)["loss"] == 0.25**2
    assert next(estimator.predict(input_fn)) == 0.75


def test_training_saves_each_variable_under_its_own_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has a saver that saves w under another name"):
        Estimator(averaged(lambda mode: True), tmp_path).train(input_fn)


def starting(**settings: Callable[..., Any]) -> Callable[..., EstimatorSpec]:
    """A model function whose Scaffold has settings that are made of the weight."""

    def model_fn(features: tf.Tensor, mode: str) -> EstimatorSpec:
        weight = V1.get_variable("w", [], initializer=V1.zeros_initializer())
        starts = V1.get_variable("starts", [], initializer=V1.zeros_initializer(), trainable=False)
        loss = tf.reduce_mean(0.0 * weight * features)
        op = V1.train.GradientDescentOptimizer(0.1).minimize(loss, V1.train.get_global_step())
        scaffold = V1.train.Scaffold(**{name: make(weight, starts) for name, make in settings.items()})
        return EstimatorSpec(mode, loss=loss, train_op=op, scaffold=scaffold)

    return model_fn


def trained_twice(directory: Path, model_fn: Callable[..., EstimatorSpec]) -> Estimator:
    for _ in range(2):
        estimator = Estimator(model_fn, config=RunConfig(model_dir=directory, save_summary_steps=None))
        estimator.train(input_fn, steps=2)
    return estimator


def test_what_initialises_runs_without_a_checkpoint_and_what_is_local_at_every_start(tmp_path: Path) -> None:
    def init_fn(weight: tf.Variable, starts: tf.Variable) -> Callable[..., None]:
        ten = weight.assign_add(10.0)
        return lambda scaffold, session: session.run(ten)

    def local(weight: tf.Variable, starts: tf.Variable) -> tf.Operation:
        return tf.group(starts.assign_add(1.0), V1.local_variables_initializer(), V1.tables_initializer())

    estimator = trained_twice(tmp_path, starting(init_fn=init_fn, local_init_op=local))
    assert estimator.get_variable_value("w") == 10
    assert estimator.get_variable_value("starts") == 2


def test_an_init_fn_may_restore_a_checkpoint(tmp_path: Path) -> None:
    first = trained_twice(tmp_path / "first", starting(init_op=lambda weight, starts: weight.assign(3.0)))

    def restoring(weight: tf.Variable, starts: tf.Variable) -> Callable[..., None]:
        saver = V1.train.Saver({"w": weight})
        return lambda scaffold, session: saver.restore(session, first.latest_checkpoint())

    second = trained_twice(tmp_path / "second", starting(init_fn=restoring))
    assert second.get_variable_value("w") == 3


def test_variables_start_from_the_checkpoint_that_the_model_function_names(tmp_path: Path) -> None:
    first = trained_twice(tmp_path / "first", starting(init_op=lambda weight, starts: weight.assign(3.0)))

    def model_fn(features: tf.Tensor, mode: str) -> EstimatorSpec:
        weight = V1.get_variable("w", [], initializer=V1.zeros_initializer())
        V1.train.init_from_checkpoint(first.latest_checkpoint(), {"w": weight})
        loss = tf.reduce_mean(weight * features)
        op = V1.train.GradientDescentOptimizer(0.0).minimize(loss, V1.train.get_global_step())
        return EstimatorSpec(mode, loss=loss, train_op=op)

    second = trained_twice(tmp_path / "second", model_fn)
    assert second.get_variable_value("w") == 3
    # Without a checkpoint of its own, and with one of other values.
    assert Estimator(model_fn, tmp_path / "third").evaluate(input_fn, steps=1)["loss"] == 3
    moved = trained_twice(tmp_path / "fourth", starting(init_op=lambda weight, starts: weight.assign(5.0)))
    assert Estimator(model_fn, moved.model_dir).evaluate(input_fn, steps=1)["loss"] == 5
