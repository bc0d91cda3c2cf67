"""What each column of a table holds, as the first rows of its first file show it and flags correct it."""

from __future__ import annotations

import dataclasses
import enum
import logging
import re
from collections.abc import Iterable, Mapping

import numpy as np

from trainer.formats.files.contents import first_lines
from trainer.formats.tables.settings import TableData
from trainer.formats.text import header, rows, timestamps
from trainer.formats.text.dialect import Dialect, Head, Kind, read_head
from trainer.formats.text.missing import Missing
from trainer.job.errors import DataError, UsageError

_log = logging.getLogger(__name__)
_MOSTLY = 0.95
_FEWEST_IDS = 50
_LEFT_OUT = "Column %s is left out: %s."
_CODES = "Column %s is read as numbers, and has %s: if that is a name, set --categorical_columns."
_ID_NAMES = ("id", "uid", "uuid", "guid")
_INDEX_NAMES = ("index", "rownames", "unnamed: 0")
"""Of the index of a data frame: the last one is what pandas calls one that has no name."""
_CODE = re.compile("0[0-9]+")


class Holds(enum.Enum):
    NUMBER = "number"
    CATEGORY = "category"
    DATE = "date"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kinds:
    """The columns that are read.

    Attributes:
      holds: of each feature column what it holds, in the order of the file.
      dates: how each column of dates is written, as `TableSchema.dates` says it.
      label: name of the label column.
      label_is_number: whether the labels of the sample are numbers.
    """

    holds: Mapping[str, Holds]
    dates: Mapping[str, str]
    label: str
    label_is_number: bool

    def of(self, kind: Holds) -> tuple[str, ...]:
        """The columns that hold something."""
        return tuple(column for column, holds in self.holds.items() if holds is kind)


def missing_of(data: TableData) -> Missing:
    """What stands for no value: the customary texts, and those of `--missing_values`."""
    found = Missing.of(data.missing_values or ("",))
    assert found is not None
    return found


def read(path: str) -> Head:
    """The head of a file; DataError where its first row names no columns."""
    found = read_head(path, first_lines(path))
    kinds = {found.dialect.kind(name) for name in found.first}
    if not found.has_header and kinds & {Kind.NUMBER, Kind.DATE}:
        raise DataError(
            f"{path}:{found.first_line}: no header, the first row is data ({rows.shown(', '.join(found.first))})",
            "CSV whose first row names the columns",
            "Add a first line of names",
        )
    header.check(found)
    return found


def choose(found: Head, data: TableData) -> Kinds:
    """What the columns hold.

    Args:
      found: the head of the first file.
      data: which columns are used, and which numbers are names.

    Raises:
      UsageError: no label column.
      DataError: a column that is not there, or none to predict from.
    """
    label = _label(found, data)
    for flag in ("feature_columns", "ignored_columns", "categorical_columns", "split_column"):
        named = getattr(data, flag)
        for name in (named,) if isinstance(named, str) else named or ():
            header.position(found, name, flag)
    columns = _Columns(found, missing_of(data))
    holds: dict[str, Holds] = {}
    for name in _candidates(found, data, label):
        kind = Holds.CATEGORY if name in data.categorical_columns else columns.kind(name, name in data.feature_columns)
        if kind is not None:
            holds[name] = kind
    if not holds:
        raise DataError(f"{found.path} has no column to predict {label!r} from", "one at least")
    dates = {name: columns.writing(name) for name, kind in holds.items() if kind is Holds.DATE}
    return Kinds(holds=holds, dates=dates, label=label, label_is_number=columns.are_numbers(columns.values(label)))


def _label(found: Head, data: TableData) -> str:
    if data.label_column is None:
        there = ", ".join(filter(None, found.first))
        last = [name for name in found.first if name][-1]
        raise UsageError(
            "--data_format=table without --label_column", f"a column of {found.path}: {there}", f"Set it, as in {last}"
        )
    header.position(found, data.label_column, "label_column")
    return data.label_column


def _candidates(found: Head, data: TableData, label: str) -> Iterable[str]:
    """Names of the columns that may be features."""
    others = {label, data.split_column, *data.ignored_columns}
    wanted = {*data.feature_columns, *data.categorical_columns} if data.feature_columns else set(found.first)
    return (name for name in found.first if name and name in wanted and name not in others)


@dataclasses.dataclass(frozen=True)
class _Columns:
    """The sampled values of a file."""

    head: Head
    missing: Missing

    def values(self, name: str) -> list[str]:
        """Those of a column that stand for something."""
        position = self.head.first.index(name)
        fields = [row[position] for row in self.head.sample]
        return [field for field in fields if not self.missing.is_none(field)]

    def are_numbers(self, values: list[str]) -> bool:
        """Whether nearly all are numbers, or 1,234.5 and the like: reading them says what is wrong with the others."""
        dialect = self.head.dialect
        numbers = sum(dialect.is_number(value) or dialect.resembles_number(value) for value in values)
        return numbers >= _MOSTLY * len(values) > 0

    def kind(self, name: str, asked: bool) -> Holds | None:
        """What a column holds; None where nothing can be learned from it, which is said.

        Args:
          name: of the column.
          asked: whether a flag names it.
        """
        values = self.values(name)
        if not values:
            _log.warning(_LEFT_OUT, name, f"its first {len(self.head.sample):,} rows hold no value")
            return None
        if self.are_numbers(values):
            if not asked and _counts(name, values):
                _log.warning(_LEFT_OUT, name, "it numbers the rows")
                return None
            code = next(filter(_CODE.fullmatch, values), None)
            if code is not None:
                _log.warning(_CODES, name, code)
            return Holds.NUMBER
        if self._share(values, Kind.DATE) >= _MOSTLY:
            if np.isnan(self._seconds(values)).mean() > 1 - _MOSTLY:
                _log.warning(_LEFT_OUT, name, f"dates such as {values[0]!r} are not read; write them as 2020-01-31")
                return None
            return Holds.DATE
        return Holds.CATEGORY

    def writing(self, name: str) -> str:
        """How the dates of a column are written."""
        values = self.values(name)
        first = "month" if _month_first(values) else "day"
        return f"{first} clock" if any(":" in value for value in values) else first

    def _share(self, values: list[str], kind: Kind) -> float:
        return sum(self.head.dialect.kind(value) is kind for value in values) / len(values)

    def _seconds(self, values: list[str]) -> np.ndarray:
        return timestamps.in_numbers(values, _month_first(values))


def _month_first(values: list[str]) -> bool:
    return timestamps.orders(values)[0]


def _counts(name: str, values: list[str]) -> bool:
    """Whether a column of numbers is an id by its name and its values: each another whole number."""
    last = name.lower().replace("-", "_").rpartition("_")[2]
    named = last in _ID_NAMES or name.endswith(("Id", "ID")) or name.lower() in _INDEX_NAMES
    return named and len(values) >= _FEWEST_IDS and len(set(values)) == len(values) and all(map(str.isdigit, values))


def dialect_of(found: Head, like: Head) -> Dialect:
    """The dialect of a file; DataError where it is another than that of the first one."""
    if found.dialect != like.dialect:
        raise DataError(
            f"{found.path} separates or writes numbers in another way than {like.path}",
            "files with the same separator and the same decimal mark",
            "Write one of them as the other",
        )
    return found.dialect
