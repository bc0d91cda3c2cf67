"""What the rows of a table have to be, and what they are once they are read."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping

import numpy as np

from trainer.formats.text.dialect import Dialect
from trainer.formats.text.missing import Missing


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableLayout:
    """What every row of one file must be.

    Attributes:
      path: the file.
      dialect: how it writes its rows.
      names: of all fields of a row.
      skip: lines up to and with the header.
      numbers: columns of numbers, with a label that is one.
      dates: columns of dates, and whether 1/2/2020 is in January.
      texts: columns to read as they are.
      label: the column that may not be blank.
      split_column: the column that says for what a row is; None for none.
      missing: what stands for no value.
    """

    path: str
    dialect: Dialect
    names: tuple[str, ...]
    skip: int
    numbers: tuple[str, ...]
    dates: Mapping[str, bool]
    texts: tuple[str, ...]
    label: str
    split_column: str | None
    missing: Missing

    @functools.cached_property
    def positions(self) -> dict[str, int]:
        """Of the fields in a row, by the names of their columns."""
        return {name: position for position, name in enumerate(self.names)}

    def place(self, line: int, column: str) -> str:
        """What a message calls a field."""
        return f"{self.path}:{line}, column {self.positions[column] + 1} ({column})"


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """Some rows of a file, those that can be used.

    Attributes:
      lines: int64 [rows], where each stands in the file, from 1.
      numbers: float64 [rows, columns], the columns in the order of `TableLayout.numbers`; nan for a blank.
      days: since 1970, with the time of day, float64 [rows] by column of dates; nan for a blank.
      texts: [rows] by column of texts, blanks as "".
      split: [rows], what the column of parts says; None without one.
      bad: lines that were left out.
    """

    lines: np.ndarray
    numbers: np.ndarray
    days: Mapping[str, np.ndarray]
    texts: Mapping[str, list[str]]
    split: list[str] | None
    bad: tuple[int, ...] = ()
