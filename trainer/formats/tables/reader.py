"""The rows of a table without TensorFlow: each field is looked at, and the first fault named by line and column."""

from __future__ import annotations

import csv
import functools
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from trainer.formats.files import contents
from trainer.formats.tables import splitting
from trainer.formats.tables.layout import Block, TableLayout
from trainer.formats.tables.plain_rows import PlainRows
from trainer.formats.text import ahead, rows, timestamps
from trainer.formats.text.bad_rows import BadRows
from trainer.formats.text.dialect import Kind, well_quoted
from trainer.job.errors import DataError

_BLOCK_BYTES = 1 << 19
"""Of text: a few thousand rows, whose fields stay in the processor's cache."""
_BLANKS = " \t\n\v\f\r"
"""What TensorFlow strips, too."""
_UNLIKE_TENSORFLOW = ("_", "\x1c", "\x1d", "\x1e", "\x1f")
"""What Python reads in numbers or strips from them, and TensorFlow does not."""
_DAY_SECS = 86_400.0


def blocks(layout: TableLayout, bad: BadRows) -> Iterator[Block]:
    """The rows of a file, block by block, without the blank lines.

    Args:
      layout: of the file.
      bad: takes the rows that cannot be read.

    Raises:
      DataError: the first fault, with file, line and column.
    """
    parts = contents.byte_blocks(layout.path, _BLOCK_BYTES)
    for (first_line, text), plain in ahead.in_order(parts, functools.partial(_plain, layout)):
        if plain is not None:
            bad.count(len(plain.lines))
            yield plain
            continue
        lines = contents.lines(text)
        start = max(0, layout.skip + 1 - first_line)
        filled = [at for at in range(start, len(lines)) if lines[at] and not lines[at].isspace()]
        bad.count(len(filled))
        if filled:
            yield _block(layout, first_line + np.array(filled, np.int64), [lines[at] for at in filled], bad)


def _block(layout: TableLayout, numbers: np.ndarray, lines: list[str], bad: BadRows) -> Block:
    try:
        return _fast(layout, numbers, _split_fast(layout, lines))
    except ValueError:
        return _precise(layout, numbers, lines, bad)


def _plain(layout: TableLayout, numbered: tuple[int, bytes]) -> Block | None:
    """The values of rows as most are; None where some are not.

    Args:
      layout: of the file.
      numbered: the number of the first line, and the lines.
    """
    first_line, text = numbered
    skipped = max(0, layout.skip + 1 - first_line)
    places, others = layout.positions, {*layout.dates, *layout.texts, *filter(None, [layout.split_column])}
    try:
        rows = PlainRows(text.split(b"\n", skipped)[-1], layout.dialect.separator, len(layout.names))
        point = "," if layout.dialect.decimal_comma else "."
        numbers = rows.numbers([places[name] for name in layout.numbers], point, functools.partial(_number, layout))
        texts = rows.texts([places[name] for name in others])
        columns = {name: texts[places[name]] for name in others}
        return _values(layout, first_line + skipped + np.arange(rows.count), _in_range(layout, numbers), columns)
    except ValueError:
        return None


def _split_fast(layout: TableLayout, lines: list[str]) -> list[list[str]]:
    """The fields of rows; ValueError where some are not as wide as the header, or quoted in an odd way."""
    separator, width = layout.dialect.separator, len(layout.names)
    if separator is None:
        fields = [line.split() for line in lines]
    else:
        quoted = [line for line in lines if '"' in line]
        if quoted and not all(map(well_quoted(separator).fullmatch, quoted)):
            raise ValueError("quotes within a field")
        fields = list(csv.reader(lines, delimiter=separator, strict=True))
    if len(fields) != len(lines) or set(map(len, fields)) != {width}:
        raise ValueError("rows of different widths")
    return fields


def _fast(layout: TableLayout, lines: np.ndarray, fields: list[list[str]], bad: Sequence[int] = ()) -> Block:
    """The values of rows; ValueError where one of them is none, whose row `_precise` names."""
    of_rows = zip(*fields, strict=True) if fields else [()] * len(layout.names)
    columns = dict(zip(layout.names, of_rows, strict=True))
    found = [_numbers(layout, columns[name]) for name in layout.numbers]
    numbers = np.stack(found, axis=1) if found else np.empty((len(lines), 0))
    return _values(layout, lines, numbers, columns, bad)


def _values(
    layout: TableLayout,
    lines: np.ndarray,
    numbers: np.ndarray,
    columns: Mapping[str, Sequence[str]],
    bad: Sequence[int] = (),
) -> Block:
    """The block of rows whose numbers are read; ValueError where another value is none.

    Args:
      layout: of the file.
      lines: int64 [rows], where they stand in it.
      numbers: float64 [rows, columns of numbers].
      columns: the fields [rows] of all other columns that are read.
      bad: lines that were left out.
    """
    block = Block(
        lines=lines,
        numbers=numbers,
        days={name: _days(layout, name, columns[name]) for name in layout.dates},
        texts={name: _texts(layout, name, columns[name]) for name in layout.texts},
        split=[field.strip(_BLANKS) for field in columns[layout.split_column]] if layout.split_column else None,
        bad=tuple(bad),
    )
    _check_labels(layout, block)
    return block


def _check_labels(layout: TableLayout, block: Block) -> None:
    """Raises ValueError for a blank label, or an unknown part of the data."""
    if layout.label in layout.numbers and np.isnan(block.numbers[:, layout.numbers.index(layout.label)]).any():
        raise ValueError("a blank label")
    if layout.label in block.texts and "" in block.texts[layout.label]:
        raise ValueError("a blank label")
    if block.split is not None and {part.lower() for part in block.split} - splitting.NAMES.keys():
        raise ValueError("an unknown part")


