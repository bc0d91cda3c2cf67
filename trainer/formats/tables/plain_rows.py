"""The common case of a table's rows, without quotes: the fields of a block are found in its bytes, all at once.

Whatever is not so plain is a ValueError: then rows are read field by field.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from trainer.formats.text import decimals
from trainer.formats.text.decimals import Fields

_ZERO, _LINE_END = np.uint8(ord("0")), ord("\n")


class PlainRows:
    """Rows of text that are as wide as the header.

    Args:
      text: whole lines, each with its end.
      separator: between fields; None is any white space.
      width: fields of a row.

    Raises:
      ValueError: they are not plain, or not so wide.
    """

    def __init__(self, text: bytes, separator: str | None, width: int) -> None:
        if not text or separator is None or width < 2 or b'"' in text:
            raise ValueError("not plain")
        self._bytes = decimals.PADDING + text
        self._text = np.frombuffer(self._bytes, np.uint8)
        self._marks = np.flatnonzero(self._text - _ZERO > 9).astype(np.int32)
        kinds = self._text.take(self._marks)
        ends = np.flatnonzero((kinds == ord(separator)) | (kinds == _LINE_END))
        self.count, rest = divmod(len(ends) - 1, width)
        lines = kinds.take(ends)[1:] == _LINE_END  # the first end is the padding's
        if rest or lines.sum() != self.count or not lines.reshape(self.count, width)[:, -1].all():
            raise ValueError("rows of different widths")
        self._ends, self._width = ends, width

    def numbers(self, columns: Sequence[int], point: str, other: Callable[[str], float]) -> np.ndarray:
        """Numbers, float64 [rows, columns]; nan for a field without anything in it.

        Args:
          columns: positions of the fields.
          point: the decimal sign.
          other: the number that another text is, such as NA; ValueError where it is none.
        """
        if not columns:
            return np.empty((self.count, 0))
        fields = self._fields(columns)
        values, left = decimals.read(self._text, fields, point)
        blank = fields.start[left] == fields.end[left]
        values[left[blank]] = np.nan
        left = left[~blank]
        values[left] = [other(text) for text in self._texts(fields.start[left], fields.end[left])]
        return values.reshape(self.count, len(columns))

    def texts(self, columns: Sequence[int]) -> dict[int, list[str]]:
        """The fields of columns as they are, [rows] by position."""
        found = {}
        for column in columns:
            fields = self._fields([column])
            found[column] = self._texts(fields.start, fields.end)
        return found

    def _fields(self, columns: Sequence[int]) -> Fields:
        """Where the fields of columns stand, row by row."""
        before, at = self._ends[:-1], self._ends[1:]
        if [*columns] != [*range(self._width)]:
            before, at = (ends.reshape(self.count, self._width)[:, columns].ravel() for ends in (before, at))
        last = at - 1
        return Fields(
            start=self._marks.take(before) + np.int32(1),
            end=self._marks.take(at),
            last=self._marks.take(last),
            inner=(last - before).astype(np.int32),
        )

    def _texts(self, start: np.ndarray, end: np.ndarray) -> list[str]:
        return [str(self._bytes[at:stop], "utf-8") for at, stop in zip(start.tolist(), end.tolist(), strict=True)]
