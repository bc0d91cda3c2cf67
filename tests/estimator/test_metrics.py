"""Metrics added from outside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator import Estimator, EstimatorSpec, RunConfig, add_metrics

V1 = tf.compat.v1


def model_fn(features: Any, labels: Any, mode: str, params: Any) -> EstimatorSpec:
    weight = tf.Variable(params["start"], name="w")
    predicted = weight * features["x"]
    loss = tf.reduce_mean(tf.square(predicted - labels))
    train_op = V1.train.GradientDescentOptimizer(0.1).minimize(loss)
    return EstimatorSpec(mode, {"y": predicted}, loss, train_op, {"mean": V1.metrics.mean(predicted)})


def input_fn() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors(({"x": np.float32([1, 2])}, np.float32([2, 4]))).repeat(2)


@pytest.fixture(scope="module")
def estimator(tmp_path_factory: pytest.TempPathFactory) -> Estimator:
    directory = tmp_path_factory.mktemp("metrics")
    return Estimator(model_fn, directory, RunConfig(tf_random_seed=1), {"start": 1.0})


def test_a_metric_is_added_of_whatever_it_takes(estimator: Estimator) -> None:
    def metric_fn(features: Any, labels: Any, predictions: Any, config: RunConfig) -> dict[str, Any]:
        mean = keras.metrics.Mean(name="m")
        mean.update_state(labels - predictions["y"])
        return {"bias": mean, "seed": V1.metrics.mean(tf.constant(float(config.tf_random_seed or 0)) * features["x"])}

    results = add_metrics(estimator, metric_fn).evaluate(input_fn)
    assert {name: float(value) for name, value in results.items()} == pytest.approx(
        {"bias": 1.5, "loss": 2.5, "mean": 1.5, "seed": 1.5, "global_step": 0}
    )


def test_a_metric_of_the_same_name_takes_the_place_of_the_models(estimator: Estimator) -> None:
    changed = add_metrics(estimator, lambda labels: {"mean": V1.metrics.mean(labels)})
    assert changed.evaluate(input_fn)["mean"] == pytest.approx(3.0)


def test_metrics_are_added_one_after_the_other_and_training_goes_on(estimator: Estimator, tmp_path: Path) -> None:
    own = Estimator(model_fn, tmp_path, params={"start": 1.0})
    first = add_metrics(own, lambda labels: {"first": V1.metrics.mean(labels)})
    second = add_metrics(first, lambda labels: {"second": V1.metrics.mean(2.0 * labels)})
    second.train(input_fn)
    results = second.evaluate(input_fn)
    assert {"first", "second", "mean", "loss"} < set(results)
    assert (second.model_dir, second.get_variable_value("global_step")) == (str(tmp_path), 2)


def test_a_metric_function_that_takes_something_else_is_an_error(estimator: Estimator) -> None:
    with pytest.raises(ValueError, match="metric_fn takes mode. It may take config, features, labels, predictions"):
        add_metrics(estimator, lambda mode: {})
