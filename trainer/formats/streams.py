"""Examples too many for memory: files that are read again in every epoch."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stream(abc.ABC):
    """The files of one part of the data; each format says how an example is written there.

    Attributes:
      paths: the files, in order.
      compressed: for each file whether it is gzip.
      steps: rows of history in an example.
      horizon: rows to forecast.
      first_values: float64 [rows, columns] of history at the beginning of the files, already read.
      left_out: for each file the numbers, from 1 and ascending, of lines or records that are not read; empty for none.
      dtype: of the examples that `decode` gives.
    """

    paths: tuple[str, ...]
    compressed: tuple[bool, ...]
    steps: int
    horizon: int
    first_values: np.ndarray = dataclasses.field(compare=False)
    left_out: tuple[tuple[int, ...], ...] = ()
    dtype: str = "float32"

    @abc.abstractmethod
    def open_file(self, path: Any, compression: Any, left_out: Any = None) -> tf.data.Dataset:
        """The examples of one file as strings.

        Args:
          path: string [].
          compression: string [].
          left_out: int64 [n], numbers of lines or records that are not read, ascending; None for none.
        """

    @staticmethod
    def is_among(numbers: Any, ascending: Any) -> Any:
        """Which numbers, int64 [k], are among some others, int64 [n]: bool [k]."""
        import tensorflow as tf

        padded = tf.concat([ascending, [tf.int64.max]], axis=0)
        return tf.gather(padded, tf.searchsorted(ascending, numbers)) == numbers

    @abc.abstractmethod
    def decode(self, examples: Any) -> tuple[dict[str, Any], Any]:
        """Features and labels of a batch of strings [batch]; a fault raises InvalidArgumentError when it runs."""

    @abc.abstractmethod
    def blocks(self, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """All examples in order without TensorFlow, float64 ([n, steps, columns], [n, horizon, targets]).

        Raises:
          DataError: the first fault, with its place.
        """
