"""Tables with a series in each row: its name, then its values from left to right (M4, page views, house prices)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from trainer.formats.files.contents import first_lines
from trainer.formats.series.located_rows import Rows
from trainer.formats.settings import ForecastData
from trainer.formats.text import rows
from trainer.formats.text.bad_rows import BadRows
from trainer.formats.text.dialect import Head, Kind, read_head
from trainer.formats.text.missing import Missing
from trainer.formats.text.rows import Layout
from trainer.job.errors import UsageError

COLUMN = "value"
_FEWEST_VALUES = 8
_MOSTLY = 0.8


def resembles(found: Head) -> bool:
    """Whether each row is a series: most columns are named by dates or numbered, and a word names the row."""
    return len(_values(found)) >= _FEWEST_VALUES and _name(found) is not None and not _has_dates(found)


def series(paths: tuple[str, ...], data: ForecastData, bad: BadRows) -> list[Rows]:
    """Each row as the rows of a series with one column; blanks before and after its values are no part of it.

    Args:
      paths: of the files.
      data: the settings.
      bad: takes the rows that cannot be read.

    Raises:
      UsageError: settings about columns, of which there are none.
      DataError: the first fault in the files.
    """
    for flag in ("feature_columns", "target_columns", "sort", "series_id"):
        if given := getattr(data, flag):
            named = given if isinstance(given, str) else ",".join(given)
            raise UsageError(
                f"--{flag}={named}, and each row of {paths[0]} is a series",
                "a column of a table whose rows are times",
                f"Leave --{flag} out",
            )
    heads = [read_head(path, first_lines(path)) for path in paths]
    made = [each for file, found in enumerate(heads) for each in _of_file(found, file, paths, data, bad)]
    bad.count(len(made))
    return made


def _of_file(found: Head, file: int, paths: tuple[str, ...], data: ForecastData, bad: BadRows) -> Iterator[Rows]:
    """The series of one file.

    Args:
      found: its head.
      file: which of the paths it is.
      paths: of all files.
      data: the settings.
      bad: takes the rows that cannot be read.
    """
    layout = Layout(
        path=found.path,
        dialect=found.dialect,
        width=len(found.first),
        columns=_values(found),
        names=found.first,
        width_rule=f"{len(found.first)} values a row, as many as the header names",
        skip=found.first_line,
        advice="Repair or remove the row",
        missing=Missing.of(data.missing_values or ("NA",)),
    )
    for block in rows.blocks(layout, bad=bad):
        for numbers, line in zip(block.numbers, block.lines, strict=True):
            known = np.flatnonzero(~np.isnan(numbers))
            values = numbers[known[0] : known[-1] + 1, np.newaxis] if len(known) else numbers[:0, np.newaxis]
            files, lines = np.full(len(values), file), np.full(len(values), line)
            yield Rows(paths=paths, numbers=values, files=files, lines=lines, times=None, ids=None)


def _values(found: Head) -> tuple[int, ...]:
    """The columns that hold the values, by their names: dates, or the same word with numbers that count up."""
    dates = tuple(at for at, name in enumerate(found.first) if found.dialect.kind(name) is Kind.DATE)
    if len(dates) >= _MOSTLY * len(found.first):
        return dates
    numbers = [re.fullmatch(r"([^0-9]*)([0-9]+)", name) for name in found.first[1:]]
    if all(numbers) and len({match[1] for match in numbers if match}) == 1:
        counts = [int(match[2]) for match in numbers if match]
        if counts == list(range(counts[0], counts[0] + len(counts))):
            return tuple(range(1, len(found.first)))
    return ()


def _name(found: Head) -> int | None:
    """The column of words by which the rows differ; None where there is none."""
    for at in range(len(found.first)):
        words = [row[at] for row in found.sample]
        if words and found.kinds(at) == {Kind.TEXT} and len(set(words)) == len(words):
            return at
    return None


def _has_dates(found: Head) -> bool:
    return any(Kind.DATE in found.kinds(at) for at in range(len(found.first)))
