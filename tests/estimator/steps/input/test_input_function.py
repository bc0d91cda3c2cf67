"""An input function: what it is called with, and the dataset that comes of whatever it gives."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator import ModeKeys, RunConfig
from trainer.estimator.steps.input.input_function import InputFunction


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


# Functions of TensorFlow 1


def following(dataset: tf.data.Dataset) -> Any:
    return tf.compat.v1.data.make_one_shot_iterator(dataset).get_next()


def test_features_that_are_a_tuple_stay_one_without_their_labels() -> None:
    both = function(lambda: tf.data.Dataset.from_tensors((([1, 2], [3]), [4])))
    ((words, counts), labels), *_ = both.dataset(ModeKeys.PREDICT).as_numpy_iterator()
    assert (list(words), list(counts), labels) == ([1, 2], [3], ())


def test_an_iterators_batches_are_shared_among_pipelines_and_lose_their_labels_like_a_dataset() -> None:
    iterating = function(lambda: following(pairs()))
    assert values(iterating.dataset(ModeKeys.PREDICT)) == [0, 1, 2, 3, 4, 5]
    context = tf.distribute.InputContext(num_input_pipelines=2, input_pipeline_id=1)
    assert values(iterating.dataset(ModeKeys.TRAIN, context)) == [(1, -1), (3, -3), (5, -5)]


def test_a_function_that_cannot_run_eagerly_is_called_in_a_graph() -> None:
    def placing() -> Any:
        return following(numbers(2)) + tf.compat.v1.placeholder_with_default(tf.constant(1, tf.int64), [])

    def initializing() -> Any:
        return tf.compat.v1.data.make_initializable_iterator(numbers(2)).get_next()

    assert values(function(placing).dataset(ModeKeys.TRAIN)) == [1, 2]
    assert values(function(initializing).dataset(ModeKeys.TRAIN)) == [0, 1]


def test_random_tensors_are_drawn_anew_at_each_step() -> None:
    drawing = function(lambda: (tf.random.uniform([2]), None), tf_random_seed=3)
    drawn = [values(drawing.dataset(ModeKeys.TRAIN).take(3)) for _ in range(2)]
    assert np.array_equal(*drawn) and len(np.unique(drawn[0])) == 6


def test_an_iterator_that_a_function_runs_in_a_session_of_its_own_is_left_alone() -> None:
    def counting() -> Any:
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            first = session.run(following(tf.data.Dataset.range(7, 9)))
        return following(numbers(2)) + first

    assert values(function(counting).dataset(ModeKeys.TRAIN)) == [7, 8]


def test_tensors_that_only_eager_code_can_make_stay_the_same_with_a_line(caplog: pytest.LogCaptureFixture) -> None:
    drawn = function(lambda: tf.constant(float(tf.random.uniform([]).numpy())))
    with caplog.at_level(logging.WARNING, "trainer"):
        dataset = drawn.dataset(ModeKeys.TRAIN).take(3)
    assert len(set(values(dataset))) == 1
    assert "The input function gives the same tensors at every step: it cannot run in a graph: " in caplog.text


@pytest.mark.parametrize("made", [np.ones, tf.ones, lambda shape: tf.strings.as_string(tf.range(*shape))])
def test_what_does_not_change_is_asked_for_once(made: Callable[[list[int]], Any]) -> None:
    calls: list[int] = []

    def unchanging() -> Any:
        calls.append(1)
        return {"x": made([2])}, np.zeros([2])

    assert len(values(function(unchanging).dataset(ModeKeys.TRAIN).take(2))) == 2
    assert calls == [1]


def test_an_input_function_ends_after_the_epochs_that_it_limits() -> None:
    dataset = function(lambda: tf.compat.v1.train.limit_epochs(tf.constant([1.0]), 2)).dataset(ModeKeys.TRAIN)
    assert np.array(values(dataset)).tolist() == [[1.0], [1.0]]


def test_a_local_variable_of_ones_own_is_refused() -> None:
    def counting() -> Any:
        local = [tf.compat.v1.GraphKeys.LOCAL_VARIABLES]
        return tf.compat.v1.Variable([1.0], name="epochs", collections=local) + 1.0

    with pytest.raises(ValueError, match="The input function makes a variable, epochs"):
        function(counting).dataset(ModeKeys.TRAIN)


def test_tensors_that_a_keras_layer_makes_eagerly_stay_the_same() -> None:
    def normalizing() -> Any:
        layer = keras.layers.Normalization()
        layer.adapt(np.array([[1.0], [3.0]]))
        return layer(np.array([[3.0]]))

    first, second = values(function(normalizing).dataset(ModeKeys.TRAIN).take(2))
    assert first.item() == second.item() == pytest.approx(1.0)


def test_other_errors_of_a_function_are_its_own() -> None:
    def failing() -> Any:
        raise RuntimeError("no such file")

    with pytest.raises(RuntimeError, match="^no such file$"):
        function(failing).dataset(ModeKeys.TRAIN)
