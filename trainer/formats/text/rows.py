"""Rows of numbers out of lines of text: a fast pass, and where it fails a precise one that names the place."""

from __future__ import annotations

import collections.abc
import dataclasses
import math

import numpy as np

from trainer.formats.files.contents import BLOCK_BYTES, text_blocks
from trainer.formats.text.bad_rows import BadRows
from trainer.formats.text.dialect import Dialect, Kind
from trainer.formats.text.missing import Missing
from trainer.job.errors import DataError

_FEW_ROWS = 64
FLOAT32_MAX = float(np.finfo(np.float32).max)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """What every row of one file must be.

    Attributes:
      path: the file.
      dialect: how it writes its rows.
      width: fields a row.
      columns: positions of the fields to read as numbers; None reads all.
      texts: positions of the fields to read as they are.
      names: a name for every field, for messages; empty when the columns have none.
      width_rule: why a row has `width` fields, for messages.
      skip: lines to leave out at the top: the header and what is above it.
      advice: what to do about a field that is not a number.
      missing: what stands for no value, and becomes nan; None where that is a fault.
    """

    path: str
    dialect: Dialect
    width: int
    columns: tuple[int, ...] | None = None
    texts: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    width_rule: str
    skip: int = 0
    advice: str
    missing: Missing | None = None

    @property
    def positions(self) -> tuple[int, ...]:
        """Of the fields to read as numbers, in a row."""
        return tuple(range(self.width)) if self.columns is None else self.columns


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """Some rows of a file.

    Attributes:
      numbers: float64 [rows, columns], finite in float32; nan for a missing value, and all of a skipped bad row.
      lines: int64 [rows], where each row stands in the file, from 1.
      texts: for each of the layout's texts the fields [rows]; blank in a row that is not as wide as the others.
    """

    numbers: np.ndarray
    lines: np.ndarray
    texts: tuple[list[str], ...]


def read(
    layout: Layout, block_bytes: int = BLOCK_BYTES, bad: BadRows | None = None
) -> collections.abc.Iterator[np.ndarray]:
    """The numbers of `blocks`: float64 [rows, columns] each.

    Args:
      layout: of the file.
      block_bytes: about how much text a block has.
      bad: takes the rows that cannot be read; None raises at the first.
    """
    return (block.numbers for block in blocks(layout, block_bytes, bad))


def blocks(
    layout: Layout, block_bytes: int = BLOCK_BYTES, bad: BadRows | None = None
) -> collections.abc.Iterator[Block]:
    """The rows of a file, block by block, without the blank lines.

    Args:
      layout: of the file.
      block_bytes: about how much text a block has.
      bad: takes the rows that cannot be read; None raises at the first.

    Raises:
      DataError: the first fault, with file, line and column.
    """
    for first_line, lines in text_blocks(layout.path, block_bytes):
        skipped = max(0, layout.skip + 1 - first_line)
        yield _block(layout, first_line + skipped, lines[skipped:], bad)


def parse(layout: Layout, first_line: int, lines: list[str], bad: BadRows | None = None) -> np.ndarray:
    """The numbers in lines, without the blank ones.

    Args:
      layout: of the file.
      first_line: the number of the first line in the file, for messages.
      lines: of the file.
      bad: takes the rows that cannot be read; None raises at the first.

    Returns:
      float64 [rows, columns].

    Raises:
      DataError: the first fault.
    """
    return _block(layout, first_line, lines, bad).numbers


def _block(layout: Layout, first_line: int, lines: list[str], bad: BadRows | None) -> Block:
    filled = [at for at, line in enumerate(lines) if line and not line.isspace()]
    rows = lines if len(filled) == len(lines) else [lines[at] for at in filled]
    return _parsed(layout, first_line + np.array(filled, np.int64), rows, bad)


def _parsed(layout: Layout, places: np.ndarray, rows: list[str], bad: BadRows | None) -> Block:
    """Fast, and where that fails precisely; where bad rows are skipped only the few rows around each of them."""
    if not rows:
        none: list[str] = []
        return Block(numbers=np.empty((0, len(layout.positions))), lines=places, texts=(none,) * len(layout.texts))
    try:
        return Block(numbers=_fast(layout, rows), lines=places, texts=_texts(layout, rows))
    except ValueError:
        if bad is None or not bad.skips or len(rows) <= _FEW_ROWS:
            return _precise(layout, places, rows, bad)
    middle = len(rows) // 2
    return _joined(
        _parsed(layout, places[:middle], rows[:middle], bad), _parsed(layout, places[middle:], rows[middle:], bad)
    )


