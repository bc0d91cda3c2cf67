"""What is in a file, here or in a bucket, as bytes and as text: gzip, line ends, byte order marks."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from trainer.formats.files.download_cache import START_BYTES
from trainer.formats.files.remote import RemoteFile
from trainer.job.errors import DataError

BLOCK_BYTES = 1 << 24
HEAD_BYTES = 1 << 20
LONGEST_LINE_BYTES = 1 << 26
_GZIP_MAGIC = b"\x1f\x8b"
_FOREIGN_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def is_gzip(path: str) -> bool:
    """Whether the content is gzip, whatever the name says."""
    return start(path, 2) == _GZIP_MAGIC


def opened(path: str) -> BinaryIO:
    """The file's bytes, uncompressed. Of an object in a bucket all have been fetched and checked before."""
    place = _place(path)
    return gzip.open(place, "rb") if is_gzip(path) else open(place, "rb")  # type: ignore[return-value]


def is_cut(path: str) -> bool:
    """Whether only the start of a file is looked at before its data are used: of objects that are many or large."""
    return isinstance(path, RemoteFile) and not path.one_of_few


def opened_start(path: str) -> BinaryIO:
    """As `opened`; of what `is_cut` no more than `download_cache.START_BYTES`."""
    if not is_cut(path):
        return opened(path)
    data = start(path, START_BYTES)
    try:
        return io.BytesIO(zlib.decompressobj(wbits=31).decompress(data) if is_gzip(path) else data)
    except zlib.error as error:
        raise _damaged(path, error) from error


def start(path: str, size: int) -> bytes:
    """At most the first `size` bytes (up to `download_cache.START_BYTES`), as they are stored."""
    if isinstance(path, RemoteFile):
        return path.start()[:size]
    with open(path, "rb") as file:
        return file.read(size)


def plain_bytes(path: str) -> int:
    """Size of the uncompressed content: for gzip what its trailer says, or six times the file where that may wrap."""
    size = stored_bytes(path)
    if not is_gzip(path):
        return size
    if is_cut(path):
        return 6 * size
    with open(_place(path), "rb") as file:
        file.seek(-4, os.SEEK_END)
        trailer = int.from_bytes(file.read(4), "little")
    return max(trailer, size) if size < 1 << 29 else 6 * size


def head(path: str, size: int = HEAD_BYTES) -> bytes:
    """At most the first `size` bytes, uncompressed; of a large object in a bucket no more than its start holds.

    Raises:
      DataError: damaged gzip.
    """
    with opened_start(path) as file:
        return _read(file, size, path)


def first_lines(path: str) -> list[str]:
    """About HEAD_BYTES of whole lines, from the first; raises DataError like `text_blocks`."""
    if is_cut(path):
        text = head(path)
        if end := text.rfind(b"\n") + 1:
            whole = _without_mark(text[:end], path)
            _reject_nul(whole, path, 1)
            return lines(_with_line_feeds(whole, path, 1))
    return next(text_blocks(path, HEAD_BYTES), (1, []))[1]


def text_blocks(path: str, block_bytes: int = BLOCK_BYTES) -> Iterator[tuple[int, list[str]]]:
    """Cuts the text of a file into blocks of whole lines.

    Lines end with LF, CRLF or CR, which are taken off; a UTF-8 byte order mark is taken off too.

    Yields:
      (number of the first line, from 1; the lines), about `block_bytes` at a time.

    Raises:
      DataError: damaged gzip, another encoding than UTF-8, a NUL byte, a line above LONGEST_LINE_BYTES.
    """
    for line, raw in byte_blocks(path, block_bytes):
        yield line, lines(raw)


def byte_blocks(path: str, block_bytes: int = BLOCK_BYTES) -> Iterator[tuple[int, bytes]]:
    """As `text_blocks`, but the lines are one text, checked to be UTF-8, each with LF at its end."""
    line = 1
    for raw in _line_blocks(path, block_bytes):
        whole = _with_line_feeds(raw, path, line)
        yield line, whole
        line += _line_ends(whole)


def lines(whole: bytes) -> list[str]:
    """Of `byte_blocks`, without their ends."""
    return whole.decode().removesuffix("\n").split("\n")


def _place(path: str) -> str:
    """Where the file lies on this machine."""
    return path.local() if isinstance(path, RemoteFile) else path


def stored_bytes(path: str) -> int:
    """Size of the file as it is stored."""
    return path.entry.size if isinstance(path, RemoteFile) else os.path.getsize(path)


def _line_blocks(path: str, block_bytes: int) -> Iterator[bytes]:
    """Bytes of whole lines; the byte order mark is gone."""
    rest, line = b"", 1
    with opened(path) as file:
        first = _without_mark(_read(file, block_bytes, path), path)
        for chunk in _chunks(first, file, block_bytes, path):
            _reject_nul(chunk, path, line + rest.count(b"\n"))
            end = chunk.rfind(b"\n") + 1
            if end:
                whole = rest + chunk[:end]
                yield whole
                line += _line_ends(whole)
                rest = chunk[end:]
            else:
                rest += chunk
            if len(rest) > LONGEST_LINE_BYTES:
                raise DataError(
                    f"{path}:{line}: a line longer than {LONGEST_LINE_BYTES >> 20} MiB",
                    None,
                    "Is it a text file with line ends?",
                )
    if rest:
        yield rest


def _line_ends(text: bytes) -> int:
    """How many line feeds there are; bytes.count looks at each byte by itself."""
    return int(np.count_nonzero(np.frombuffer(text, np.uint8) == ord("\n")))


def _chunks(first: bytes, file: BinaryIO, size: int, path: str) -> Iterator[bytes]:
    chunk = first
    while chunk:
        yield chunk
        chunk = _read(file, size, path)


def _read(file: BinaryIO, size: int, path: str) -> bytes:
    try:
        return file.read(size)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _damaged(path, error) from error


def _damaged(path: str, error: Exception) -> DataError:
    return DataError(f"{path}: damaged gzip ({error})", None, "Check it with gzip -t, and copy or compress it again")


def _without_mark(start: bytes, path: str) -> bytes:
    if start.startswith(_FOREIGN_MARKS):
        raise DataError(
            f"{path}:1: a byte order mark of UTF-16 or UTF-32",
            "UTF-8 text",
            f"Convert it: iconv -f UTF-16 -t UTF-8 {path} > new.csv",
        )
    return start.removeprefix(codecs.BOM_UTF8)


def _reject_nul(chunk: bytes, path: str, line: int) -> None:
    place = chunk.find(b"\0")
    if place >= 0:
        raise DataError(
            f"{path}:{line + chunk.count(bytes([10]), 0, place)}: a NUL byte",
            "UTF-8 text",
            "The file is binary, UTF-16 or was cut by a crash: write it again",
        )


def _with_line_feeds(raw: bytes, path: str, line: int) -> bytes:
    """Whole lines of UTF-8 with LF at the end of each, the last one too.

    Args:
      raw: the lines as they are.
      path: of the file.
      line: the number of the first.
    """
    try:
        if not raw.isascii():
            raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}:{line + raw.count(bytes([10]), 0, error.start)}: byte 0x{raw[error.start]:02x} is not UTF-8",
            "UTF-8 text",
            f"Convert it: iconv -f LATIN1 -t UTF-8 {path} > new.csv",
        ) from error
    if b"\r" in raw:
        raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return raw if raw.endswith(b"\n") else raw + b"\n"
