from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from trainer.formats import serving
from trainer.formats.records.tfrecords import example_class
from trainer.formats.schema import Schema
from trainer.formats.settings import DataFormat


def schema(columns: tuple[str, ...]) -> Schema:
    width = len(columns)
    return Schema(steps=2, columns=columns, horizon=1, targets=columns[:1], mean=(0.0,) * width, scale=(1.0,) * width)


def ask(data_format: DataFormat, columns: tuple[str, ...], asked: list[object]) -> np.ndarray:
    """Feeds the alternative receiver's one tensor, and fetches the dense values."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        features, alternatives = serving.receiver(schema(columns), data_format)
        assert features["values"].shape.as_list() == [None, 2, len(columns)]
        ((_, tensors),) = alternatives.items()
        ((_, placeholder),) = tensors.items()
        return np.asarray(session.run(features["values"], {placeholder: asked}))


def test_rows_of_csv_are_read_row_major() -> None:
    found = ask(DataFormat.SERIES, ("a", "b"), ["1,2,3,4", " 5, 6,7e0,-8"])
    np.testing.assert_array_equal(found, [[[1, 2], [3, 4]], [[5, 6], [7, -8]]])


def test_serialized_examples_are_read_by_column() -> None:
    made = example_class()()
    made.features.feature["a"].float_list.value.extend([1, 2])
    made.features.feature["b"].float_list.value.extend([3, 4])
    np.testing.assert_array_equal(ask(DataFormat.EXAMPLES, ("a", "b"), [made.SerializeToString()]), [[[1, 3], [2, 4]]])


@pytest.mark.parametrize("rows", [["1"], ["1,2,3"], ["1,2", "1"], ["1,x"]])
def test_rows_of_another_width_or_of_text_are_refused(rows: list[object]) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError):
        ask(DataFormat.SEQUENCES, ("value",), rows)


def test_values_far_from_zero_are_asked_for_in_double_precision() -> None:
    far = dataclasses.replace(schema(("value",)), dtype="float64")
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        features, alternatives = serving.receiver(far, DataFormat.SEQUENCES)
        assert features["values"].dtype == tf.float64
        found = session.run(features["values"], {alternatives["csv"]["rows"]: ["1000000000.125,-1000000000.25"]})
    np.testing.assert_array_equal(found, [[[1e9 + 0.125], [-1e9 - 0.25]]])
