"""Rows that cannot be read: an error at the first one, or left out, counted and written down."""

from __future__ import annotations

import copy
import csv
import io
import logging
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from trainer import storage
from trainer.formats.settings import BadRowsPolicy
from trainer.job.errors import DataError

_log = logging.getLogger(__name__)

FILE = "bad_rows.csv"
MOST = 1_000_000
"""Bad rows that are kept in memory; with more of them the data are not what they are taken for."""


class Rule(Protocol):
    """Settings that say what becomes of bad rows."""

    @property
    def bad_rows(self) -> BadRowsPolicy:
        """Whether they are skipped."""

    @property
    def max_bad_fraction(self) -> float:
        """How many of all rows they may be."""


class BadRow(NamedTuple):
    """A row or a record that was left out.

    Attributes:
      source: its file.
      line: of a row, or number of a record, from 1.
      reason: why it cannot be read.
    """

    source: str
    line: int
    reason: str


class BadRows:
    """The bad rows of one reading of the data.

    Args:
      rule: says whether they are skipped, and how many at most.
    """

    def __init__(self, rule: Rule) -> None:
        self.skips = rule.bad_rows is BadRowsPolicy.SKIP
        self._most = rule.max_bad_fraction
        self._found: list[BadRow] = []
        self._rows = self._bad = 0

    def forgetting(self) -> BadRows:
        """The same rule, for a reading that is not the first."""
        again = copy.copy(self)
        again._found, again._rows, again._bad = [], 0, 0
        return again

    def count(self, rows: int) -> None:
        """So many rows have been read, the bad ones among them."""
        self._rows += rows

    def meet(self, error: DataError, source: str, line: int, place: str, rows: int = 1) -> None:
        """A row that cannot be read.

        Args:
          error: says why.
          source: its file.
          line: its line or its number.
          place: what the error's text begins with.
          rows: how many are lost with it, this one among them.

        Raises:
          DataError: the error, where bad rows are not skipped.
        """
        if not self.skips:
            raise error
        self._found.append(BadRow(source, line, error.got.removeprefix(place).lstrip(",: ")))
        self._bad += rows
        self._rows += rows - 1
        if len(self._found) > MOST:
            raise self._too_many("more")

    @property
    def met(self) -> int:
        """How many were met so far."""
        return len(self._found)

    def checked(self) -> tuple[BadRow, ...]:
        """All that were met, and a line about them.

        Raises:
          DataError: they are more of these than the settings allow.
        """
        if not self._found:
            return ()
        if self._bad > self._most * self._rows:
            raise self._too_many(f"{self._rows:,}")
        first = self._found[0]
        share = f"{self._bad:,} of {self._rows:,} ({100 * self._bad / self._rows:.2g} %)"
        place = f"{first.source}:{first.line}: {first.reason}"
        _log.warning("Bad rows left out: %s, the first %s.", share, place)
        return tuple(self._found)

    def _too_many(self, rows: str) -> DataError:
        first = self._found[0]
        return DataError(
            f"Bad rows: {self._bad:,} of {rows}, the first {first.source}:{first.line}: {first.reason}",
            f"a fraction of {self._most:g} at most (--max_bad_fraction)",
            "Repair the files, or raise --max_bad_fraction if so many rows may be lost",
        )


def write(folder: str, rows: Sequence[BadRow]) -> None:
    """Writes which rows were left out to `bad_rows.csv` below `folder`: the same in every process of a job."""
    if not rows:
        return
    path, content = storage.join(folder, FILE), table(rows)
    if not storage.exists(path) or storage.read(path) != content:
        storage.write(path, content)


def table(rows: Sequence[BadRow]) -> bytes:
    """The rows that were left out, as CSV with a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(BadRow._fields)
    writer.writerows(rows)
    return text.getvalue().encode()
