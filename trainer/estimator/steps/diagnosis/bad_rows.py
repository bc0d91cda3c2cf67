"""Which rows of a batch a number that is not finite comes from: tried out, by leaving rows out.

A batch keeps its size, which the model's graph may have taken for granted: a row is left out by putting another one in
its place. If nothing is NaN without the rows that look guilty, they are. If none do, as when a sum over the batch
overflows, halves of the batch are tried (Zeller's delta debugging): one row of n is found in 2 log2(n) runs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Trial:
    """A step that can be tried on other batches.

    Attributes:
      batch: components, [batch, …] or others.
      has_rows: which of them are [batch, …]; the others stay as they are.
      breaks: whether a batch of the same shapes leads to numbers that are not finite.
    """

    batch: Sequence[tf.Tensor]
    has_rows: Sequence[bool]
    breaks: Callable[[Sequence[tf.Tensor]], bool]

    @property
    def size(self) -> int | None:
        """Examples in the batch; None where its components do not agree on that."""
        sizes = {int(part.shape[0]) for part, has_rows in zip(self.batch, self.has_rows, strict=True) if has_rows}
        return sizes.pop() if len(sizes) == 1 else None

    def breaks_without(self, rows: Sequence[int], instead: int) -> bool:
        """Whether it breaks when another row stands in the place of some rows."""
        index = np.arange(self.size or 0)
        index[list(rows)] = instead
        parts = zip(self.batch, self.has_rows, strict=True)
        return self.breaks([tf.gather(part, index) if has_rows else part for part, has_rows in parts])


def rows_of(trial: Trial, suspects: Sequence[int], given: bool = False) -> list[int] | None:
    """The rows without which a step does not break; None where it breaks whatever row is in the batch.

    Args:
      trial: the step.
      suspects: rows in which a number is not finite; all or none where that tells nothing.
      given: whether that number is in the batch itself, so that nothing need be tried.
    """
    if given:
        return list(suspects) or None
    size = trial.size
    if not size or size == 1:
        return None
    everyone = range(size)
    others = [row for row in everyone if row not in set(suspects)]
    if suspects and others and not trial.breaks_without(suspects, others[0]):
        return list(suspects)
    tried = dict.fromkeys((0, size // 2, size - 1))
    good = next((row for row in tried if not trial.breaks_without(everyone, row)), None)
    if good is None:
        return None
    kept = [row for row in everyone if row != good]
    while len(kept) > 1:
        halves = kept[: len(kept) // 2], kept[len(kept) // 2 :]
        broken = (half for half in halves if trial.breaks_without(sorted(set(everyone) - set(half)), good))
        half = next(broken, None)
        if half is None:
            break
        kept = half
    return kept
