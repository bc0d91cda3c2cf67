"""What a step makes of texts is done before XLA's part if it depends on the batch alone, and is the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator import EstimatorSpec, ModeKeys
from trainer.estimator.graph.tracing import TracedModel, trace, training_operations
from trainer.estimator.graph.variables import VariableStore
from trainer.estimator.graph.xla.batch_part import BatchPart, NotDividedError, divided

WORDS = tf.constant(["a", "b", "a", "z"])
NUMBERS = tf.constant([1.0, 2.0, 3.0, 4.0])


def traced(body: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> TracedModel:
    """A model whose loss a body makes of texts [4] and numbers [4]."""

    def model(words: tf.Tensor, numbers: tf.Tensor) -> tuple[EstimatorSpec, None]:
        loss = tf.convert_to_tensor(body(words, numbers))
        return EstimatorSpec(ModeKeys.TRAIN, loss=loss, train_op=tf.no_op()), None

    spec = [tf.TensorSpec([4], tf.string), tf.TensorSpec([4])]
    return trace(model, spec, ModeKeys.TRAIN, VariableStore(1), xla=True)


def part_of(model: TracedModel) -> BatchPart:
    return divided(model, [model.spec.loss], training_operations(model))


def loss_by_parts(model: TracedModel) -> float:
    """The loss of a step whose part without texts XLA compiles."""
    part = part_of(model)
    step = model.prune(model.spec.loss, part.operations, part.feeds, without=part.without)
    made = part.function(WORDS, NUMBERS) if part.function else []
    given = [*([WORDS, NUMBERS][number] for number in part.kept), *made]
    return float(tf.function(step.__call__, jit_compile=True, autograph=False)(*given))


def in_a_vocabulary(words: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a", "b"], [0, 1]), -1)
    weight = tf.Variable([0.5, 2.0])
    ids = table.lookup(tf.strings.lower(words))
    return tf.reduce_sum(tf.where(ids < 0, 0.0, tf.gather(weight, tf.maximum(ids, 0))) * numbers)


def of_words(words: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
    """Through ragged tensors, which become one of a shape that is known."""
    split = tf.strings.split(tf.strings.join([words, words], " ")).to_tensor(shape=[4, 2])
    hashed = tf.strings.to_hash_bucket_fast(split, 5)
    return tf.reduce_sum(tf.one_hot(hashed, 5) * numbers[:, None, None])


def checked(words: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
    fine = tf.raw_ops.Assert(condition=tf.reduce_all(numbers < 5.0), data=[tf.constant("too large")])
    with tf.control_dependencies([fine]):
        return tf.reduce_sum(numbers)


@pytest.mark.parametrize("body", [in_a_vocabulary, of_words, checked, lambda words, numbers: tf.reduce_sum(numbers)])
def test_a_step_in_two_parts_gives_what_the_whole_gives(body: Callable[..., Any]) -> None:
    model = traced(body)
    whole = float(model.prune(model.spec.loss)(WORDS, NUMBERS))
    assert loss_by_parts(model) == pytest.approx(whole, rel=1e-6)


def test_only_the_numbers_that_are_made_of_texts_go_to_the_step() -> None:
    part = part_of(traced(in_a_vocabulary))
    assert [feed.op.type for feed in part.feeds] == ["Placeholder", "LookupTableFindV2"]
    assert part_of(traced(lambda words, numbers: tf.reduce_sum(numbers))).function is None


def test_a_check_of_the_batch_is_made_before_the_step() -> None:
    part = part_of(traced(checked))
    assert part.function is not None
    with pytest.raises(tf.errors.InvalidArgumentError, match="too large"):
        part.function(WORDS, NUMBERS + 9.0)


def of_a_variable(words: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
    weight = tf.Variable([1.0])
    return tf.reduce_sum(tf.strings.to_number(tf.strings.as_string(weight))) + tf.reduce_sum(
        tf.strings.to_number(tf.strings.join([tf.strings.as_string(weight * numbers), words]))
    )


def of_a_changing_table(words: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
    table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
    return tf.reduce_sum(tf.cast(table.lookup(words), tf.float32)) + tf.reduce_sum(numbers)


def of_python(words: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.numpy_function(lambda texts: np.float32(len(texts)), [words], tf.float32)) + numbers[0]


def as_many_as_differ(words: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
    ids = tf.strings.to_hash_bucket_fast(tf.unique(words)[0], 4)
    return tf.reduce_sum(tf.gather(tf.Variable([1.0, 2.0, 3.0, 4.0]), ids)) + numbers[0]


@pytest.mark.parametrize("body", [of_a_variable, of_a_changing_table, of_python, as_many_as_differ])
def test_what_depends_on_more_than_the_batch_or_has_no_shape_is_not_divided(body: Callable[..., Any]) -> None:
    with pytest.raises(NotDividedError):
        part_of(traced(body))
