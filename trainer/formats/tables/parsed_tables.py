"""Tables whose text was read, kept on this machine: later epochs, and later runs, read numbers instead of the text.

A table is found by what its files and settings are, down to the time of the last change of a file. In its folder are::

    <file>.<part>     the rows of a part in one of the files, in their order (`parsed_rows`)
    table.json        what was learnt of the table, and how rows are written (`parsed_table`); written last

A table that would take more than `--parsed_cache_gb`, or fill the disk, is not kept.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import trainer
from trainer import storage
from trainer.formats.files.contents import plain_bytes
from trainer.formats.files.remote import RemoteFile
from trainer.formats.tables import kinds, learning_pass, parsed_table
from trainer.formats.tables.kinds import Kinds
from trainer.formats.tables.layout import TableLayout
from trainer.formats.tables.learning_pass import Learnt
from trainer.formats.tables.parsed_rows import RowFormat
from trainer.formats.tables.parsed_table import ParsedTable
from trainer.formats.tables.parsed_writer import NOT_KEPT, ParsedWriter
from trainer.formats.tables.settings import TableData
from trainer.formats.text.dialect import Head
from trainer.job.records import DamagedRecordError
from trainer.storage.kept_folders import KeptFolder, KeptFolders

_log = logging.getLogger(__name__)

FOLDER = "parsed-tables"
LEAST_BYTES = 1 << 23
"""Of text: a smaller table is read again sooner than it would be looked for."""
_FORMAT = 3


class ParsedTables:
    """The place of one table among those that are kept.

    Args:
      folders: of all of them.
      heads: of the files of this one.
      about: files and settings, as JSON has them.
    """

    def __init__(self, folders: KeptFolders, heads: Sequence[Head], about: Mapping[str, Any]) -> None:
        self._folders, self._heads, self._about = folders, heads, about
        self._key = self._now()

    def _now(self) -> str:
        """By what the table is found."""
        files = [_identity(head.path) for head in self._heads]
        known = json.dumps([_FORMAT, trainer.__version__, self._about, files], sort_keys=True)
        return hashlib.sha256(known.encode()).hexdigest()[:40]

    def find(self) -> ParsedTable | None:
        """The table, where it is kept whole."""
        folder = self._folders.find(self._key)
        return None if folder is None else self._opened(folder)

    def await_other(self) -> ParsedTable | None:
        """As `find`, once another process that is keeping it has done so."""
        folder = self._folders.await_other(self._key)
        return None if folder is None else self._opened(folder)

    def writer(self, layout: TableLayout) -> ParsedWriter | None:
        """What keeps the rows; None where there is no room, which is said, or another process keeps them.

        Args:
          layout: of the rows.
        """
        kept = RowFormat(numbers=layout.numbers, texts=layout.texts)
        size = sum(map(_rows, self._heads)) * kept.bytes
        try:
            folder = self._folders.fill(self._key, size)
        except OSError as error:
            _log.warning(NOT_KEPT, f"{size / 1e9:.1f} GB; {error.strerror or error}")
            return None
        return None if folder is None else ParsedWriter(folder, kept, 2 * size + LEAST_BYTES, self._unchanged)

    def _unchanged(self) -> bool:
        """Whether the files are those of before."""
        try:
            return self._now() == self._key
        except OSError:
            return False

    def _opened(self, folder: KeptFolder) -> ParsedTable | None:
        try:
            return parsed_table.opened(folder)
        except (DamagedRecordError, OSError, TypeError, ValueError) as error:
            _log.warning("The parsed rows in %s are damaged (%s): the text is read again.", folder.path, error)
            folder.discard()
            return None


def opened(
    heads: Sequence[Head], about: Mapping[str, Any], scratch: str | None, most_bytes: float, least: int = LEAST_BYTES
) -> ParsedTables | None:
    """Where a table is kept; None where it is not to be.

    Args:
      heads: of its files.
      about: files and settings, as JSON has them.
      scratch: the directory of this machine for such things; None for none.
      most_bytes: that kept tables may take; 0 for none.
      least: bytes of text, of a table that is worth it.
    """
    if scratch is None or most_bytes <= 0 or sum(plain_bytes(head.path) for head in heads) < least:
        return None
    try:
        folders = KeptFolders(pathlib.Path(scratch, FOLDER), int(most_bytes))
        return ParsedTables(folders, heads, about)
    except (OSError, storage.StorageError) as error:
        _log.warning(NOT_KEPT, error)
        return None


def read(
    heads: Sequence[Head],
    separate: Sequence[bool],
    data: TableData,
    restored: Learnt | None,
    places: ParsedTables | None,
) -> tuple[Learnt, ParsedTable | None]:
    """What a table says, and where its rows are kept, if they are. Text that is kept already is not read.

    Args:
      heads: of its files.
      separate: for each file whether all its rows are to evaluate on.
      data: the settings.
      restored: what was learnt before; None for nothing.
      places: where tables are kept; None keeps none.
    """
    parsed = places.find() if places else None
    if parsed is not None and (restored is None or _is_of(parsed.learnt, restored)):
        _log.info("The rows of the table are read from %s, where they were kept.", parsed.folder.path)
        return restored or parsed.learnt, parsed
    if restored is not None and places is None:
        return restored, None
    found = kinds.choose(heads[0], data)
    writer = places.writer(learning_pass.layout_of(heads[0], found, data)) if places else None
    learnt = restored if restored is not None and writer is None else _learn(heads, separate, found, data, writer)
    if writer is not None:
        parsed = writer.publish(learnt)
    elif places is not None:
        parsed = places.await_other()
    learnt = restored or learnt
    return learnt, parsed if parsed is not None and _is_of(parsed.learnt, learnt) else None


def _learn(
    heads: Sequence[Head], separate: Sequence[bool], found: Kinds, data: TableData, writer: ParsedWriter | None
) -> Learnt:
    """Reads the text.

    Args:
      heads: of the files.
      separate: for each file whether all its rows are to evaluate on.
      found: what the columns hold.
      data: the settings.
      writer: takes the rows, and deletes what it took where they cannot be read.
    """
    try:
        return learning_pass.learn(heads, separate, found, data, [writer] if writer else ())
    except BaseException:
        if writer is not None:
            writer.abandon()
        raise


def _is_of(parsed: Learnt, learnt: Learnt) -> bool:
    """Whether rows that were kept are those that something was learnt of."""
    return parsed.counts == learnt.counts and parsed.bad == learnt.bad


def _identity(path: str) -> list[Any]:
    """What changes when a file does."""
    if isinstance(path, RemoteFile):
        return [str(path), path.entry.generation, path.entry.crc32c]
    status = os.stat(path)
    return [os.path.realpath(path), status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _rows(head: Head) -> int:
    """About how many rows a file has, as its first ones let expect."""
    lengths = [sum(map(len, row)) + len(row) for row in (head.first, *head.sample)]
    return int(plain_bytes(head.path) * len(lengths) / sum(lengths)) + 1
