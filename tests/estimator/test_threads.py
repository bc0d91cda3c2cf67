"""Estimators that train in threads of one process, each as if it were alone, and Keras as it was found."""

from __future__ import annotations

import dataclasses
import functools
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator import Estimator, EstimatorSpec, RunConfig

V1 = tf.compat.v1
ModelFn = Callable[[Any, Any, str], EstimatorSpec]
X = np.random.RandomState(0).uniform(-1, 1, [40, 3]).astype(np.float32)


def batches() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices((X, X.sum(1, keepdims=True))).repeat().batch(10)


def with_keras_layers(features: tf.Tensor, labels: tf.Tensor, mode: str) -> EstimatorSpec:
    hidden = keras.layers.Dense(4, activation="relu", kernel_regularizer="l2")(features)
    hidden = keras.layers.Dropout(0.5)(keras.layers.BatchNormalization()(hidden, training=True), training=True)
    loss = tf.reduce_mean((keras.layers.Dense(1)(hidden) - labels) ** 2)
    loss += tf.add_n(V1.losses.get_regularization_losses())
    weights = V1.trainable_variables()
    train_op = keras.optimizers.Adam(0.01).apply(tf.gradients(loss, weights), weights)
    return EstimatorSpec(mode, loss=loss, train_op=train_op)


def of_version_1(features: tf.Tensor, labels: tf.Tensor, mode: str) -> EstimatorSpec:
    numbers = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(tf.range(-1, 2), [0.0, 1.0, 2.0]), 9.0)
    sign = numbers.lookup(tf.cast(tf.sign(features), tf.int32))
    kernel = V1.get_variable("kernel", [3, 1], initializer=V1.random_normal_initializer())
    out = V1.nn.dropout(tf.concat([features * sign, features], 0), rate=0.3) @ kernel
    loss = tf.reduce_mean((out[:10] - labels) ** 2)
    return EstimatorSpec(mode, loss=loss, train_op=V1.train.AdamOptimizer(0.01).minimize(loss))


def of_many_layers(features: tf.Tensor, labels: tf.Tensor, mode: str) -> EstimatorSpec:
    out = features
    for _ in range(12):
        out = keras.layers.Dense(3, activation="tanh")(out)
    out += keras.random.normal([10, 3], stddev=0.01)
    loss = tf.reduce_mean((keras.layers.Dense(1)(out) - labels) ** 2)
    tf.summary.scalar("loss_seen", loss)
    pairs = zip(tf.gradients(loss, V1.trainable_variables()), V1.trainable_variables(), strict=True)
    return EstimatorSpec(mode, loss=loss, train_op=keras.optimizers.SGD(0.01, momentum=0.9).apply_gradients(pairs))


MODELS: Mapping[str, ModelFn] = {
    "keras layers": with_keras_layers,
    "version 1": of_version_1,
    "many layers": of_many_layers,
}


def trained(model_fn: ModelFn, directory: Path, seed: int | None) -> dict[str, Any]:
    """The values of the variables after three steps, by name."""
    estimator = Estimator(model_fn, str(directory), RunConfig(tf_random_seed=seed, save_summary_steps=1))
    estimator.train(batches, max_steps=3)
    return {name: estimator.get_variable_value(name).tolist() for name in estimator.get_variable_names()}


def at_once(models: Mapping[str, ModelFn], directory: Path, seed: int | None) -> dict[str, dict[str, Any]]:
    """The same for each model, every one in a thread of its own."""
    with ThreadPoolExecutor(len(models)) as threads:
        running = {name: threads.submit(trained, model_fn, directory / name, seed) for name, model_fn in models.items()}
    return {name: training.result() for name, training in running.items()}


def found() -> list[Any]:
    """What a trace could have replaced: everything in the classes that models are built from."""
    kinds = [
        keras.Variable,
        keras.layers.Layer,
        keras.optimizers.Optimizer,
        keras.optimizers.LossScaleOptimizer,
        V1.train.Optimizer,
        V1.data.Dataset,
        tf.lookup.StaticHashTable,
        tf.lookup.KeyValueTensorInitializer,
    ]
    return [(base, dict(vars(base))) for kind in kinds for base in kind.__mro__ if base is not object]


@dataclasses.dataclass(frozen=True)
class Alone:
    """A training alone: the variables after it, what it left of the classes, and whether they were whole in each trace.

    Attributes:
      values: as `trained` gives them.
      before, after: what was `found`.
      inside: for each call of the model function whether it found what was found before.
    """

    values: dict[str, Any]
    before: list[Any]
    after: list[Any]
    inside: list[bool]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Alone]:
    """Trains a model when it is first asked for."""

    @functools.cache
    def train(name: str) -> Alone:
        before, inside = found(), []

        def watching(features: tf.Tensor, labels: tf.Tensor, mode: str) -> EstimatorSpec:
            inside.append(found() == before)
            return MODELS[name](features, labels, mode)

        values = trained(watching, tmp_path_factory.mktemp(name.replace(" ", "_")), 5)
        return Alone(values, before, found(), inside)

    return train


def test_three_threads_train_what_each_would_train_alone(tmp_path: Path, alone: Callable[[str], Alone]) -> None:
    assert at_once(MODELS, tmp_path, 5) == {name: alone(name).values for name in MODELS}


def test_traces_that_run_at_the_same_time_give_their_variables_the_same_names(tmp_path: Path) -> None:
    meet, met = threading.Barrier(3, timeout=120), threading.local()

    def slow(features: tf.Tensor, labels: tf.Tensor, mode: str) -> EstimatorSpec:
        if not hasattr(met, "already"):  # each waits in its first trace until all three are in theirs
            met.already = True
            meet.wait()
        return with_keras_layers(features, labels, mode)

    first, second, third = at_once({name: slow for name in "abc"}, tmp_path, None).values()
    assert list(first) == list(second) == list(third)
    assert {"dense/kernel", "batch_normalization/moving_mean", "adam/learning_rate"} < set(first)


@pytest.mark.parametrize("name", MODELS)
def test_a_training_leaves_the_classes_of_keras_and_tensorflow_as_it_found_them(
    name: str, alone: Callable[[str], Alone]
) -> None:
    assert alone(name).after == alone(name).before
    assert alone(name).inside and all(alone(name).inside)
