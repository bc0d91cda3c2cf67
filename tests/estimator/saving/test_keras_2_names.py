"""Directories that Keras 2 wrote are read by models of Keras 3, whose variables have other names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator import Estimator, EstimatorSpec

KERNEL, BIAS, SLOT = np.array([[2.0]]), np.array([3.0]), np.array([[4.0]])
OLD = {
    "dense/kernel": KERNEL,
    "dense/bias": BIAS,
    "dense/kernel/Momentum": SLOT,
    "dense/bias/Momentum": BIAS,
}


def model_fn(features: Any, labels: Any, mode: str) -> EstimatorSpec:
    model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1), keras.layers.Dropout(0.5)])
    loss = tf.reduce_mean((model(features, training=True) - labels) ** 2)
    optimizer = tf.compat.v1.train.MomentumOptimizer(0.0, 0.9)
    return EstimatorSpec(mode, loss=loss, train_op=optimizer.minimize(loss, tf.compat.v1.train.get_global_step()))


def input_fn() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors((np.ones((2, 1), np.float32),) * 2).repeat()


def written(directory: Path, values: dict[str, Any]) -> str:
    """A directory with a checkpoint of step 5, as the Saver of TensorFlow 1 writes it."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        for name, value in values.items():
            tf.compat.v1.get_variable(name, initializer=value.astype(np.float32))
        tf.compat.v1.get_variable("global_step", initializer=np.int64(5))
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, str(directory / "model.ckpt"), global_step=5)
    return str(directory)


def test_a_sequential_model_goes_on_where_keras_2_stopped(tmp_path: Path) -> None:
    estimator = Estimator(model_fn, written(tmp_path, OLD)).train(input_fn, max_steps=6)
    assert estimator.get_variable_value("global_step") == 6
    np.testing.assert_array_equal(estimator.get_variable_value("sequential/dense/kernel"), KERNEL)
    assert estimator.get_variable_value("sequential/dense/kernel/Momentum") != SLOT  # it took part in the step
    state = estimator.get_variable_value("seed_generator/seed_generator_state")
    assert state[0] != 0


def test_a_checkpoint_of_another_model_is_refused_as_ever(tmp_path: Path) -> None:
    directory = written(tmp_path, {name.replace("dense", "other"): value for name, value in OLD.items()})
    with pytest.raises(ValueError, match="lacks .*sequential/dense/bias"):
        Estimator(model_fn, directory).train(input_fn, max_steps=6)
