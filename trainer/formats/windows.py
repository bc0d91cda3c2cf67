"""Examples in memory: windows of one table of numbers, cut by position and never written out side by side."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator

import numpy as np


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Windows:
    """Example i is rows [first_value + i · value_stride, + steps) of `values` and rows [first_label + i · label_stride,
    + horizon) of `labels`.

    Windows of a series overlap (stride 1, both tables the same); sequences and examples lie one after another.

    Attributes:
      values: float64 [rows, columns], finite in float32.
      labels: float64 [rows, targets], finite in float32.
      count: how many examples there are.
      steps: rows of history in an example.
      horizon: rows to forecast.
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
        return (
            self.values[_rows(index, self.first_value, self.value_stride, self.steps)],
            self.labels[_rows(index, self.first_label, self.label_stride, self.horizon)],
        )

    def blocks(self, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """All examples in order, about `size` at a time, as `take` gives them."""
        for start in range(0, self.count, size):
            yield self.take(start, start + size)


def _rows(index: np.ndarray, first: int, stride: int, length: int) -> np.ndarray:
    return first + index[:, None] * stride + np.arange(length)


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
