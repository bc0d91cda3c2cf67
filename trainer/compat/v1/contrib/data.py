"""`tf.contrib.data`, which became `tf.data` and `tf.data.experimental`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from trainer.compat import names

_OWN = {
    "AUTOTUNE": "tensorflow:data.AUTOTUNE",
    "Dataset": "tensorflow:compat.v1.data.Dataset",
    "Iterator": "tensorflow:compat.v1.data.Iterator",
    "TFRecordDataset": "tensorflow:compat.v1.data.TFRecordDataset",
    "TextLineDataset": "tensorflow:compat.v1.data.TextLineDataset",
    "FixedLengthRecordDataset": "tensorflow:compat.v1.data.FixedLengthRecordDataset",
}


def batch_and_drop_remainder(batch_size: int) -> Callable[[Any], Any]:
    """Batches of one size, for `apply`."""
    return lambda dataset: dataset.batch(batch_size, drop_remainder=True)


def padded_batch_and_drop_remainder(batch_size: int, padded_shapes: Any, padding_values: Any = None) -> Any:
    """Padded batches of one size, for `apply`.

    Args:
      batch_size: of each.
      padded_shapes: of the components.
      padding_values: None for zeros.
    """
    return lambda dataset: dataset.padded_batch(batch_size, padded_shapes, padding_values, drop_remainder=True)


def sloppy_interleave(map_func: Any, cycle_length: int, block_length: int = 1) -> Callable[[Any], Any]:
    """Data sets in turns, for `apply`; here in a fixed order.

    Args:
      map_func: gives a data set for an element.
      cycle_length: data sets at a time.
      block_length: elements of one at a time.
    """
    return tf.data.experimental.parallel_interleave(map_func, cycle_length, block_length)


def __getattr__(name: str) -> Any:
    return names.found(__name__, name, _OWN, "compat.v1.data.experimental", {})