def _joined(first: Block, second: Block) -> Block:
    return Block(
        numbers=np.concatenate([first.numbers, second.numbers]),
        lines=np.concatenate([first.lines, second.lines]),
        texts=tuple(one + other for one, other in zip(first.texts, second.texts, strict=True)),
    )


def _fast(layout: Layout, rows: list[str]) -> np.ndarray:
    """The C parser of numpy, which tells neither line nor column; ValueError for anything out of the ordinary."""
    separator = layout.dialect.separator
    if layout.columns is not None and not _even(rows, separator, layout.width):
        raise ValueError("rows of different widths, or separators within quotes")
    if layout.missing is not None:
        text = "\n".join(rows).replace('"', "")  # within quotes there are no separators, or the rows were uneven
        rows = layout.missing.blanked(text, separator).split("\n")
    if layout.dialect.decimal_comma:
        rows = [layout.dialect.plain(row) for row in rows]
    numbers = np.loadtxt(rows, delimiter=separator, comments=None, quotechar='"', usecols=layout.columns, ndmin=2)
    if numbers.shape != (len(rows), len(layout.positions)):
        raise ValueError("another width")
    if layout.missing is not None:
        return _in_range(layout.missing.without(numbers), missing=True)
    return _in_range(numbers, missing=False)


def _in_range(numbers: np.ndarray, *, missing: bool) -> np.ndarray:
    known = numbers[~np.isnan(numbers)] if missing else numbers
    if known.size and not (known.max() <= FLOAT32_MAX and known.min() >= -FLOAT32_MAX):
        raise ValueError("a number that is not finite")
    return numbers


def _texts(layout: Layout, rows: list[str]) -> tuple[list[str], ...]:
    """The text fields of rows that all are as wide as the layout says, with no separators within quotes."""
    separator = layout.dialect.separator
    if not layout.texts:
        return ()
    if separator is None or any('"' in row for row in rows):
        fields = [layout.dialect.fields(row) for row in rows]
        return tuple([row[position] for row in fields] for position in layout.texts)
    return tuple([row.split(separator, position + 1)[position].strip() for row in rows] for position in layout.texts)


def _even(rows: list[str], separator: str | None, width: int) -> bool:
    if separator is None:
        return all(len(row.split()) == width for row in rows)
    return all(row.count(separator) == width - 1 for row in rows)


def _precise(layout: Layout, places: np.ndarray, rows: list[str], bad: BadRows | None) -> Block:
    numbers = np.full((len(rows), len(layout.positions)), np.nan)
    texts: tuple[list[str], ...] = tuple([] for _ in layout.texts)
    for at, (line, row) in enumerate(zip(places.tolist(), rows, strict=True)):
        place, fields = f"{layout.path}:{line}", [""] * layout.width
        try:
            fields = _fields(layout, place, row)
            numbers[at] = _row(layout, place, fields)
        except DataError as error:
            if bad is None:
                raise
            bad.meet(error, layout.path, line, place)
        for found, position in zip(texts, layout.texts, strict=True):
            found.append(fields[position])
    if layout.missing is not None:
        numbers = layout.missing.without(numbers)
    return Block(numbers=numbers, lines=places, texts=texts)


def _fields(layout: Layout, place: str, line: str) -> list[str]:
    try:
        fields = layout.dialect.fields(line)
    except ValueError as error:
        got = f"{place}: quotes that do not close on the line ({error})"
        raise DataError(got, "a row on one line, without line breaks in quotes", "Repair the line") from error
    if len(fields) != layout.width:
        raise DataError(
            f"{place}: a row of {_counted(fields)}",
            layout.width_rule,
            _width_advice(layout, len(fields)),
        )
    return fields


def _row(layout: Layout, place: str, fields: list[str]) -> list[float]:
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
    if layout.missing is not None and layout.missing.is_none(field):
        return math.nan
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
