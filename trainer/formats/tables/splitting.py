"""Which rows are for training, which for evaluation and which for the test: by line, or as a column says."""

from __future__ import annotations

import dataclasses
import enum
import functools
from typing import Any

import numpy as np

from trainer.job.errors import DataError

PERIOD, _STRATUM = 10_000, 100
"""Lines after which the pattern of the parts repeats, and lines of which each part has its share."""


class Part(enum.IntEnum):
    TRAIN = 0
    EVALUATION = 1
    TEST = 2


NAMES = {
    "train": Part.TRAIN,
    "training": Part.TRAIN,
    "eval": Part.EVALUATION,
    "evaluation": Part.EVALUATION,
    "validation": Part.EVALUATION,
    "validate": Part.EVALUATION,
    "valid": Part.EVALUATION,
    "val": Part.EVALUATION,
    "dev": Part.EVALUATION,
    "test": Part.TEST,
    "testing": Part.TEST,
}
"""How a column calls the parts, in small letters."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Split:
    """How rows are divided.

    Attributes:
      fractions: of the lines, for each part in order; one alone where all rows are for training.
      column: position of the field that says it instead; None for none.
    """

    fractions: tuple[float, ...] = (1.0,)
    column: int | None = None

    @functools.cached_property
    def pattern(self) -> np.ndarray:
        """The part of line n at [n mod PERIOD], int64; near to its fraction in any stretch of lines."""
        random, ends = np.random.default_rng(0), np.cumsum(self.fractions)
        shares = (np.arange(_STRATUM) + 0.5) / _STRATUM
        parts = np.minimum(np.searchsorted(ends, shares), len(ends) - 1)
        return np.concatenate([random.permutation(parts) for _ in range(PERIOD // _STRATUM)]).astype(np.int64)

    def parts(self, lines: np.ndarray, texts: list[str] | None) -> np.ndarray:
        """The part of each row, int64 [rows]; -1 where its column says nothing that is known.

        Args:
          lines: int64 [rows], their numbers.
          texts: what the column says of them; None without one.
        """
        if self.column is None:
            return np.asarray(self.pattern[lines % PERIOD])
        return np.array([NAMES.get((text or "").lower(), -1) for text in texts or ()], np.int64)

    def is_part(self, wanted: Part, lines: Any, numbers: Any, field: Any) -> Any:
        """Which lines are of a part, bool [lines], in TensorFlow.

        Args:
          wanted: the part.
          lines: string [lines].
          numbers: int64 [lines], of the lines.
          field: from lines to what the column says of them, string [lines].
        """
        import tensorflow as tf

        if self.column is None:
            return tf.gather(tf.constant(self.pattern), numbers % PERIOD) == int(wanted)
        names = tf.constant([name for name, part in NAMES.items() if part is wanted])
        return tf.reduce_any(tf.strings.lower(field(lines))[:, tf.newaxis] == names, axis=1)


def unknown(place: str, text: str) -> DataError:
    """What to raise for a row whose column says nothing that is known.

    Args:
      place: of the field.
      text: what it says.
    """
    return DataError(
        f"{place}: {text!r} names no part of the data",
        "train, eval (validation, valid, dev) or test",
        "Correct the value, or drop --split_column",
    )
