"""Windows of a series that are gathered in blocks of rows are those that single rows make."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator.graph.input import stacked_records

ROWS, COLUMNS = 40, 3
SERIES = np.random.default_rng(0).normal(size=(ROWS, COLUMNS)).astype(np.float32)
HELD = tf.constant(SERIES)
STARTS = np.array([[5, 0, 28], [28, 3, 3]], np.int32)
Cut = Callable[[Any], Any]


def forecast(starts: Any) -> Any:
    taken = tf.gather(tf.constant(SERIES), starts[:, tf.newaxis] + tf.range(12))
    return taken[:, :8], taken[:, 8:], taken[:, 2:-4, :]


CUTS: dict[str, Cut] = {
    "history and labels": forecast,
    "a series that is captured": lambda starts: [tf.gather(HELD, tf.range(1, 11) + tf.expand_dims(starts, -1))],
    "a start each": lambda starts: [tf.gather(HELD, starts[0] + tf.range(4)), tf.gather(HELD, starts[1] + [0, 1])],
    "a column": lambda starts: [tf.gather(HELD[:, 1], starts[:, tf.newaxis] + tf.range(6))],
    "an odd length": lambda starts: [tf.gather(HELD, starts[:, tf.newaxis] + tf.range(7))],
    "every other row": lambda starts: [tf.gather(HELD, starts[:, tf.newaxis] + tf.range(0, 12, 2))],
    "part of a window": lambda starts: [tf.gather(HELD, starts[:, tf.newaxis] + tf.range(12))[:, 1:5]],
    "a window backwards": lambda starts: [tf.gather(HELD, starts[:, tf.newaxis] + tf.range(12))[:, ::-1]],
    "a column of windows": lambda starts: [tf.gather(HELD, starts[:, tf.newaxis] + tf.range(12))[:, :, 1]],
    "some windows": lambda starts: [tf.gather(HELD, starts[:, tf.newaxis] + tf.range(12))[1:, :3]],
    "ends": lambda starts: [tf.gather(HELD, starts[:, tf.newaxis] + tf.range(12))[:, -1:]],
}


def on_stack(cut: Cut) -> Any:
    """A function of batches of starts [stack, 3] that is traced from one of starts [3]."""
    function = tf.function(cut, autograph=False).get_concrete_function(tf.TensorSpec([3], tf.int32))
    return tf.function(lambda starts: stacked_records.on_batch(function, [starts]), autograph=False)


@pytest.mark.parametrize("name", CUTS)
def test_windows_are_those_of_single_rows(name: str) -> None:
    expected = [CUTS[name](tf.constant(starts)) for starts in STARTS]
    for at, stacked in enumerate(on_stack(CUTS[name])(tf.constant(STARTS))):
        np.testing.assert_array_equal(stacked, [each[at] for each in expected])


def test_rows_are_copied_in_blocks() -> None:
    made = on_stack(forecast).get_concrete_function(tf.TensorSpec([2, 3], tf.int32))
    tables = {tuple(op.outputs[0].shape) for op in made.graph.get_operations() if op.type == "Const"}
    # In blocks of 8, 4 and 6 rows of 12 bytes, the lengths of the windows: none has 128 bytes.
    assert tables >= {(33, 8 * COLUMNS), (37, 4 * COLUMNS), (35, 6 * COLUMNS)}


@pytest.mark.parametrize("start", [-1, ROWS - 11])
def test_a_window_that_is_not_in_the_series_is_an_error(start: int) -> None:
    for cut in (forecast, CUTS["part of a window"]):
        with pytest.raises(tf.errors.InvalidArgumentError, match="is not in"):
            on_stack(cut)(tf.constant([[0, 1, 2], [3, start, 4]]))
