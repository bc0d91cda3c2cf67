"""The rows of files in their order, some at a time, each with its place."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from trainer.formats.files import contents
from trainer.formats.files.remote import RemoteFile
from trainer.formats.records import tfrecords
from trainer.formats.text.bad_rows import BadRows

_BLOCK_BYTES = 1 << 20


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Rows of a file that follow each other.

    Attributes:
      path: of the file.
      numbers: int64 [rows], of lines, or of records, from 1.
      rows: text, or bytes of records.
      is_text: whether they are lines.
    """

    path: str
    numbers: np.ndarray
    rows: Sequence[str] | Sequence[bytes]
    is_text: bool

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, start: int, stop: int) -> Rows:
        """Some of them, by their places here."""
        return dataclasses.replace(self, numbers=self.numbers[start:stop], rows=self.rows[start:stop])

    def batches(self, size: int) -> Iterator[Rows]:
        """All of them, so many at a time."""
        return (self.part(start, start + size) for start in range(0, len(self), size))

    @property
    def place(self) -> str:
        """Where the first one stands, for messages."""
        number = int(self.numbers[0])
        return f"{self.path}:{number}" if self.is_text else f"{self.path}, record {number}"


def of_text(path: str, size: int, skip: int) -> Iterator[Rows]:
    """The lines of a file that are not blank.

    Args:
      path: of the file, plain or gzip.
      size: how many at a time, at most.
      skip: lines to leave out at the top.

    Raises:
      DataError: damaged gzip, another encoding than UTF-8, a NUL byte.
    """
    for first, lines in contents.text_blocks(path, _BLOCK_BYTES):
        filled = [at for at, line in enumerate(lines) if line and not line.isspace() and first + at > skip]
        kept = lines if len(filled) == len(lines) else [lines[at] for at in filled]
        yield from Rows(path=path, numbers=first + np.array(filled, np.int64), rows=kept, is_text=True).batches(size)


def of_records(path: str, size: int, bad: BadRows) -> Iterator[Rows]:
    """The records of a TFRecord file.

    Args:
      path: of the file, plain or gzip.
      size: how many at a time, at most.
      bad: takes records that are damaged.

    Raises:
      DataError: a damaged record, unless bad ones are skipped.
    """
    if bad.skips:
        yield from _one_by_one(path, size, bad)
        return
    place = path.local() if isinstance(path, RemoteFile) else path
    kind = "GZIP" if contents.is_gzip(path) else ""
    first = 1
    try:
        for batch in tf.data.TFRecordDataset(place, kind).batch(size).prefetch(2):
            found = batch.numpy().tolist()
            yield Rows(path=path, numbers=np.arange(first, first + len(found)), rows=found, is_text=False)
            first += len(found)
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError):
        for _ in tfrecords.read_records(path):  # which says where the damage is
            pass
        raise


def _one_by_one(path: str, size: int, bad: BadRows) -> Iterator[Rows]:
    numbers: list[int] = []
    found: list[bytes] = []
    for number, record in tfrecords.read_records(path, bad):
        numbers.append(number)
        found.append(record)
        if len(found) == size:
            yield Rows(path=path, numbers=np.array(numbers, np.int64), rows=found, is_text=False)
            numbers, found = [], []
    if found:
        yield Rows(path=path, numbers=np.array(numbers, np.int64), rows=found, is_text=False)
