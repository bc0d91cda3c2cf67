"""Programs for a TPU, off the TPU."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator import EstimatorSpec, tpu

V1 = tf.compat.v1


def input_fn(params: dict[str, Any]) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(np.ones(8, np.float32)).batch(params["batch_size"])


def model_fn(features: tf.Tensor, mode: str, params: dict[str, Any]) -> tpu.TPUEstimatorSpec:
    assert params["use_tpu"] is False
    weight = V1.get_variable("weight", [], initializer=V1.zeros_initializer())
    calls = V1.get_variable("calls", [], initializer=V1.zeros_initializer(), trainable=False)
    loss = tf.reduce_mean(tf.square(weight - features))
    optimizer = tpu.CrossShardOptimizer(V1.train.GradientDescentOptimizer(params["rate"]))
    return tpu.TPUEstimatorSpec(
        mode,
        predictions={"size": tf.fill(tf.shape(features), params["batch_size"])},
        loss=loss,
        train_op=optimizer.minimize(loss, V1.train.get_global_step()),
        eval_metrics=(lambda x, size: {"m": V1.metrics.mean(x * size)}, {"x": features, "size": params["batch_size"]}),
        host_call=(lambda one: [calls.assign_add(tf.reshape(one, []))], [tf.ones([1])]),
    )


def estimator(path: Path, **settings: Any) -> tpu.TPUEstimator:
    config = tpu.RunConfig(path, cluster=None, tpu_config=tpu.TPUConfig(iterations_per_loop=10, num_shards=8))
    sizes = {"train_batch_size": 4, "eval_batch_size": 2, "predict_batch_size": 8}
    return tpu.TPUEstimator(model_fn, config=config, params={"rate": 0.1}, use_tpu=False, **sizes, **settings)


def test_each_mode_has_its_batch_size_and_a_host_call_runs_in_every_step(tmp_path: Path) -> None:
    trained = estimator(tmp_path)
    trained.train(input_fn)
    assert trained.get_variable_value("global_step") == trained.get_variable_value("calls") == 2
    assert trained.evaluate(input_fn)["m"] == 2.0
    assert {row["size"] for row in trained.predict(input_fn)} == {8}
    assert trained.params == {"rate": 0.1}


def test_functions_without_a_mode_or_params_work_too(tmp_path: Path) -> None:
    def plain(features: tf.Tensor, params: dict[str, Any]) -> EstimatorSpec:
        assert params["batch_size"] == 4
        weight = V1.get_variable("weight", [])
        loss = tf.reduce_mean(weight * features)
        return EstimatorSpec("train", loss=loss, train_op=V1.train.AdamOptimizer().minimize(loss))

    tpu.TPUEstimator(plain, tmp_path, use_tpu=False, train_batch_size=4).train(lambda: input_fn({"batch_size": 2}))


def test_a_batch_size_among_the_params_is_refused() -> None:
    with pytest.raises(ValueError, match="params with batch_size, which it sets itself"):
        tpu.TPUEstimator(model_fn, params={"batch_size": 3}, use_tpu=False)


def test_a_tpu_that_is_asked_for_is_said_not_to_be_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "trainer"):
        tpu.TPUEstimator(model_fn, tmp_path)
    assert "There is no TPU here, so it runs as with use_tpu=False" in caplog.text


def test_metrics_that_are_no_pair_are_refused() -> None:
    spec = tpu.TPUEstimatorSpec("eval", loss=tf.constant(1.0), eval_metrics={"m": 1})
    with pytest.raises(TypeError, match="eval_metrics .*. It takes a pair"):
        spec.as_estimator_spec()
