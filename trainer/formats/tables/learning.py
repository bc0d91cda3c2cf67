"""What one pass over the rows learns of each column, in memory that does not grow with the rows."""

from __future__ import annotations

import collections
import math
from collections.abc import Sequence

import numpy as np

MOST_VALUES = 200_000
"""Different values of a category that are counted at a time; the rarest of more are forgotten."""
_SAMPLE, _SAMPLE_VALUES = 65_536, 1 << 22
"""Rows drawn at random, whose median counts, fewer where that would be too many numbers; of fewer rows it is exact."""
_MOVED_VALUES = 1 << 17
_FEWEST_ROWS = 100
_CONSTANT = 8 * float(np.finfo(np.float64).eps)


class NumberCounts:
    """Columns of numbers so far, counted together: a call for each of hundreds would take longer than the sums.

    Args:
      columns: how many there are.
      seed: of the samples for the medians.
    """

    def __init__(self, columns: int, seed: int = 0) -> None:
        self._count, self._blanks = np.zeros(columns, np.int64), np.zeros(columns, np.int64)
        self._mean, self._squares = np.zeros(columns), np.zeros(columns)
        self._low, self._high = np.full(columns, math.inf), np.full(columns, -math.inf)
        self._random = np.random.default_rng(seed)
        self._size = max(1, min(_SAMPLE, _SAMPLE_VALUES // max(1, columns)))
        self._rows = _Sample(self._size, (columns,))
        self._of_column: dict[int, _Sample] = {}

    def add(self, values: np.ndarray) -> None:
        """Counts further values, float64 [rows, columns], nan for blanks (Chan, Golub and LeVeque 1979)."""
        if not values.size:
            return
        blank = np.isnan(values)
        blanks = blank.sum(axis=0) if blank.any() else np.zeros_like(self._blanks)
        known, total = len(values) - blanks, self._count + len(values) - blanks
        mean = (np.where(blank, 0.0, values) if blanks.any() else values).sum(axis=0) / np.maximum(known, 1)
        apart = np.where(blank, 0.0, values - mean) if blanks.any() else values - mean
        shift, share = mean - self._mean, known / np.maximum(total, 1)
        self._squares += np.einsum("rc,rc->c", apart, apart) + shift * shift * self._count * share
        self._mean += shift * share
        self._count, self._blanks = total, self._blanks + blanks
        self._low = np.minimum(self._low, np.nanmin(values, axis=0, initial=math.inf))
        self._high = np.maximum(self._high, np.nanmax(values, axis=0, initial=-math.inf))
        self._draw(values, blank, np.flatnonzero(blanks).tolist())

    def _draw(self, values: np.ndarray, blank: np.ndarray, with_blanks: Sequence[int]) -> None:
        """Keeps the values with the smallest of random keys, so that each has the same chance.

        A row is drawn for all columns, up to the first blank of a column, which has a sample of its own from then on.

        Args:
          values: float64 [rows, columns].
          blank: bool [rows, columns].
          with_blanks: the columns that have one here.
        """
        for column in with_blanks:
            if column not in self._of_column:
                self._of_column[column] = self._rows.of(column)
        keys = self._random.random(len(values))
        self._rows.add(keys, values)
        for column, sample in self._of_column.items():
            known = ~blank[:, column]
            sample.add(keys[known], values[known, column])

    def learnt(self, column: int) -> dict[str, float]:
        """Mean, scale and median, and whether there were blanks; of no value at all 0, 1 and 0."""
        count, blanks = int(self._count[column]), float(self._blanks[column] > 0)
        if not count:
            return {"mean": 0.0, "scale": 1.0, "median": 0.0, "blanks": blanks}
        low, high = float(self._low[column]), float(self._high[column])
        constant = high - low <= max(abs(high), abs(low)) * _CONSTANT
        own = self._of_column.get(column)
        sample = self._rows.values()[:, column] if own is None else own.values()
        return {
            "mean": float(self._mean[column]),
            "scale": 1.0 if constant else math.sqrt(self._squares[column] / count),
            "median": float(np.median(sample)),
            "blanks": blanks,
        }


class _Sample:
    """What has the smallest keys so far, in memory that is taken once.

    Pieces that are joined again and again would leave holes between what lives longer, several times the sample.

    Args:
      size: how much of it.
      shape: of one value.
    """

    def __init__(self, size: int, shape: tuple[int, ...]) -> None:
        self._size, self._limit, self._count = size, math.inf, 0
        room = size + size // 2  # cut when it is full, for that moves all of it
        self._keys, self._values = np.empty(room + 1), np.empty((room + 1, *shape))

    def add(self, keys: np.ndarray, values: np.ndarray) -> None:
        """Takes further values [n, …] with their keys, float64 [n]."""
        if self._limit < math.inf:
            chosen = keys < self._limit
            keys, values = keys[chosen], values[chosen]
        while len(keys):
            place = slice(self._count, min(self._count + len(keys), len(self._keys)))
            taken = place.stop - place.start
            self._keys[place], self._values[place] = keys[:taken], values[:taken]
            keys, values, self._count = keys[taken:], values[taken:], place.stop
            if self._count == len(self._keys):
                self._cut()

    def values(self) -> np.ndarray:
        """The sample [n, …], which further values change."""
        self._cut()
        return self._values[: self._count]

    def of(self, column: int) -> _Sample:
        """Of rows the sample of one column."""
        found = _Sample(self._size, ())
        found._limit, found._count = self._limit, self._count
        found._keys[: self._count] = self._keys[: self._count]
        found._values[: self._count] = self._values[: self._count, column]
        return found

    def _cut(self) -> None:
        """Moves what has the smallest keys to the front, in their order, and forgets the rest."""
        if self._count <= self._size:
            return
        kept = np.sort(np.argpartition(self._keys[: self._count], self._size)[: self._size])
        step = max(1, _MOVED_VALUES // max(1, self._values[0].size))
        for first in range(0, self._size, step):
            chosen = kept[first : first + step]  # at their places to be, or behind them
            place = slice(first, first + len(chosen))
            self._keys[place], self._values[place] = self._keys[chosen], self._values[chosen]
        self._limit, self._count = float(self._keys[: self._size].max()), self._size


class CategoryCounts:
    """A column of texts so far."""

    def __init__(self) -> None:
        self.count = 0
        self.forgotten = False
        self._counts: collections.Counter[str] = collections.Counter()

    def add(self, values: Sequence[str]) -> None:
        """Counts further values; "" is a blank."""
        self.count += len(values)
        self._counts.update(values)
        if len(self._counts) > 2 * MOST_VALUES:
            self._counts = collections.Counter(dict(self._counts.most_common(MOST_VALUES)))
            self.forgotten = True

    @property
    def distinct(self) -> int:
        """How many values there are, a blank among them."""
        return len(self._counts)

    @property
    def values(self) -> list[str]:
        """All values but blanks, the most frequent first, and equally frequent ones by themselves."""
        known = [(value, count) for value, count in self._counts.items() if value]
        return [value for value, _ in sorted(known, key=lambda item: (-item[1], item[0]))]

    def vocabulary(self, size: int, min_count: int) -> list[str]:
        """Values that are to be known by themselves.

        Args:
          size: how many at most.
          min_count: how often each occurs at least.
        """
        return [value for value in self.values[:size] if self._counts[value] >= min_count]

    def share(self, value: str) -> float:
        """Of the rows that hold a value."""
        return self._counts[value] / max(1, self.count)

    @property
    def names_rows(self) -> bool:
        """Whether most rows have a value of their own, so that nothing can be learned from it."""
        known = self.count - self._counts[""]
        once = sum(count == 1 for count in self._counts.values())
        return self.forgotten or (known >= _FEWEST_ROWS and 2 * once > known)
