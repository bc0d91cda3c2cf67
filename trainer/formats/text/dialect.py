"""What the head of a CSV file says about it: separator, decimal sign, header, and what each column holds."""

from __future__ import annotations

import collections
import csv
import dataclasses
import enum
import functools
import re

from trainer.job.errors import DataError

# A comma comes last of the marks: the others hardly ever occur in a file that they do not separate.
_SEPARATORS = ("\t", ";", "|", ",")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\Z")
_COMMA_NUMBER = re.compile(r"[+-]?[0-9]*,[0-9]+(?:[eE][+-]?[0-9]+)?\Z")
_RESEMBLES_NUMBER = re.compile(r"[+-]?[$€£]? ?[0-9][0-9,.' ]*(?: ?[%$€£])?\Z")
_JSON = re.compile(r'\{|\[\s*(?:[{\["]|\Z|.*\]\s*\Z)')
MISSING = frozenset({"", "?", "-", "na", "n/a", "nan", "null", "none", "nil", "#n/a", "missing"})
_TIME = r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?: ?[AaPp][Mm])?(?: ?(?:Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2}))?"
_DAY = (
    r"(?:[0-9]{4}[-/.][0-9]{1,2}(?:[-/.][0-9]{1,2})?|[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{2,4}"
    r"|[0-9]{4}[- ]?Q[1-4]|(?:[0-9]{1,2}[- ])?[A-Z][a-z]{2,8}\.?[- ](?:[0-9]{1,2},? )?[0-9]{2,4})"
)
_DATE = re.compile(rf"(?:{_DAY}(?:[T ]+{_TIME})?|{_TIME})\Z")


class Kind(enum.Enum):
    NUMBER = "a number"
    DATE = "a date or time"
    MISSING = "a missing value"
    TEXT = "text"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dialect:
    """How a file writes its rows.

    Attributes:
      separator: one character; None is any white space.
      decimal_comma: numbers are written 1,5 (never when the separator is a comma).
    """

    separator: str | None = ","
    decimal_comma: bool = False

    def fields(self, line: str) -> list[str]:
        """The fields of a row, without quotes and outer blanks.

        Raises:
          ValueError: quotes that do not close.
        """
        if self.separator is None:
            return line.split()
        if '"' not in line:
            return [field.strip() for field in line.split(self.separator)]
        try:
            return [field.strip() for field in next(csv.reader([line], delimiter=self.separator, strict=True))]
        except csv.Error as error:
            raise ValueError(str(error)) from error

    def plain(self, text: str) -> str:
        """The text with its numbers written as Python writes them."""
        return text.replace(",", ".") if self.decimal_comma else text

    def is_number(self, field: str) -> bool:
        """Whether it is a number as the file writes them."""
        return bool(_NUMBER.match(self.plain(field)))

    def resembles_number(self, field: str) -> bool:
        """Whether a person would read a number in it: 1,234.5 or 12 % or $3."""
        return bool(_RESEMBLES_NUMBER.match(field)) and self.kind(field) is Kind.TEXT

    def kind(self, field: str) -> Kind:
        """What a field holds."""
        if self.is_number(field):
            return Kind.NUMBER
        if field.lower() in MISSING:
            return Kind.MISSING
        return Kind.DATE if _DATE.match(field) else Kind.TEXT


@functools.cache
def well_quoted(separator: str) -> re.Pattern[str]:
    """Rows that all readers read alike: a quote begins and ends a field, or is doubled in a quoted one."""
    mark = re.escape(separator)
    field = rf'(?:"(?:[^"]|"")*"|[^"{mark}]*)'
    return re.compile(rf"{field}(?:{mark}{field})*")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Head:
    """The first rows of a file, read.

    Attributes:
      path: the file.
      dialect: how it writes its rows.
      first_line: number of the first line that is not blank.
      first: fields of that line.
      sample: fields of the rows below it that have as many fields.
    """

    path: str
    dialect: Dialect
    first_line: int
    first: tuple[str, ...]
    sample: tuple[tuple[str, ...], ...]

    def kinds(self, column: int) -> set[Kind]:
        """What the sampled rows hold in a column."""
        return {self.dialect.kind(row[column]) for row in self.sample}

    @property
    def has_header(self) -> bool:
        """Whether the first row has text where other rows have numbers, dates or nothing. `date,0,1,2` is one too."""
        return any(self.dialect.kind(name) is Kind.TEXT and self._rarely_text(at) for at, name in enumerate(self.first))

    def _rarely_text(self, column: int) -> bool:
        texts = sum(self.dialect.kind(row[column]) is Kind.TEXT for row in self.sample)
        return 2 * texts < len(self.sample)


