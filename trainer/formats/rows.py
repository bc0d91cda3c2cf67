"""Rows of numbers out of lines of text: a fast pass, and where it fails a precise one that names the place."""

from __future__ import annotations

import collections.abc
import dataclasses
import math

import numpy as np

from trainer.formats.contents import BLOCK_BYTES, text_blocks
from trainer.formats.dialect import Dialect, Kind
from trainer.job.errors import DataError

FLOAT32_MAX = float(np.finfo(np.float32).max)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """What every row of one file must be.

    Attributes:
      path: the file.
      dialect: how it writes its rows.
      width: fields a row.
      columns: positions of the fields to read; None reads all.
      names: a name for every field, for messages; empty when the columns have none.
      width_rule: why a row has `width` fields, for messages.
      skip: lines to leave out at the top: the header and what is above it.
      advice: what to do about a field that is not a number.
    """

    path: str
    dialect: Dialect
    width: int
    columns: tuple[int, ...] | None = None
    names: tuple[str, ...] = ()
    width_rule: str
    skip: int = 0
    advice: str

    @property
    def positions(self) -> tuple[int, ...]:
        """Of the fields to read, in a row."""
        return tuple(range(self.width)) if self.columns is None else self.columns


def read(layout: Layout, block_bytes: int = BLOCK_BYTES) -> collections.abc.Iterator[np.ndarray]:
    """The rows of a file, block by block.

    Yields:
      float64 [rows, len(columns)], every value finite in float32.

    Raises:
      DataError: the first fault, with file, line and column.
    """
    for first_line, lines in text_blocks(layout.path, block_bytes):
        skipped = max(0, layout.skip + 1 - first_line)
        yield parse(layout, first_line + skipped, lines[skipped:])


def parse(layout: Layout, first_line: int, lines: list[str]) -> np.ndarray:
    """The values of lines, without the blank ones.

    Args:
      layout: of the file.
      first_line: the number of the first line in the file, for messages.
      lines: of the file.

    Returns:
      float64 [rows, len(columns)].

    Raises:
      DataError: the first fault.
    """
    rows = [line for line in lines if line and not line.isspace()]
    if not rows:
        return np.empty((0, len(layout.positions)))
    try:
        return _fast(layout, rows)
    except ValueError:
        return _precise(layout, first_line, lines)


def _fast(layout: Layout, rows: list[str]) -> np.ndarray:
    """The C parser of numpy, which tells neither line nor column; ValueError for anything out of the ordinary."""
    separator = layout.dialect.separator
    if layout.columns is not None and not _even(rows, separator, layout.width):
        raise ValueError("rows of different widths, or separators within quotes")
    if layout.dialect.decimal_comma:
        rows = [layout.dialect.plain(row) for row in rows]
    numbers = np.loadtxt(rows, delimiter=separator, comments=None, quotechar='"', usecols=layout.columns, ndmin=2)
    if numbers.shape != (len(rows), len(layout.positions)) or not _finite(numbers):
        raise ValueError("another width, or a number that is not finite")
    return numbers


def _even(rows: list[str], separator: str | None, width: int) -> bool:
    if separator is None:
        return all(len(row.split()) == width for row in rows)
    return all(row.count(separator) == width - 1 for row in rows)


def _finite(numbers: np.ndarray) -> bool:
    return bool(numbers.max() <= FLOAT32_MAX and numbers.min() >= -FLOAT32_MAX)


def _precise(layout: Layout, first_line: int, lines: list[str]) -> np.ndarray:
    rows = [_row(layout, number, line) for number, line in enumerate(lines, first_line) if line and not line.isspace()]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(layout.positions))


def _row(layout: Layout, line_number: int, line: str) -> list[float]:
    place = f"{layout.path}:{line_number}"
    try:
        fields = layout.dialect.fields(line)
    except ValueError as error:
        raise DataError(f"{place}: quotes that do not close ({error})", None, "Repair the line") from error
    if len(fields) != layout.width:
        raise DataError(
            f"{place}: a row of {_counted(fields)}",
            layout.width_rule,
            _width_advice(layout, len(fields)),
        )
    return [_number(layout, f"{place}, {_column(layout, position)}", fields[position]) for position in layout.positions]


def _counted(fields: list[str]) -> str:
    return "1 value" if len(fields) == 1 else f"{len(fields)} values"


def _width_advice(layout: Layout, width: int) -> str:
    if layout.names:
        return "Repair or remove the row"
    return f"Repair the row, or set --sequence_length={width} if all rows are like this one"


def _column(layout: Layout, position: int) -> str:
    return f"column {position + 1}" + (f" ({layout.names[position]})" if layout.names else "")


def _number(layout: Layout, place: str, field: str) -> float:
    match layout.dialect.kind(field):
        case Kind.NUMBER:
            number = float(layout.dialect.plain(field))
            if math.isfinite(number) and abs(number) <= FLOAT32_MAX:
                return number
            raise DataError(
                f"{place}: {shown(field)} is too large",
                "numbers up to 3.4e38 (float32)",
                "Repair the value, or rescale the column",
            )
        case Kind.MISSING:
            what = "no value" if not field else f"{shown(field)}, a missing value"
        case Kind.DATE | Kind.TEXT:
            what = f"{shown(field)} where a number belongs"
    raise DataError(f"{place}: {what}", _accepted(layout.dialect), layout.advice)


def _accepted(dialect: Dialect) -> str:
    mark = "comma" if dialect.decimal_comma else "point"
    return f"finite numbers with a decimal {mark} in every row"


def shown(text: str) -> str:
    """The text in quotes, cut where it is long."""
    return repr(text) if len(text) <= 40 else f"{text[:24]!r}… ({len(text):,} characters)"
