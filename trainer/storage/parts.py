"""Large objects in parts, several at a time: up through temporary objects that are put together, down by ranges."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from trainer.storage import checksums
from trainer.storage.bucket import Bucket
from trainer.storage.entry import Entry
from trainer.storage.errors import CorruptError

T = TypeVar("T")
R = TypeVar("R")

WHOLE_BYTES = 8 << 20
"""What is sent in one request: a larger upload by the client takes two, and is not checked by the server."""
_PART_BYTES = 32 << 20
_MOST_PARTS = 32  # that the service puts together at once
_AT_ONCE = 8
_ATTEMPTS = 5
PARTS_FOLDER = ".parts-"

Ranges = Sequence[tuple[int, int]]


def ranges(size: int, part_bytes: int = _PART_BYTES, most: int | None = None) -> list[tuple[int, int]]:
    """Start and size of equal parts; the last one may be smaller.

    Args:
      size: of the whole, in bytes.
      part_bytes: of a part.
      most: how many parts there may be, however large they become; None for any number.
    """
    if most is not None:
        part_bytes = max(part_bytes, -(-size // most))
    return [(start, min(part_bytes, size - start)) for start in range(0, size, part_bytes)]


def upload(bucket: Bucket, file: str, path: str, if_generation: int | None = None) -> Entry:
    """Uploads a file, checked end to end; one request up to 8 MiB.

    Args:
      bucket: with its retry policy.
      file: local.
      path: of the object, which appears whole.
      if_generation: as for `Bucket.write`.
    """
    size = os.path.getsize(file)
    if size <= WHOLE_BYTES:
        return bucket.write(path, _slice(file, 0, size), if_generation)
    folder = f"{path}{PARTS_FOLDER}{uuid.uuid4().hex}"
    parts: list[Entry] = []

    def send(part: tuple[int, tuple[int, int]]) -> Entry:
        index, (start, count) = part
        return bucket.write(f"{folder}/{index:02d}", _slice(file, start, count))

    try:
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="upload") as pool:
            whole = pool.submit(checksums.of_file, file)
            parts.extend(pool.map(send, enumerate(ranges(size, most=_MOST_PARTS))))
            return bucket.compose(path, parts, if_generation, whole.result())
    finally:
        bucket.clean_up(parts)


def download(bucket: Bucket, entry: Entry, file: str) -> None:
    """Fetches one generation of an object into a local file, checked; wrong bits are fetched again.

    Args:
      bucket: with its retry policy.
      entry: of the object.
      file: local; replaced. On an error it may be there in part.

    Raises:
      NotFoundError: the object is gone, or was written again.
      CorruptError: its checksum is wrong time and again.
    """
    for _ in range(_ATTEMPTS):
        if _fetch(bucket, entry, file) == entry.crc32c:
            return
    raise CorruptError(
        f"{entry.path} arrived with a wrong checksum {_ATTEMPTS} times", None, "Compare it with its source"
    )


def _fetch(bucket: Bucket, entry: Entry, file: str) -> str:
    """Writes the file; returns its checksum."""
    if entry.size <= WHOLE_BYTES:
        data, _ = bucket.read(entry.path, entry.generation)
        with open(file, "wb") as stream:
            stream.write(data)
        return checksums.of_bytes(data)
    with open(file, "wb") as stream:
        stream.truncate(entry.size)

    def receive(part: tuple[int, int]) -> None:
        start, size = part
        with open(file, "r+b") as stream:
            bucket.fetch_range(entry.path, entry.generation, start, size, stream, start)

    for _ in at_once(receive, ranges(entry.size)):
        pass
    return checksums.of_file(file)


def at_once(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Does the same to several items at a time; what it returns, in their order. Raises the first error."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="storage") as pool:
        return list(pool.map(work, items))


def _slice(file: str, start: int, size: int) -> bytes:
    with open(file, "rb") as stream:
        stream.seek(start)
        data = stream.read(size)
    if len(data) < size:
        raise CorruptError(f"{file} became shorter while it was uploaded", None, "Run again")
    return data
