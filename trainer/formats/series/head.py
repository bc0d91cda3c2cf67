"""The header of a series: which columns are numbers, which say when a row was, and which are chosen."""

from __future__ import annotations

import logging

from trainer.formats.files.contents import first_lines
from trainer.formats.settings import ForecastData
from trainer.formats.text import header, rows, timestamps
from trainer.formats.text.dialect import Head, Kind, read_head
from trainer.formats.text.missing import Missing
from trainer.formats.text.rows import Layout
from trainer.job.errors import DataError

_log = logging.getLogger(__name__)
AS_THEY_ARE = "none"
"""What `--sort` says for rows that stay in the order of the file, whatever their dates."""


def read(path: str) -> Head:
    """The head of a file; DataError where that is none of a series."""
    found = read_head(path, first_lines(path))
    if not found.has_header and _is_data(found):
        raise DataError(
            f"{path}:{found.first_line}: no header, the first row is data ({rows.shown(', '.join(found.first))})",
            "one long CSV whose first row names the columns",
            "Add a first line of names (date,value), or use --data_format=sequences for a sequence a row",
        )
    header.check(found)
    return found


def _is_data(found: Head) -> bool:
    return any(found.dialect.kind(field) in (Kind.NUMBER, Kind.DATE) for field in found.first)


def chosen(data: ForecastData, found: Head) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the feature columns and of the target columns.

    Features default to every numeric column, targets to the features.
    """
    for flag in ("feature_columns", "target_columns"):
        for name in getattr(data, flag):
            _check_there(name, flag, found)
    columns = data.feature_columns or tuple(name for name in _numeric(found) if name != data.series_id)
    return columns, data.target_columns or columns


def _check_there(name: str, flag: str, found: Head) -> None:
    kinds = found.kinds(header.position(found, name, flag))
    if kinds <= {Kind.DATE, Kind.TEXT}:
        raise DataError(
            f"--{flag}: column {name!r} of {found.path} holds no numbers",
            ", ".join(_numeric(found)),
        )


def _numeric(found: Head) -> tuple[str, ...]:
    """All columns but times, texts, and those without a name (an index, or a separator at the end of every line)."""
    names = tuple(name for column, name in enumerate(found.first) if name and _holds_numbers(found, column))
    if not names:
        raise DataError(
            f"{found.path} has no numeric column (it has: {', '.join(found.first)})",
            "at least one column of numbers",
        )
    return names


def _holds_numbers(found: Head, column: int) -> bool:
    """A column of 1,234.5 counts too: reading it will say what is wrong, where leaving it out would be silent."""
    name, kinds = found.first[column], found.kinds(column)
    if name.lower() in timestamps.TIME_NAMES or timestamps.is_time_number(found, column):
        return False
    if kinds == {Kind.MISSING}:
        _log.warning(
            "Column %s of %s is left out: its first %s rows hold no value.", name, found.path, len(found.sample)
        )
        return False
    return Kind.NUMBER in kinds or any(found.dialect.resembles_number(row[column]) for row in found.sample)


def time_columns(data: ForecastData, found: Head) -> tuple[int, ...]:
    """Positions of the fields that say when a row was: as `--sort` has it, else what looks like it."""
    if data.sort is None:
        return timestamps.columns(found)
    if data.sort == AS_THEY_ARE and AS_THEY_ARE not in found.first:
        return ()
    position = header.position(found, data.sort, "sort")
    seen = timestamps.columns(found)
    return seen if position in seen else (position,)


def id_column(data: ForecastData, found: Head) -> tuple[int, ...]:
    """The position of the field that names the series of a row, if `--series_id` says one."""
    return () if data.series_id is None else (header.position(found, data.series_id, "series_id"),)


def layout(found: Head, like: Head, names: tuple[str, ...], data: ForecastData) -> Layout:
    """What the rows of a file must be.

    Args:
      found: the head of the file.
      like: that of the first file, which says the columns.
      names: of the columns of numbers.
      data: which other columns are read, and what stands for no value.

    Raises:
      DataError: the headers differ.
    """
    header.check_like(found, like)
    return Layout(
        path=found.path,
        dialect=found.dialect,
        width=len(found.first),
        columns=tuple(found.first.index(name) for name in names),
        texts=(*time_columns(data, like), *id_column(data, like)),
        names=found.first,
        width_rule=f"{len(found.first)} values a row, as many as the header names",
        skip=found.first_line,
        advice="Fill the value or remove the row, choose other columns with --feature_columns and --target_columns, or "
        "set --missing_values=NA to leave out the windows that it is in",
        missing=Missing.of(data.missing_values),
    )
