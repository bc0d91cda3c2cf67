"""A function of batches is known to be one of rows, or it is not taken for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator.graph.input.row_rules import of_rows, on_rows

SPECS = [tf.TensorSpec([None, 4], tf.float32), tf.TensorSpec([None], tf.string), tf.TensorSpec([None], tf.int64)]
FIXED = [tf.TensorSpec([6, *spec.shape[1:]], spec.dtype) for spec in SPECS]
Function = Callable[[Any, Any, Any], Any]

OF_ROWS: dict[str, Function] = {
    "arithmetic": lambda x, t, n: (x * 2.0 - [1.0, 2.0, 3.0, 4.0], tf.cast(n, tf.float32) / 2.0, x + [[1.0]]),
    "texts": lambda x, t, n: (tf.strings.length(t), tf.strings.upper(t), tf.strings.substr(t, 0, 2), t + "!", t == "b"),
    "columns": lambda x, t, n: (x[:, 0], x[:, 1:], x[..., -1], x[:, tf.newaxis], x[:, ::2]),
    "moved": lambda x, t, n: (
        tf.stack([x, x], 1),
        tf.concat([x, x], -1),
        tf.expand_dims(n, -1),
        tf.squeeze(x[:, :1], [1]),
        tf.reshape(x, [-1, 2, 2]),
        tf.transpose(tf.reshape(x, [-1, 2, 2]), [0, 2, 1]),
        *tf.unstack(x, 4, 1),
        *tf.split(x, 2, 1),
        *tf.split(x, [1, 3], 1),
        tf.slice(x, [0, 1], [-1, 2]),
    ),
    "looked up": lambda x, t, n: (
        tf.gather([[1, 2], [3, 4], [5, 6]], n),
        tf.gather(x, [2, 0], axis=1),
        tf.one_hot(n, 3),
    ),
    "decoded": lambda x, t, n: tf.io.decode_csv(tf.strings.join([t, t], ","), [[""], ["none"]]),
    "called": lambda x, t, n: tf.function(lambda one: one + 1.0)(x),
}
OF_BATCHES: dict[str, Function] = {
    "a mean": lambda x, t, n: x - tf.reduce_mean(x, 0),
    "a count": lambda x, t, n: x / tf.cast(tf.shape(x)[0], tf.float32),
    "the first row": lambda x, t, n: x - x[:1],
    "all rows but one": lambda x, t, n: x[1:],
    "every other row": lambda x, t, n: x[::2],
    "backwards": lambda x, t, n: x[::-1],
    "one row": lambda x, t, n: x[0],
    "rows of two": lambda x, t, n: tf.reshape(x, [-1, 2]),
    "turned": lambda x, t, n: tf.transpose(x),
    "below each other": lambda x, t, n: tf.concat([x, x], 0),
    "on each other": lambda x, t, n: tf.stack([x, x]),
    "in two parts": lambda x, t, n: tf.split(x, [2, 4], 0)[0],
    "rows that others name": lambda x, t, n: tf.gather(x, n),
    "a product": lambda x, t, n: tf.matmul(x, tf.ones([4, 2])),
    "a number": lambda x, t, n: tf.constant(3.0),
    "against each other": lambda x, t, n: tf.cast(n, tf.float32) * tf.transpose(x),
    "drawn": lambda x, t, n: x + tf.random.uniform([]),
    "checked": lambda x, t, n: (tf.debugging.assert_less(x, 9.0), x)[1],
    "called": lambda x, t, n: tf.function(lambda one: one - tf.reduce_sum(one))(x),
}


def traced(function: Function, specs: list[tf.TensorSpec] = SPECS) -> Any:
    return tf.function(lambda *batch: tf.nest.flatten(function(*batch)), autograph=False).get_concrete_function(*specs)


@pytest.mark.parametrize("specs", [SPECS, FIXED], ids=["of any size", "of one size"])
@pytest.mark.parametrize("name", OF_ROWS)
def test_a_function_of_rows_gives_in_any_batch_what_it_gives_for_each_row_alone(
    name: str, specs: list[tf.TensorSpec]
) -> None:
    function = traced(OF_ROWS[name], specs)
    assert of_rows(function)
    x = np.random.default_rng(1).normal(size=[11, 4]).astype(np.float32)
    rows = [tf.constant(x), tf.constant(list("abcdefghijk")), tf.constant(np.arange(11) % 3)]
    together = tf.function(lambda *batch: on_rows(function, batch), autograph=False)(*rows)
    alone = [OF_ROWS[name](*(part[at : at + 1] for part in rows)) for at in range(11)]
    for part, *single in zip(together, *map(tf.nest.flatten, alone), strict=True):
        assert part.numpy().tolist() == np.concatenate([one.numpy() for one in single]).tolist()


@pytest.mark.parametrize("name", OF_BATCHES)
def test_what_looks_beside_a_row_or_is_not_known_is_no_function_of_rows(name: str) -> None:
    assert not of_rows(traced(OF_BATCHES[name]))


@pytest.mark.parametrize("function", [lambda x, t, n: x + tf.ones([6, 1]), lambda x, t, n: tf.reshape(x, [6, 2, 2])])
def test_what_names_the_size_of_the_batch_is_no_function_of_rows(function: Function) -> None:
    assert not of_rows(traced(function, FIXED))
