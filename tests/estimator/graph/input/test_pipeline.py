"""Input functions of TensorFlow 1 as pipelines: iterators, what follows get_next(), and what is refused."""

from __future__ import annotations

import collections
import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator.graph.input.pipeline import dataset_of
from trainer.estimator.graph.input.traced import trace_input
from trainer.estimator.graph.inside.lookups import index_table_from_tensor

V1 = tf.compat.v1
Pair = collections.namedtuple("Pair", "first second")


def pipeline(input_fn: Callable[[], Any], seed: int | None = None, hooks: Sequence[Any] = ()) -> tf.data.Dataset:
    return dataset_of(trace_input(input_fn, seed), hooks)


def values(input_fn: Callable[[], Any], seed: int | None = None, hooks: Sequence[Any] = (), most: int = 5) -> list[Any]:
    return list(pipeline(input_fn, seed, hooks).take(most).as_numpy_iterator())


def threes(count: int = 6) -> tf.data.Dataset:
    return V1.data.Dataset.range(count).batch(3)


def following(dataset: tf.data.Dataset) -> Any:
    return V1.data.make_one_shot_iterator(dataset).get_next()


# Iterators


@pytest.mark.parametrize("make", [V1.data.make_one_shot_iterator, V1.data.make_initializable_iterator])
def test_what_follows_get_next_is_computed_of_each_batch(make: Callable[..., Any]) -> None:
    def input_fn() -> Any:
        x = make(threes()).get_next()
        return {"x": x * 2}, x

    (x, y), (other_x, other_y) = values(input_fn)
    assert (x["x"].tolist(), y.tolist()) == ([0, 2, 4], [0, 1, 2])
    assert (other_x["x"].tolist(), other_y.tolist()) == ([6, 8, 10], [3, 4, 5])


def test_the_dataset_of_an_iterator_may_have_been_made_outside() -> None:
    dataset = threes()
    assert np.array(values(lambda: following(dataset))).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_several_iterators_end_with_the_shortest() -> None:
    def input_fn() -> Any:
        first, second = following(threes(9)), following(threes(6).map(tf.negative))
        return {"first": first, "second": second}, first + second

    assert [labels.tolist() for _, labels in values(input_fn)] == [[0, 0, 0]] * 2


def test_a_label_is_taken_out_of_the_dict_that_get_next_gives() -> None:
    def input_fn() -> Any:
        features = following(threes().map(lambda x: {"x": x, "label": -x}))
        return features, features.pop("label")

    features, labels = values(input_fn)[1]
    assert list(features) == ["x"] and labels.tolist() == [-3, -4, -5]


def test_nested_structures_keep_their_kind_and_lists_become_tuples() -> None:
    def input_fn() -> Any:
        x = following(threes())
        return Pair([x, x + 1], {"one": np.float32(1.0)}), None

    element = pipeline(input_fn).element_spec
    assert isinstance(element[0], Pair) and isinstance(element[0].first, tuple)
    assert element[0].second["one"].dtype == tf.float32
    assert element[1] == tf.NoneTensorSpec()


def test_labels_that_a_dataset_has_as_none_stay_none() -> None:
    dataset = tf.data.Dataset.range(6).batch(3).map(lambda x: (x, None))
    assert pipeline(lambda: following(dataset)).element_spec[1] == tf.NoneTensorSpec()


def test_sparse_and_ragged_tensors_and_words_go_through() -> None:
    eye = tf.sparse.from_dense(np.eye(2, dtype=np.int64))
    rows = tf.ragged.constant([[1], [2, 3]])

    def input_fn() -> Any:
        sparse, ragged, words = following(V1.data.Dataset.from_tensor_slices((eye, rows, ["a", "b"])).batch(2))
        return {"sparse": sparse * 2, "ragged": ragged, "words": tf.strings.upper(words)}

    (batch,) = list(pipeline(input_fn))
    assert tf.sparse.to_dense(batch["sparse"]).numpy().tolist() == [[2, 0], [0, 2]]
    assert batch["ragged"].to_list() == [[1], [2, 3]]
    assert batch["words"].numpy().tolist() == [b"A", b"B"]


