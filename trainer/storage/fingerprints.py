"""What files hold, told cheaply: by size and checksum, or for large ones by samples, but never by name or time.

| file | is known by |
|---|---|
| up to 64 MiB, while all together have up to 1 GiB | size and CRC32C of the whole |
| larger, or more of them | size and CRC32C of up to 16 blocks of 64 KiB, the first and the last among them |
| object in a bucket | size and CRC32C of the whole, which the bucket keeps |

Two fingerprints are compared by what both have, so that the same files count as the same in a bucket and on a disk.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

from trainer.storage import checksums
from trainer.storage.entry import Entry

WHOLE = "crc32c"
_WHOLE_BYTES, _WHOLE_BYTES_TOGETHER = 64 << 20, 1 << 30
_BLOCK, _BLOCKS, _BLOCKS_TOGETHER = 64 << 10, 16, 4096


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """What one file holds.

    Attributes:
      name: without its folder, for messages.
      size: bytes.
      checksums: by how they were taken.
    """

    name: str
    size: int
    checksums: Mapping[str, str]

    def is_of_same(self, other: Fingerprint) -> bool:
        """Whether two can be of the same content, wherever and under whatever name it lies."""
        common = self.checksums.keys() & other.checksums.keys()
        return self.size == other.size and all(self.checksums[key] == other.checksums[key] for key in common)

    def record(self) -> list[Any]:
        """As JSON holds it."""
        return [self.name, self.size, dict(self.checksums)]

    @classmethod
    def of_record(cls, record: Sequence[Any]) -> Fingerprint:
        """From what `record` gave.

        Raises:
          ValueError, TypeError, AttributeError: it is none.
        """
        name, size, checksums = record
        checked = {str(key): str(value) for key, value in checksums.items()}
        return cls(name=str(name), size=int(size), checksums=checked)


def of(entries: Sequence[Entry]) -> list[Fingerprint]:
    """The fingerprints of files and objects, in their order.

    Raises:
      OSError: a file cannot be read.
    """
    here = [entry for entry in entries if entry.crc32c is None]
    reads_whole = sum(entry.size for entry in here) <= _WHOLE_BYTES_TOGETHER
    blocks = max(1, min(_BLOCKS, _BLOCKS_TOGETHER // max(1, len(here))))
    return [_of(entry, reads_whole, blocks) for entry in entries]


def _of(entry: Entry, reads_whole: bool, blocks: int) -> Fingerprint:
    name = entry.path.rpartition("/")[2]
    if entry.crc32c is not None:
        return Fingerprint(name=name, size=entry.size, checksums={WHOLE: entry.crc32c})
    if reads_whole and entry.size <= _WHOLE_BYTES:
        return Fingerprint(name=name, size=entry.size, checksums={WHOLE: checksums.of_file(entry.path)})
    sampled = _of_blocks(entry.path, entry.size, blocks)
    return Fingerprint(name=name, size=entry.size, checksums={f"{blocks} blocks": sampled})


def _of_blocks(path: str, size: int, blocks: int) -> str:
    """The checksum of blocks at equal distances, the last of which ends where the file does."""
    running, last = checksums.Running(), max(0, size - _BLOCK)
    with open(path, "rb") as stream:
        for index in range(blocks):
            stream.seek(last * index // max(1, blocks - 1), os.SEEK_SET)
            running.add(stream.read(_BLOCK))
    return running.text
