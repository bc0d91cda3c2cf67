"""Keeps the rows of a table while the pass over its text reads them; it never stands in the way of that."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import BinaryIO

import numpy as np

from trainer.formats.tables import parsed_table
from trainer.formats.tables.layout import Block
from trainer.formats.tables.learning_pass import Learnt
from trainer.formats.tables.parsed_rows import RowFormat, TextNumbers
from trainer.formats.tables.parsed_table import ParsedTable
from trainer.formats.tables.schema import TableSchema
from trainer.formats.tables.splitting import Part
from trainer.job import records
from trainer.storage.kept_folders import UnfinishedFolder

_log = logging.getLogger(__name__)

NOT_KEPT = "The parsed rows of the table are not kept (%s): each epoch reads the text again."


class ParsedWriter:
    """Keeps the rows of a table while they are read.

    Args:
      folder: where.
      kept: what of a row.
      most_bytes: which the rows may take, somewhat more than was expected.
      is_unchanged: whether the files still are what they were.
    """

    def __init__(
        self, folder: UnfinishedFolder, kept: RowFormat, most_bytes: int, is_unchanged: Callable[[], bool]
    ) -> None:
        self._folder: UnfinishedFolder | None = folder
        self._format, self._left, self._is_unchanged = kept, most_bytes, is_unchanged
        self._numbers = TextNumbers(kept.texts)
        self._files: dict[Part, BinaryIO] = {}
        self._sizes: dict[str, int] = {}

    def begin_file(self, file: int) -> None:
        """The rows that follow are those of a file."""
        if self._folder is None:
            return
        try:
            self._close()
            self._files = {
                part: (self._folder.path / parsed_table.name_of(file, part)).open("wb", buffering=0) for part in Part
            }
        except OSError as error:
            self._give_up(error.strerror or str(error))

    def add(self, block: Block, parts: np.ndarray) -> None:
        """Keeps some rows.

        Args:
          block: of the file.
          parts: int64 [rows], the part of each.
        """
        if self._folder is None:
            return
        rows = self._format.rows(block.numbers, self._numbers.of(block.texts, len(block.lines)))
        self._left -= rows.nbytes
        if self._left < 0:
            self._give_up("they take more than the first of them let expect")
            return
        try:
            for part, file in self._files.items():
                chosen = parts == part
                of_part = rows if chosen.all() else rows[chosen]
                if len(of_part):
                    _write(file, of_part)
                    self._sizes[file.name] = self._sizes.get(file.name, 0) + of_part.nbytes
        except OSError as error:
            self._give_up(error.strerror or str(error))

    def publish(self, learnt: Learnt) -> ParsedTable | None:
        """The table, for this process and others; None where it is not kept.

        Args:
          learnt: what the rows said.
        """
        needed, numbered = _needed(learnt.schema), self._numbers.texts()
        texts = {column: found for column, found in numbered.items() if column in needed}
        lost = sorted(needed - texts.keys())
        if self._folder is not None and lost:
            self._give_up(f"column {lost[0]} has too many different texts")
        if self._folder is not None and not self._is_unchanged():
            self._give_up("a file was changed while it was read")
        if self._folder is None:
            return None
        try:
            self._close()
            record = parsed_table.manifest(learnt, self._format, texts, self._sizes)
            records.write(str(self._folder.path / parsed_table.MANIFEST), records.sealed(record))
            folder = self._folder.publish()
        except OSError as error:
            self._give_up(error.strerror or str(error))
            return None
        size = sum(self._sizes.values()) / 1e9
        _log.info("The parsed rows are kept for later epochs and runs: %.2f GB in %s.", size, folder.path)
        return ParsedTable(folder=folder, format=self._format, texts=texts, learnt=learnt)

    def abandon(self) -> None:
        """Deletes what was kept so far."""
        self._close()
        if self._folder is not None:
            self._folder.abandon()
            self._folder = None

    def _give_up(self, why: str) -> None:
        _log.warning(NOT_KEPT, why)
        self.abandon()

    def _close(self) -> None:
        for file in self._files.values():
            file.close()
        self._files = {}


def _write(file: BinaryIO, rows: np.ndarray) -> None:
    """All of the rows: the system may take fewer bytes at a time."""
    left = rows.data.cast("B")
    while left:
        left = left[file.write(left) :]


def _needed(schema: TableSchema) -> set[str]:
    """The columns of texts that become something."""
    label = set() if schema.is_regression else {schema.label}
    return label | {column for column in schema.columns if schema.is_text(column)}
