"""Input functions over arrays and data frames in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator import inputs


class Column(list[Any]):
    """As much of a pandas series as is asked for."""

    index = range(3)

    def to_numpy(self) -> np.ndarray:
        return np.asarray(self)


class Frame(dict[str, Column]):
    """As much of a pandas data frame as is asked for."""

    index = type("Index", (), {"equals": lambda self, other: other == range(3)})()


def batches(input_fn: Any) -> list[Any]:
    return list(input_fn().as_numpy_iterator())


def test_batches_go_over_from_one_epoch_into_the_next() -> None:
    function = inputs.numpy_input_fn({"x": np.arange(3)}, np.arange(3) * 10, batch_size=2, num_epochs=2, shuffle=False)
    made = batches(function)
    assert [features["x"].tolist() for features, _ in made] == [[0, 1], [2, 0], [1, 2]]
    assert [labels.tolist() for _, labels in made] == [[0, 10], [20, 0], [10, 20]]


def test_features_alone_and_labels_by_name_are_taken() -> None:
    assert [batch.tolist() for batch in batches(inputs.numpy_input_fn(np.arange(2), shuffle=False))] == [[0, 1]]
    (batch,) = batches(inputs.numpy_input_fn(np.arange(2), {"y": np.arange(2)}, shuffle=False))
    assert batch[1]["y"].tolist() == [0, 1]


def test_every_example_comes_once_in_an_epoch_that_is_shuffled() -> None:
    made = np.concatenate(batches(inputs.numpy_input_fn(np.arange(5000), batch_size=999, shuffle=True)))
    assert sorted(made) == list(range(5000))
    assert made.tolist() != sorted(made)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": [1, 2]}, "numpy_input_fn was given shuffle=None. It takes True or False"),
        ({"x": None, "shuffle": True}, "numpy_input_fn was given no x"),
        ({"x": {}, "shuffle": True}, "numpy_input_fn was given an empty dict as x"),
        ({"x": [1], "y": {}, "shuffle": True}, "numpy_input_fn was given an empty dict as y"),
        ({"x": [1, 2], "y": [1], "shuffle": True}, "numpy_input_fn was given arrays of [2, 1] examples"),
    ],
)
def test_what_cannot_be_batches_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError) as raised:
        inputs.numpy_input_fn(**arguments)
    assert message in str(raised.value)


def test_the_columns_of_a_frame_are_the_features() -> None:
    frame = Frame(x=Column([1, 2, 3]))
    (batch,) = batches(inputs.pandas_input_fn(frame, shuffle=False))
    assert batch["x"].tolist() == [1, 2, 3]
    labelled = inputs.pandas_input_fn(frame, Column([4, 5, 6]), shuffle=False)
    ((_, labels),) = batches(labelled)
    assert labels.tolist() == [4, 5, 6]
    with pytest.raises(ValueError, match="a column 'x', which is the name of the labels"):
        inputs.pandas_input_fn(frame, Column([4, 5, 6]), shuffle=False, target_column="x")


def test_labels_of_other_rows_are_refused() -> None:
    other = Column([4, 5, 6])
    other.index = range(1, 4)
    with pytest.raises(ValueError, match="x and y with different indexes"):
        inputs.pandas_input_fn(Frame(x=Column([1, 2, 3])), other, shuffle=False)


def test_a_caller_in_a_graph_takes_the_tensors_of_the_next_batch() -> None:
    function = inputs.numpy_input_fn({"x": np.arange(4)}, np.arange(4) * 10, batch_size=2, shuffle=False)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        features, labels = function()
        seen = [session.run((features["x"], labels)) for _ in range(2)]
        with pytest.raises(tf.errors.OutOfRangeError):
            session.run(labels)
    np.testing.assert_array_equal(seen, [([0, 1], [0, 10]), ([2, 3], [20, 30])])
