"""Examples in memory: windows of one table of numbers, cut by position and never written out side by side."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from trainer.formats.pipeline.held import Held


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Windows(Held):
    """Example i is rows [first_value + i · value_stride, + steps) of `values` and rows [first_label + i · label_stride,
    + horizon) of `labels`.

    Windows of a series overlap (stride 1, both tables the same); sequences and examples lie one after another. Where
    some windows are left out, `starts` says where each of the others begins.

    Attributes:
      values: float64 [rows, columns], finite in float32; nan in rows that no example touches.
      labels: float64 [rows, targets], likewise.
      count: how many examples there are.
      steps: rows of history in an example.
      horizon: rows to forecast.
      starts: int64 [count], the first row of each example in both tables; its labels are `steps` rows later. None where
        the examples follow from the strides.
      dtype: of the examples that a pipeline gives.
    """

    values: np.ndarray
    labels: np.ndarray
    count: int
    steps: int
    horizon: int
    first_value: int = 0
    first_label: int = 0
    value_stride: int = 1
    label_stride: int = 1
    starts: np.ndarray | None = None
    dtype: str = "float32"

    @functools.cached_property
    def typed_values(self) -> np.ndarray:
        """`values` as `dtype`."""
        return self.values.astype(self.dtype)

    @functools.cached_property
    def typed_labels(self) -> np.ndarray:
        """`labels` as `dtype`."""
        return self.typed_values if self.labels is self.values else self.labels.astype(self.dtype)

    def take(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """float64 ([n, steps, columns], [n, horizon, targets]) of the examples `start` to `stop`."""
        index = np.arange(start, min(stop, self.count))
        if self.starts is not None:
            firsts = self.starts[index], self.starts[index] + self.steps
        else:
            firsts = self.first_value + index * self.value_stride, self.first_label + index * self.label_stride
        return self.values[_rows(firsts[0], self.steps)], self.labels[_rows(firsts[1], self.horizon)]

    def blocks(self, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """All examples in order, about `size` at a time, as `take` gives them."""
        for start in range(0, self.count, size):
            yield self.take(start, start + size)

    @property
    def floats(self) -> int:
        return int(self.steps * self.values.shape[1] + self.horizon * self.labels.shape[1])

    def gatherer(self) -> Any:
        """From integers [n], examples, to ({"values": [n, steps, columns]}, [n, horizon, targets]) of `dtype`."""
        import tensorflow as tf

        values = tf.constant(self.typed_values)
        labels = values if self.labels is self.values else tf.constant(self.typed_labels)
        if self.starts is not None:
            starts = tf.constant(self.starts)

            def gather_from(index: Any) -> Any:
                first = tf.gather(starts, index)
                history = _rows_from(values, first, self.steps)
                return {"values": history}, _rows_from(labels, first + self.steps, self.horizon)

            return gather_from

        def gather(index: Any) -> Any:
            history = _cut(values, index, self.first_value, self.value_stride, self.steps)
            return {"values": history}, _cut(labels, index, self.first_label, self.label_stride, self.horizon)

        return gather


def _rows(firsts: np.ndarray, length: int) -> np.ndarray:
    return np.asarray(firsts[:, None] + np.arange(length))


def of_rows(rows: np.ndarray, steps: int, horizon: int) -> Windows:
    """Each row is an example: `steps` values of history, then `horizon` labels.

    Args:
      rows: float64 [count, steps + horizon].
    """
    length = steps + horizon
    table = rows.reshape(-1, 1)
    return Windows(
        values=table,
        labels=table,
        count=len(rows),
        steps=steps,
        horizon=horizon,
        first_label=steps,
        value_stride=length,
        label_stride=length,
    )


def _cut(table: Any, index: Any, first: int, stride: int, length: int) -> Any:
    """Rows [first + index · stride, + length) of the table, [n, length, columns]."""
    import tensorflow as tf

    if first + length <= stride:  # Examples lie one after another: whole ones are copied at once.
        return tf.gather(tf.reshape(table, [-1, stride, table.shape[1]]), index)[:, first : first + length]
    return _rows_from(table, tf.cast(index, tf.int64) * stride + first, length)


def _rows_from(table: Any, first: Any, length: int) -> Any:
    """Rows [first, + length) of the table for each of `first`, int64 [n]: [n, length, columns]."""
    import tensorflow as tf

    return tf.gather(table, first[:, tf.newaxis] + tf.range(length, dtype=tf.int64))
