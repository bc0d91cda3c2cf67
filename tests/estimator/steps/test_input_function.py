"""An input function: what it is called with, and the dataset that comes of whatever it gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf

from trainer.estimator import ModeKeys, RunConfig
from trainer.estimator.steps.input_function import InputFunction


def function(input_fn: Callable[..., Any], params: Any = None, **settings: Any) -> InputFunction:
    return InputFunction(input_fn, params or {}, RunConfig(**settings))


def numbers(count: int = 6) -> tf.data.Dataset:
    return tf.data.Dataset.range(count)


def pairs() -> tf.data.Dataset:
    return numbers().map(lambda number: (number, -number))


def values(dataset: tf.data.Dataset) -> list[Any]:
    return list(dataset.as_numpy_iterator())


def test_it_is_called_with_what_it_takes() -> None:
    seen: list[Any] = []

    def curious(mode: str, params: Any, config: RunConfig, input_context: tf.distribute.InputContext) -> Any:
        seen.append((mode, params, config.tf_random_seed, input_context.num_input_pipelines))
        return numbers()

    curious_function = function(curious, {"size": 3}, tf_random_seed=7)
    curious_function.dataset(ModeKeys.EVAL)
    curious_function.dataset(ModeKeys.TRAIN, tf.distribute.InputContext(num_input_pipelines=4))
    assert seen == [("eval", {"size": 3}, 7, 1), ("train", {"size": 3}, 7, 4)]


def test_what_it_does_to_its_params_is_not_seen_by_the_next_call() -> None:
    counted = function(lambda params: numbers(params.pop("count")), {"count": 2})
    assert [values(counted.dataset(ModeKeys.TRAIN)) for _ in range(2)] == [[0, 1], [0, 1]]


def test_tensors_are_one_batch_for_ever() -> None:
    dataset = function(lambda: [tf.constant([1.0]), tf.constant([2.0])]).dataset(ModeKeys.TRAIN)
    assert [(x.numpy().item(), y.numpy().item()) for x, y in dataset.take(3)] == [(1.0, 2.0)] * 3


def test_labels_are_dropped_where_nothing_asks_for_them() -> None:
    assert values(function(pairs).dataset(ModeKeys.PREDICT)) == [0, 1, 2, 3, 4, 5]
    assert values(function(pairs).dataset(ModeKeys.EVAL))[1] == (1, -1)
    without = function(lambda: ({"x": tf.constant([1.0])}, None)).dataset(ModeKeys.TRAIN)
    assert list(without.element_spec) == ["x"]


def test_several_pipelines_share_what_a_function_without_a_context_gives() -> None:
    contexts = [tf.distribute.InputContext(num_input_pipelines=2, input_pipeline_id=index) for index in range(2)]
    shares = [values(function(numbers).dataset(ModeKeys.TRAIN, context)) for context in contexts]
    assert shares == [[0, 2, 4], [1, 3, 5]]


def test_a_function_that_takes_a_context_shares_by_itself() -> None:
    context = tf.distribute.InputContext(num_input_pipelines=2, input_pipeline_id=1)
    dataset = function(lambda input_context: numbers(3)).dataset(ModeKeys.TRAIN, context)
    assert values(dataset) == [0, 1, 2]


def test_the_seed_of_the_run_repeats_a_shuffle() -> None:
    shuffled = [values(function(lambda: numbers(50).shuffle(50), tf_random_seed=3).dataset("train")) for _ in range(2)]
    assert shuffled[0] == shuffled[1] != list(range(50))


def test_tuples_of_another_length_are_refused() -> None:
    three = function(lambda: numbers().map(lambda number: (number, number, number)))
    with pytest.raises(ValueError) as raised:
        three.dataset(ModeKeys.TRAIN)
    assert str(raised.value) == (
        "The input function gives tuples of 3. It gives features, or (features, labels), or a Dataset of one of those"
    )


def test_an_iterator_is_refused_whose_tensors_would_be_one_batch_for_ever() -> None:
    iterated = function(lambda: tf.compat.v1.data.make_one_shot_iterator(numbers()).get_next())
    with pytest.raises(ValueError, match="Return the Dataset in place of iterator.get_next"):
        iterated.dataset(ModeKeys.TRAIN)