def read_head(path: str, lines: list[str]) -> Head:
    """Reads the first lines of a file.

    Raises:
      DataError: nothing but blank lines; JSON; lines above the table; quotes that do not close in the first row.
    """
    rows = [(number, line) for number, line in enumerate(lines, 1) if line and not line.isspace()][:1000]
    if not rows:
        raise DataError(
            f"{path} has only blank lines",
            "at least one row",
            "Leave the file out, or write it again",
        )
    _refuse_what_is_no_row(f"{path}:{rows[0][0]}", [line for _, line in rows])
    separator = _separator([line for _, line in rows])
    plain = Dialect(separator=separator)
    try:
        first = plain.fields(rows[0][1])
    except ValueError as error:
        got = f"{path}:{rows[0][0]}: quotes that do not close on the line ({error})"
        raise DataError(got, "a row on one line, without line breaks in quotes", "Repair the line") from error
    sample = _sample(plain, [line for _, line in rows[1:]], len(first))
    dialect = Dialect(separator=separator, decimal_comma=separator != "," and _writes_commas(sample or [tuple(first)]))
    return Head(path=path, dialect=dialect, first_line=rows[0][0], first=tuple(first), sample=tuple(sample))


def _refuse_what_is_no_row(place: str, lines: list[str]) -> None:
    """Raises DataError where the first line is JSON, Excel's `sep=;`, or a comment, which none below it resembles."""
    first = lines[0].strip()
    if _JSON.match(first):
        do = "Write it as CSV, or name the CSV file"
        raise DataError(f"{place}: this is JSON", "CSV, or TFRecord files of tf.train.Example", do)
    above = "rows, and above them the names of columns at most"
    if re.fullmatch(r'"?sep=.?"?', first, re.IGNORECASE):
        raise DataError(f"{place}: {first} is a note to Excel, not a row", above, "Remove that line")
    rows = [line for line in lines if not line.startswith("#")]
    if first.startswith("#") and rows:
        dialect = Dialect(separator=_separator(rows))
        if _width(first, dialect) != _width(rows[0], dialect):
            raise DataError(f"{place}: a comment, not a row", above, "Remove the lines that begin with #")


def _separator(lines: list[str]) -> str | None:
    for mark in _SEPARATORS:
        counts = collections.Counter(_outside_quotes(line).count(mark) for line in lines)
        if counts.most_common(1)[0][0] and _outside_quotes(lines[0]).count(mark):
            return mark
    pieces = collections.Counter(len(line.split()) for line in lines)
    looks_split = pieces.most_common(1)[0][0] > 1 and not any(_DATE.match(line.strip()) for line in lines)
    return None if looks_split and '"' not in lines[0] else ","


def _width(line: str, dialect: Dialect) -> int:
    return len(_outside_quotes(line).split(dialect.separator))


def _outside_quotes(line: str) -> str:
    return re.sub(r'"[^"]*"', "", line) if '"' in line else line


def _sample(dialect: Dialect, lines: list[str], width: int) -> list[tuple[str, ...]]:
    rows = []
    for line in lines:
        try:
            fields = dialect.fields(line)
        except ValueError:
            continue
        if len(fields) == width:
            rows.append(tuple(fields))
    return rows


def _writes_commas(rows: list[tuple[str, ...]]) -> bool:
    fields = [field for row in rows for field in row]
    return any(_COMMA_NUMBER.match(field) for field in fields) and not any(
        "." in field and _NUMBER.match(field) for field in fields
    )
