"""What one pass over the rows learns of each column, in memory that does not grow with the rows."""

from __future__ import annotations

import collections
import math
from collections.abc import Sequence

import numpy as np

MOST_VALUES = 200_000
"""Different values of a category that are counted at a time; the rarest of more are forgotten."""
_SAMPLE = 65_536
"""Values of a column of numbers, drawn at random, whose median counts; of fewer it is exact."""
_FEWEST_ROWS = 100
_CONSTANT = 8 * float(np.finfo(np.float64).eps)


class NumberCounts:
    """A column of numbers so far.

    Args:
      seed: of the sample for the median.
    """

    def __init__(self, seed: int = 0) -> None:
        self.count = self.blanks = 0
        self._mean = self._squares = 0.0
        self._low, self._high = math.inf, -math.inf
        self._random = np.random.default_rng(seed)
        # Of keys and of the values that they belong to; joined when there are too many, for joining copies them all.
        self._drawn: list[tuple[np.ndarray, np.ndarray]] = []
        self._num_drawn = 0

    def add(self, values: np.ndarray) -> None:
        """Counts further values, float64 [rows], nan for blanks (Chan, Golub and LeVeque 1979)."""
        known = values[~np.isnan(values)]
        self.blanks += len(values) - len(known)
        if not len(known):
            return
        mean, total = float(known.mean()), self.count + len(known)
        shift = mean - self._mean
        self._squares += float(((known - mean) ** 2).sum()) + shift * shift * self.count * len(known) / total
        self._mean += shift * len(known) / total
        self.count = total
        self._low, self._high = min(self._low, float(known.min())), max(self._high, float(known.max()))
        self._draw(known)

    def _draw(self, known: np.ndarray) -> None:
        """Keeps the values with the smallest of random keys, so that each has the same chance."""
        self._drawn.append((self._random.random(len(known)), known))
        self._num_drawn += len(known)
        if self._num_drawn > 2 * _SAMPLE:
            self._cut()

    def _cut(self) -> np.ndarray:
        """The sample, cut to its size."""
        keys, sample = (np.concatenate(parts) for parts in zip(*self._drawn, strict=True))
        if len(keys) > _SAMPLE:
            kept = np.argpartition(keys, _SAMPLE)[:_SAMPLE]
            keys, sample = keys[kept], sample[kept]
        self._drawn, self._num_drawn = [(keys, sample)], len(keys)
        return sample

    def learnt(self) -> dict[str, float]:
        """Mean, scale and median, and whether there were blanks; of no value at all 0, 1 and 0."""
        if not self.count:
            return {"mean": 0.0, "scale": 1.0, "median": 0.0, "blanks": float(self.blanks > 0)}
        constant = self._high - self._low <= max(abs(self._high), abs(self._low)) * _CONSTANT
        return {
            "mean": self._mean,
            "scale": 1.0 if constant else math.sqrt(self._squares / self.count),
            "median": float(np.median(self._cut())),
            "blanks": float(self.blanks > 0),
        }


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
