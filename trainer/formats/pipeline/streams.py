"""Examples too many for memory: files that are read again in every epoch."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf

_LINES_AT_ONCE = 1024


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stream(abc.ABC):
    """The files of one part of the data; each format says how an example is written there.

    Attributes:
      paths: the files, in order.
      compressed: for each file whether it is gzip.
      left_out: for each file the numbers, from 1 and ascending, of lines or records that are not read; empty for none.
    """

    paths: tuple[str, ...]
    compressed: tuple[bool, ...]
    left_out: tuple[tuple[int, ...], ...] = ()

    @abc.abstractmethod
    def open_file(self, path: Any, compression: Any, left_out: Any = None) -> tf.data.Dataset:
        """The examples of one file as strings.

        Args:
          path: string [].
          compression: string [].
          left_out: int64 [n], numbers of lines or records that are not read, ascending; None for none.
        """

    @abc.abstractmethod
    def decode(self, examples: Any) -> tuple[dict[str, Any], Any]:
        """Features and labels of a batch of strings [batch]; a fault raises InvalidArgumentError when it runs."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class WindowStream(Stream):
    """Files whose examples are windows of numbers.

    Attributes:
      steps: rows of history in an example.
      horizon: rows to forecast.
      first_values: float64 [rows, columns] of history at the beginning of the files, already read.
      dtype: of the examples that `decode` gives.
    """

    steps: int
    horizon: int
    first_values: np.ndarray = dataclasses.field(compare=False)
    dtype: str = "float32"

    @abc.abstractmethod
    def blocks(self, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """All examples in order without TensorFlow, float64 ([n, steps, columns], [n, horizon, targets]).

        Raises:
          DataError: the first fault, with its place.
        """


def is_among(numbers: Any, ascending: Any) -> Any:
    """Which numbers, int64 [k], are among some others, int64 [n]: bool [k]."""
    import tensorflow as tf

    padded = tf.concat([ascending, [tf.int64.max]], axis=0)
    return tf.gather(padded, tf.searchsorted(ascending, numbers)) == numbers


def lines_of(
    path: Any, compression: Any, left_out: Any = None, keep: Callable[[Any, Any], Any] | None = None
) -> tf.data.Dataset:
    """The lines of a text file, each a string [], without the blank ones.

    Args:
      path: string [].
      compression: string [].
      left_out: int64 [n], numbers of lines that are not read, from 1 and ascending; None for none.
      keep: from lines, string [k], and their numbers, int64 [k], to which of them are wanted, bool [k]; None for all.
    """
    import tensorflow as tf

    def wanted(number: Any, block: Any) -> Any:
        first = number * _LINES_AT_ONCE + 1
        numbers = tf.range(first, first + tf.size(block, out_type=tf.int64))
        mask = tf.strings.length(tf.strings.strip(block)) > 0
        if left_out is not None:
            mask &= ~is_among(numbers, left_out)
        there = tf.squeeze(tf.where(mask), axis=1)  # and not `boolean_mask`, which makes five times the operations
        block = tf.gather(block, there)
        if keep is None:
            return block
        return tf.gather(block, tf.squeeze(tf.where(keep(block, tf.gather(numbers, there))), axis=1))

    lines = tf.data.TextLineDataset(path, compression_type=compression).batch(_LINES_AT_ONCE)
    return lines.enumerate().map(wanted).unbatch()
