"""TensorFlow tells a thread which ops it has run eagerly, and where Python functions begin."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf

from trainer.estimator.graph.inside import eager_ops

CHANGING: dict[str, Callable[[], Any]] = {
    "random": lambda: tf.random.normal([2]),
    "random of a shape that is a tensor": lambda: tf.random.uniform(tf.constant([2])),
    "numpy_function": lambda: tf.numpy_function(lambda: 1.0, [], tf.float64),
    "py_function": lambda: tf.py_function(lambda: 1.0, [], tf.float32),
    "py_func": lambda: tf.compat.v1.py_func(lambda: 1.0, [], tf.float64),
    "variable": lambda: tf.Variable(1.0) + 1.0,
    "clock": tf.timestamp,
    "iterator": lambda: next(iter(tf.data.Dataset.range(2))),
    "function": lambda: tf.function(lambda: tf.random.normal([2]))(),
    "table": lambda: tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a"], [1]), 0).lookup(
        tf.constant("a")
    ),
}
SAME: dict[str, Callable[[], Any]] = {
    "numbers": lambda: tf.constant([1.0, 2.0]) * 2 + tf.ones([2]),
    "strings": lambda: tf.strings.split(["a b"]).to_sparse(),
    "stateless random": lambda: tf.random.stateless_normal([2], [1, 2]),
}


@pytest.mark.parametrize("run", CHANGING.values(), ids=CHANGING)
def test_what_may_change_is_noticed(run: Callable[[], Any]) -> None:
    with eager_ops.changing() as found:
        run()
    assert found


@pytest.mark.parametrize("run", SAME.values(), ids=SAME)
def test_what_stays_the_same_is_not(run: Callable[[], Any]) -> None:
    with eager_ops.changing() as found:
        run()
    assert not found


def test_each_thread_is_told_of_its_own_ops_as_long_as_it_asks() -> None:
    begun, drawn = threading.Event(), threading.Event()
    found_there: list[list[str]] = []

    def there() -> None:
        with eager_ops.changing() as found:
            begun.set()
            drawn.wait(60)
            tf.zeros([2]) + 1.0
        found_there.append(found)

    thread = threading.Thread(target=there)
    with eager_ops.changing() as found:
        thread.start()
        assert begun.wait(60)
    tf.random.normal([2])
    drawn.set()
    thread.join()
    assert (found, found_there) == ([], [[]])