def test_tables_look_up_before_and_after_get_next() -> None:
    def input_fn() -> Any:
        words = V1.data.Dataset.from_tensor_slices(["b", "a", "z"])
        before, after = index_table_from_tensor(["a", "b"]), index_table_from_tensor(["z"])
        iterator = V1.data.make_initializable_iterator(words.map(lambda word: (word, before.lookup(word))).batch(3))
        V1.add_to_collection(V1.GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
        word, index = iterator.get_next()
        return index, after.lookup(word)

    ((before, after),) = values(input_fn)
    assert (before.tolist(), after.tolist()) == ([1, 0, -1], [-1, -1, 0])


def test_tables_of_a_dataset_that_is_returned_live_as_long_as_it() -> None:
    def input_fn() -> tf.data.Dataset:
        table = index_table_from_tensor(["a", "b"])
        return V1.data.Dataset.from_tensor_slices(["b", "a"]).map(table.lookup)

    assert values(input_fn) == [1, 0]


def test_a_python_function_is_called_in_the_order_of_the_steps() -> None:
    counted: list[int] = []

    def count(_: Any) -> np.int64:
        counted.append(len(counted))
        return np.int64(counted[-1])

    assert values(lambda: V1.py_func(count, [0], tf.int64), most=3) == [0, 1, 2]
    generated = V1.data.Dataset.from_generator(lambda: iter([5, 6]), tf.int64)
    assert values(lambda: following(generated)) == [5, 6]


# What is fed when iterators are initialized


class Initializing(V1.train.SessionRunHook):
    """What programs of TensorFlow 1 feed their arrays by."""

    run: Callable[[Any], Any]

    def after_create_session(self, session: Any, coord: Any) -> None:
        self.run(session)


class Restoring(V1.train.SessionRunHook):
    """Wants a session of the model."""

    def after_create_session(self, session: Any, coord: Any) -> None:
        session.run("save/restore_all")


def test_a_hook_feeds_the_placeholders_of_a_dataset() -> None:
    hook = Initializing()

    def input_fn() -> Any:
        numbers = V1.placeholder(tf.float32, [None])
        scale = V1.placeholder_with_default(10.0, [])
        iterator = V1.data.make_initializable_iterator(V1.data.Dataset.from_tensor_slices(numbers).batch(2))
        hook.run = lambda session: session.run(iterator.initializer, feed_dict={numbers: [1.0, 2.0]})
        return iterator.get_next() * scale

    assert np.array(values(input_fn, hooks=[Restoring(), hook])).tolist() == [[10, 20]]
    with pytest.raises(
        ValueError, match="placeholder Placeholder_1, which nothing feeds.*from_tensor_slices"
    ) as raised:
        pipeline(input_fn, hooks=[Restoring()])
    assert "save/restore_all" in str(raised.value.__cause__)


def test_an_iterator_for_several_datasets_takes_the_one_whose_initializer_is_run() -> None:
    hook = Initializing()

    def input_fn() -> Any:
        iterator = V1.data.Iterator.from_structure(tf.int64, tf.TensorShape([None]))
        first, second = (iterator.make_initializer(threes(count)) for count in (3, 6))
        V1.add_to_collection(V1.GraphKeys.TABLE_INITIALIZERS, first)
        hook.run = lambda session: session.run([second])
        return iterator.get_next()

    assert len(values(input_fn)) == 1
    hook.run = lambda session: None
    assert len(values(input_fn, hooks=[hook])) == 2


# What is computed anew at each step


def test_random_tensors_are_drawn_at_each_step_and_repeat_with_the_seed() -> None:
    def input_fn() -> Any:
        return following(V1.data.Dataset.from_tensor_slices([0.0, 0.0]).repeat()) + tf.random.uniform([])

    drawn = [values(input_fn, seed=3) for _ in range(2)]
    assert drawn[0] == drawn[1] and len(set(drawn[0])) == 5


def test_a_draw_does_not_depend_on_the_ones_before() -> None:
    def input_fn() -> Any:
        return tf.random.normal([2])

    from_the_start, skipped = pipeline(input_fn, seed=1), pipeline(input_fn, seed=1).skip(3)
    third = list(from_the_start.take(4).as_numpy_iterator())[3]
    assert third.tolist() == next(skipped.as_numpy_iterator()).tolist()


def test_what_never_changes_is_computed_once() -> None:
    dataset = pipeline(lambda: ({"x": tf.constant([1.0]) * 2}, None))
    assert dataset.cardinality() == tf.data.INFINITE_CARDINALITY
    assert next(dataset.as_numpy_iterator())[0]["x"].tolist() == [2.0]
    assert "Map" not in str(dataset)


# What is refused


def test_two_elements_of_one_iterator_in_a_step_are_refused() -> None:
    def twice() -> Any:
        iterator = V1.data.make_one_shot_iterator(threes())
        return iterator.get_next(), iterator.get_next()

    def in_a_branch() -> Any:
        iterator = V1.data.make_one_shot_iterator(threes())
        return tf.cond(tf.constant(True), iterator.get_next, lambda: tf.constant([1, 2, 3], tf.int64))

    for input_fn in (twice, in_a_branch):
        with pytest.raises(ValueError, match="once in a step, outside of branches and loops. Call get_next"):
            pipeline(input_fn)


def test_an_iterator_for_several_datasets_is_refused_where_nothing_says_which() -> None:
    def input_fn() -> Any:
        iterator = V1.data.Iterator.from_structure(tf.int64, tf.TensorShape([None]))
        for count in (3, 6):
            iterator.make_initializer(threes(count))
        return iterator.get_next()

    with pytest.raises(ValueError, match="an iterator for 2 datasets, and which of them is meant is not said"):
        pipeline(input_fn)


def test_variables_are_refused() -> None:
    with pytest.raises(ValueError, match="The input function makes a variable, count.*Make the variable in the model"):
        pipeline(lambda: V1.get_variable("count", []) + 1.0)


def test_python_cannot_go_over_a_dataset_in_the_graph() -> None:
    with pytest.raises(RuntimeError, match="only supports Python-style iteration in eager mode"):
        pipeline(lambda: list(threes()))


def test_summaries_are_left_out_with_a_line(caplog: pytest.LogCaptureFixture) -> None:
    def input_fn() -> Any:
        x = following(threes())
        V1.summary.scalar("first", x[0])
        return x

    with caplog.at_level(logging.WARNING, "trainer"):
        assert len(values(input_fn)) == 2
    assert "The input function makes summaries, which are not written." in caplog.text


def test_tensors_of_another_graph_are_refused() -> None:
    with tf.Graph().as_default():
        one = tf.constant(1, name="one")
        with pytest.raises(ValueError, match="uses one:0, which was made outside of it, in a graph of its own."):
            pipeline(lambda: one + 1)
