"""Canaries: what a dataset begins with is read from TensorFlow's own attributes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tensorflow as tf

from trainer.estimator.graph.inside.sources import files_of, slices_of

NAMES = ["a.csv", "b.csv"]
KNOWN: dict[str, Callable[[], tf.data.Dataset]] = {
    "lines": lambda: tf.data.TextLineDataset(NAMES),
    "lines, compressed": lambda: tf.data.TextLineDataset(NAMES, compression_type="GZIP", buffer_size=1 << 16),
    "records": lambda: tf.data.TFRecordDataset(NAMES),
    "lines of version 1": lambda: tf.compat.v1.data.TextLineDataset(NAMES),
    "flat": lambda: tf.data.Dataset.from_tensor_slices(NAMES).flat_map(tf.data.TextLineDataset),
    "flat, without headers": lambda: tf.data.Dataset.from_tensor_slices(NAMES).flat_map(
        lambda name: tf.data.TextLineDataset(name).skip(1)
    ),
}
UNKNOWN: dict[str, Callable[[], tf.data.Dataset]] = {
    "names drawn": lambda: tf.data.TextLineDataset(tf.data.Dataset.from_tensor_slices(NAMES).shuffle(2)),
    "names repeated": lambda: tf.data.TextLineDataset(tf.data.Dataset.from_tensor_slices(NAMES).repeat(2)),
    "read side by side": lambda: tf.data.TextLineDataset(NAMES, num_parallel_reads=2),
    "lines drawn": lambda: tf.data.Dataset.from_tensor_slices(NAMES).flat_map(
        lambda name: tf.data.TextLineDataset(name).shuffle(9)
    ),
    "no files": lambda: tf.data.Dataset.from_tensor_slices(NAMES).flat_map(tf.data.Dataset.from_tensors),
    "numbers": lambda: tf.data.Dataset.range(3),
}


@pytest.mark.parametrize("kind", KNOWN)
def test_files_that_are_read_in_order_are_named(kind: str) -> None:
    assert files_of(KNOWN[kind]()) == NAMES


@pytest.mark.parametrize("kind", UNKNOWN)
def test_nothing_is_said_of_files_in_an_order_that_may_change(kind: str) -> None:
    assert files_of(UNKNOWN[kind]()) is None


def test_arrays_that_are_gone_over_are_given() -> None:
    rows = {"x": [[1.0], [2.0]], "y": ["a", "b"]}
    for made in (tf.data.Dataset, tf.compat.v1.data.Dataset):
        found = slices_of(made.from_tensor_slices(rows))
        assert found is not None
        assert [part.numpy().tolist() for part in found] == [[[1.0], [2.0]], [b"a", b"b"]]


def test_nothing_is_said_of_other_sources_or_of_values_that_come_later() -> None:
    assert slices_of(tf.data.Dataset.range(3)) is None
    assert slices_of(tf.data.Dataset.from_tensor_slices(tf.ragged.constant([[1], [2, 3]]))) is None
    with tf.Graph().as_default():
        assert slices_of(tf.compat.v1.data.Dataset.from_tensor_slices(tf.zeros([3]))) is None
