"""Canaries: what a pipeline goes over and calls is known, so that one that depends on the moment is told apart."""

from __future__ import annotations

import tensorflow as tf

from trainer.estimator.graph.inside.live_datasets import is_live


def numbers() -> tf.data.Dataset:
    return tf.data.Dataset.range(8).shuffle(4).map(lambda x: x + 1).batch(2).repeat(2).prefetch(1)


def test_a_pipeline_of_tensorflow_alone_is_not_live() -> None:
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a"], [1]), -1)
    names = numbers().map(lambda x: table.lookup(tf.strings.as_string(x)))
    assert not is_live(tf.data.Dataset.zip(numbers(), names))
    assert not is_live(tf.compat.v1.data.Dataset.range(3).batch(2))


def test_a_pipeline_that_calls_python_is_live_in_whatever_step() -> None:
    def called(x: tf.Tensor) -> tf.Tensor:
        return tf.py_function(lambda y: y, [x], tf.int64)

    assert is_live(numbers().map(called).prefetch(1))
    assert is_live(numbers().map(tf.function(called)))
    assert is_live(tf.data.Dataset.zip(numbers(), tf.data.Dataset.range(3).flat_map(lambda _: numbers().map(called))))