def _numbers(layout: TableLayout, column: Sequence[str]) -> np.ndarray:
    joined = "".join(column)
    if not joined.isascii() or any(mark in joined for mark in _UNLIKE_TENSORFLOW):
        raise ValueError("text")
    if layout.dialect.decimal_comma:
        column = [layout.dialect.plain(field) for field in column]
    try:  # Python strips what is around a number by itself
        numbers = np.fromiter(map(float, column), np.float64, len(column))
    except ValueError:
        fields = [field.strip(_BLANKS) for field in column]
        none = layout.missing.is_none
        numbers = np.array([math.nan if not field or none(field) else float(field) for field in fields])
    return _in_range(layout, numbers)


def _number(layout: TableLayout, field: str) -> float:
    """What one field is, nan for a blank; ValueError where it is no number."""
    if not field.isascii() or any(mark in field for mark in _UNLIKE_TENSORFLOW):
        raise ValueError("text")
    field = layout.dialect.plain(field).strip(_BLANKS)
    return math.nan if not field or layout.missing.is_none(field) else float(field)


def _in_range(layout: TableLayout, numbers: np.ndarray) -> np.ndarray:
    """Numbers, nan for blanks; ValueError where float32 does not hold one."""
    numbers = layout.missing.without(numbers)
    if (np.abs(numbers) > rows.FLOAT32_MAX).any():
        raise ValueError("too large")
    return numbers


def _days(layout: TableLayout, name: str, column: Sequence[str]) -> np.ndarray:
    """Days since 1970, with the time of day; nan for blanks."""
    fields = [field.strip(_BLANKS) for field in column]
    blank = np.array([layout.missing.is_none(field) for field in fields], bool)
    known = [field for field, is_blank in zip(fields, blank, strict=True) if not is_blank]
    seconds = timestamps.in_numbers(known, layout.dates[name]) if known else np.empty(0)
    if np.isnan(seconds).any():
        raise ValueError("no date")
    days = np.full(len(fields), np.nan)
    days[~blank] = seconds / _DAY_SECS
    return days


def _texts(layout: TableLayout, name: str, column: Sequence[str]) -> list[str]:
    """Texts, blanks as "". A label may be `none`: it stands for no value only where there is nothing."""
    fields = [field.strip(_BLANKS) for field in column]
    if name == layout.label:
        return fields
    return ["" if field.lower() in layout.missing.texts else field for field in fields]


def _precise(layout: TableLayout, numbers: np.ndarray, lines: list[str], bad: BadRows) -> Block:
    """Row by row: the first fault is raised, or the rows with one are left out."""
    kept, fields, left_out = [], [], []
    for number, line in zip(numbers.tolist(), lines, strict=True):
        place = f"{layout.path}:{number}"
        try:
            fields.append(_row(layout, number, line))
            kept.append(number)
        except DataError as error:
            bad.meet(error, layout.path, number, place)
            left_out.append(number)
    return _fast(layout, np.array(kept, np.int64), fields, left_out)


def _row(layout: TableLayout, line: int, text: str) -> list[str]:
    place, separator = f"{layout.path}:{line}", layout.dialect.separator
    if separator is not None and '"' in text and not well_quoted(separator).fullmatch(text):
        got = f"{place}: quotes that do not close on the line, or do not stand around a whole field"
        raise DataError(got, "a row on one line; a field with quotes in quotes, and doubled there", "Repair the line")
    fields = layout.dialect.fields(text)
    if len(fields) != len(layout.names):
        width = f"{len(layout.names)} values a row, as many as the header names"
        raise DataError(f"{place}: a row of {len(fields)} values", width, "Repair or remove the row")
    for name in (*layout.numbers, *layout.dates, layout.label):
        _check_field(layout, line, name, fields[layout.positions[name]])
    if layout.split_column is not None:
        part = fields[layout.positions[layout.split_column]]
        if part.lower() not in splitting.NAMES:
            raise splitting.unknown(layout.place(line, layout.split_column), part)
    return fields


def _check_field(layout: TableLayout, line: int, name: str, field: str) -> None:
    place = layout.place(line, name)
    is_number = name in layout.numbers
    blank = layout.missing.is_none(field) if is_number or name in layout.dates else not field
    if blank or (is_number and np.isnan(layout.missing.without(_as_number(layout, field))[0])):
        if name == layout.label:
            raise DataError(f"{place}: no label", "a label in every row", "Fill it, remove the row, or skip bad rows")
        return
    if is_number:
        _check_number(layout, place, field)
    elif name in layout.dates and np.isnan(timestamps.in_numbers([field], layout.dates[name])[0]):
        do = "Write dates as 2020-01-31, or leave the column out with --ignored_columns"
        raise DataError(f"{place}: {rows.shown(field)} where a date belongs", "dates that are in the calendar", do)


def _as_number(layout: TableLayout, field: str) -> np.ndarray:
    return np.array([float(layout.dialect.plain(field)) if layout.dialect.is_number(field) else 0.0])


def _check_number(layout: TableLayout, place: str, field: str) -> None:
    if layout.dialect.kind(field) is not Kind.NUMBER:
        do = f"Repair the value, set --missing_values={field} if it stands for no value, or name the column in "
        if layout.dialect.resembles_number(field):  # $1,234.50 or 12 %
            do = "Write such numbers without signs and separators of thousands, or name the column in "
        got = f"{place}: {rows.shown(field)} where a number belongs"
        raise DataError(got, "numbers, and blanks", f"{do}--categorical_columns")
    if not abs(float(layout.dialect.plain(field))) <= rows.FLOAT32_MAX:
        raise DataError(f"{place}: {rows.shown(field)} is too large", "numbers up to 3.4e38 (float32)", "Repair it")
