"""Canned Estimators that run under tf.estimator 2.15 and `trainer.estimator`, of TensorFlow 1 and 2, on sine waves."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from benchmarks.model_functions import tf_estimator
from benchmarks.sines import FEATURE, SEQUENCE_LENGTH

Made = Callable[[str, Any, dict[str, Any]], Any]

_NUMBERS = SEQUENCE_LENGTH - 1


def first_version() -> Any:
    """The module of the Estimators of TensorFlow 1."""
    if hasattr(tf, "estimator"):
        return tf.compat.v1.estimator
    from trainer.compat.v1 import estimator

    return estimator


def _numeric() -> Any:
    return tf.feature_column.numeric_column(FEATURE, shape=(_NUMBERS,))


def _buckets() -> Any:
    return tf.feature_column.bucketized_column(_numeric(), [-0.5, 0.0, 0.5])


def _direction() -> Any:
    return tf.feature_column.categorical_column_with_vocabulary_list("direction", ["up", "down"])


def _deep_columns() -> list[Any]:
    return [
        _numeric(),
        tf.feature_column.embedding_column(_direction(), 2),
        tf.feature_column.indicator_column(_direction()),
    ]


def _linear_columns() -> list[Any]:
    return [_buckets(), _direction(), tf.feature_column.crossed_column(["direction", "level"], 10)]


def dnn(module: Any, model_dir: str, config: Any, params: dict[str, Any]) -> Any:
    """A deep network over numbers and an embedding."""
    return module.DNNRegressor([8, 4], _deep_columns(), model_dir, optimizer=params["optimizer"], config=config)


def normalised_dnn(module: Any, model_dir: str, config: Any, params: dict[str, Any]) -> Any:
    """The same with batch normalisation.

    Before it a bias has no gradient but rounding errors, which an optimizer that divides by their size makes steps of;
    numbers are compared under one that does not.
    """
    return module.DNNRegressor(
        [8, 4], _deep_columns(), model_dir, optimizer=params["optimizer"], batch_norm=True, config=config
    )


def linear(module: Any, model_dir: str, config: Any, params: dict[str, Any]) -> Any:
    """A linear model of buckets, a category and a cross of two."""
    return module.LinearRegressor(_linear_columns(), model_dir, optimizer=params["optimizer"], config=config)


def wide_and_deep(module: Any, model_dir: str, config: Any, params: dict[str, Any]) -> Any:
    """Both, with their usual optimizers."""
    del params
    return module.DNNLinearCombinedRegressor(
        model_dir,
        linear_feature_columns=_linear_columns(),
        dnn_feature_columns=_deep_columns(),
        dnn_hidden_units=[8, 4],
        config=config,
    )


def with_categories(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Batches with two strings [batch, 1] besides: where the wave goes, and whether it is high."""

    def add(features: dict[str, tf.Tensor], labels: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        first, last = features[FEATURE][:, 1:2], features[FEATURE][:, -1:]
        direction = tf.where(last > first, tf.fill(tf.shape(last), "up"), tf.fill(tf.shape(last), "down"))
        level = tf.where(first > 0.2, tf.fill(tf.shape(first), "high"), tf.fill(tf.shape(first), "low"))
        return {**features, "direction": direction, "level": level}, labels

    return dataset.map(add)


_KINDS = {"dnn": dnn, "normalised_dnn": normalised_dnn, "linear": linear, "wide_and_deep": wide_and_deep}
CANNED: dict[str, Made] = {
    **{f"{name}_v1": functools.partial(kind, first_version()) for name, kind in _KINDS.items()},
    **{f"{name}_v2": functools.partial(kind, tf_estimator) for name, kind in _KINDS.items()},
}
"""Take a model directory, a RunConfig and params with the name of an `optimizer`."""
