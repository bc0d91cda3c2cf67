"""The steps of pipelines are read from TensorFlow's own attributes, and made again from them."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf

from trainer.estimator.graph.inside import datasets

STEPS: dict[str, Callable[[tf.data.Dataset], tf.data.Dataset]] = {
    "repeat": lambda data: data.repeat(3),
    "for ever": lambda data: data.repeat(),
    "take": lambda data: data.take(4),
    "skip": lambda data: data.skip(4),
    "shard": lambda data: data.shard(3, 2),
    "prefetch": lambda data: data.prefetch(tf.data.AUTOTUNE),
    "options": lambda data: data.with_options(tf.data.Options()),
    "shuffle": lambda data: data.shuffle(4, 7),
    "shuffle once": lambda data: data.shuffle(4, 7, reshuffle_each_iteration=False).repeat(2),
    "shuffle and repeat": lambda data: data.apply(tf.data.experimental.shuffle_and_repeat(4, 2, seed=3)),
    "map": lambda data: data.map(lambda one: one + 1),
    "parallel map": lambda data: data.map(lambda one: {"x": one}, num_parallel_calls=2),
    "batch": lambda data: data.batch(3),
    "full batches": lambda data: data.batch(3, drop_remainder=True),
    "parallel batch": lambda data: data.batch(3, num_parallel_calls=2),
}


def values(dataset: tf.data.Dataset) -> Any:
    return [tf.nest.map_structure(lambda part: part.tolist(), one) for one in dataset.take(30).as_numpy_iterator()]


def test_a_dataset_of_which_other_things_are_known_keeps_the_one_that_calls_python() -> None:
    called = tf.data.Dataset.range(3).map(lambda one: tf.numpy_function(lambda n: n + 1, [one], tf.int64))
    alive, repeated = weakref.ref(called), datasets.respecified(called, tf.TensorSpec([], tf.int64)).repeat(2)
    del called
    gc.collect()
    assert alive() is not None
    assert values(repeated) == [1, 2, 3, 1, 2, 3]


@pytest.mark.parametrize("name", STEPS)
def test_a_step_is_made_again_over_what_it_goes_over(name: str) -> None:
    dataset = STEPS[name](tf.data.Dataset.range(11))
    (step,) = datasets.steps_of(dataset)
    again = step.again(step.before)
    assert again.element_spec == dataset.element_spec
    assert values(again) == values(dataset)


def test_what_a_step_is() -> None:
    batch, mapped = datasets.steps_of(
        tf.data.Dataset.range(11).apply(
            tf.data.experimental.map_and_batch(lambda one: (one, -one), 3, drop_remainder=True)
        )
    )
    assert batch.batches and not mapped.batches
    assert values(batch.again(batch.before)) == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert [part.numpy().tolist() for part in mapped.function(tf.constant(3, tf.int64))] == [3, -3]
    assert mapped.structure == (tf.TensorSpec([], tf.int64), tf.TensorSpec([], tf.int64))
    (shuffle,) = datasets.steps_of(tf.data.Dataset.range(11).shuffle(5))
    assert shuffle.shuffled == 5
    assert datasets.steps_of(tf.data.Dataset.range(11)) == datasets.steps_of(tf.data.Dataset.range(11).cache()) == []


def test_a_dataset_of_version_1_is_unwrapped() -> None:
    wrapped = tf.compat.v1.data.Dataset.range(11).map(lambda one: one + 1)
    assert datasets.unwrapped(wrapped) is not wrapped
    assert values(datasets.unwrapped(wrapped)) == values(wrapped)
    (step,) = datasets.steps_of(wrapped)
    assert values(step.before) == list(range(11))


def test_a_shuffle_in_a_graph_of_version_1_is_made_again() -> None:
    with tf.Graph().as_default():
        (step,) = datasets.steps_of(tf.compat.v1.data.Dataset.range(11).shuffle(4, 7))
        made = tf.data.experimental.to_variant(step.again(step.before))
    assert made.op.type == "ShuffleDataset"
