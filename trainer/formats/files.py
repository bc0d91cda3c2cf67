"""Which files a setting names, here or in buckets, and their text: globs, gzip, line ends, byte order marks."""

from __future__ import annotations

import codecs
import difflib
import glob
import gzip
import io
import os
import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from trainer import storage
from trainer.formats import remote
from trainer.formats.download_cache import START_BYTES
from trainer.formats.remote import RemoteFile
from trainer.job.errors import DataError

BLOCK_BYTES = 1 << 24
HEAD_BYTES = 1 << 20
LONGEST_LINE_BYTES = 1 << 26
_GZIP_MAGIC = b"\x1f\x8b"
_FOREIGN_FILES = {
    b"PAR1": "Parquet",
    b"PK\x03\x04": "a zip archive or a spreadsheet",
    b"\x89HDF": "HDF5",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_FOREIGN_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def resolve(patterns: tuple[str, ...], flag: str, cache_dir: str | None = None) -> tuple[str, ...]:
    """The files that the patterns of `flag` name, each once, in the order of their names with digits read as numbers.

    Objects in buckets are pinned to the generation that is there now, and have arrived afterwards: all of them where
    they are few, else the starts of them, by which they are checked.

    Raises:
      DataError: a pattern without a file, a missing or empty file, a directory, a bucket that cannot be read.
    """
    named = [storage.resolved(pattern.strip()) for pattern in patterns]
    in_buckets = remote.find([name for name in named if storage.is_remote(name)], flag, cache_dir)
    found = {path for name in named if not storage.is_remote(name) for path in _matches(name, flag)} | set(in_buckets)
    for path in found:
        _check_file(path, flag)
    remote.bring(in_buckets)
    for path in found:
        _check_content(path, flag)
    return tuple(sorted(found, key=_natural))


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
    """As `opened`; of what `is_cut` no more than `spool.START_BYTES`."""
    if not is_cut(path):
        return opened(path)
    data = start(path, START_BYTES)
    try:
        return io.BytesIO(zlib.decompressobj(wbits=31).decompress(data) if is_gzip(path) else data)
    except zlib.error as error:
        raise _damaged(path, error) from error


def start(path: str, size: int) -> bytes:
    """At most the first `size` bytes (up to `spool.START_BYTES`), as they are stored."""
    if isinstance(path, RemoteFile):
        return path.start()[:size]
    with open(path, "rb") as file:
        return file.read(size)


def plain_bytes(path: str) -> int:
    """Size of the uncompressed content: for gzip what its trailer says, or six times the file where that may wrap."""
    size = _stored_bytes(path)
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
            return _lines(_decoded(whole, path, 1))
    return next(text_blocks(path, HEAD_BYTES), (1, []))[1]


def text_blocks(path: str, block_bytes: int = BLOCK_BYTES) -> Iterator[tuple[int, list[str]]]:
    """Cuts the text of a file into blocks of whole lines.

    Lines end with LF, CRLF or CR, which are taken off; a UTF-8 byte order mark is taken off too.

    Yields:
      (number of the first line, from 1; the lines), about `block_bytes` at a time.

    Raises:
      DataError: damaged gzip, another encoding than UTF-8, a NUL byte, a line above LONGEST_LINE_BYTES.
    """
    line = 1
    for raw in _line_blocks(path, block_bytes):
        lines = _lines(_decoded(raw, path, line))
        yield line, lines
        line += len(lines)


def _matches(pattern: str, flag: str) -> list[str]:
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+://", pattern):
        raise DataError(
            f"--{flag}: {pattern} is an address of a kind that is not read",
            "Accepted: files and globs on this machine, and gs://",
            "Copy the data to one of these first, then name the copy",
        )
    if os.path.exists(pattern):
        return [pattern]
    if glob.has_magic(pattern):
        matches = glob.glob(pattern, recursive=True)
        if not matches:
            raise DataError(
                f"--{flag}: no file matches {pattern!r}", None, "Check the pattern with ls, and quote it in the shell"
            )
        return [match for match in matches if not os.path.isdir(match)] or matches
    raise DataError(
        f"--{flag}: there is no file {pattern!r}", "Accepted: files, or globs such as data/*.csv", _nearest(pattern)
    )


def _nearest(path: str) -> str:
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        return f"The folder {folder!r} is not there either: check the path"
    close = difflib.get_close_matches(os.path.basename(path), os.listdir(folder), n=1)
    return (
        f"The nearest name there is {os.path.join(os.path.dirname(path), close[0])!r}"
        if close
        else f"See what is there: ls {folder}"
    )


def _place(path: str) -> str:
    """Where the file lies on this machine."""
    return path.local() if isinstance(path, RemoteFile) else path


def _stored_bytes(path: str) -> int:
    return path.entry.size if isinstance(path, RemoteFile) else os.path.getsize(path)


def _check_file(path: str, flag: str) -> None:
    if isinstance(path, RemoteFile):
        _check_size(path, flag)
        return
    if os.path.isdir(path):
        raise DataError(
            f"--{flag}: {path!r} is a directory",
            "Accepted: files, or globs",
            f"Name the files in it: {os.path.join(path, '*.csv')}",
        )
    if not os.access(path, os.R_OK):
        raise DataError(f"--{flag}: {path!r} may not be read", None, "Change its permissions (chmod +r)")
    _check_size(path, flag)


def _check_size(path: str, flag: str) -> None:
    if _stored_bytes(path) == 0:
        raise DataError(
            f"--{flag}: {path!r} is empty (0 bytes)",
            "Accepted: at least one row",
            "Leave the file out, or write it again",
        )


def _check_content(path: str, flag: str) -> None:
    first = start(path, 8)
    for magic, name in _FOREIGN_FILES.items():
        if first.startswith(magic):
            raise DataError(
                f"--{flag}: {path!r} is {name}",
                "Accepted: CSV or TFRecord, plain or gzip",
                "Unpack it, or write it as CSV",
            )


def _natural(path: str) -> list[tuple[int, str | int]]:
    """Sorts part-2 before part-10."""
    return [(1, int(part)) if part.isdecimal() else (0, part) for part in re.split(r"([0-9]+)", path)]


def _line_blocks(path: str, block_bytes: int) -> Iterator[bytes]:
    """Bytes of whole lines; the byte order mark is gone."""
    rest, line = b"", 1
    with opened(path) as file:
        first = _without_mark(_read(file, block_bytes, path), path)
        for chunk in _chunks(first, file, block_bytes, path):
            _reject_nul(chunk, path, line + rest.count(b"\n"))
            rest += chunk
            end = rest.rfind(b"\n") + 1
            if end:
                yield rest[:end]
                line += rest.count(b"\n", 0, end)
                rest = rest[end:]
            if len(rest) > LONGEST_LINE_BYTES:
                raise DataError(
                    f"{path}:{line}: a line longer than {LONGEST_LINE_BYTES >> 20} MiB",
                    None,
                    "Is it a text file with line ends?",
                )
    if rest:
        yield rest


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
            "Accepted: UTF-8 text",
            f"Convert it: iconv -f UTF-16 -t UTF-8 {path} > new.csv",
        )
    return start.removeprefix(codecs.BOM_UTF8)


def _reject_nul(chunk: bytes, path: str, line: int) -> None:
    place = chunk.find(b"\0")
    if place >= 0:
        raise DataError(
            f"{path}:{line + chunk.count(bytes([10]), 0, place)}: a NUL byte",
            "Accepted: UTF-8 text",
            "The file is binary, UTF-16 or was cut by a crash: write it again",
        )


def _decoded(raw: bytes, path: str, line: int) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}:{line + raw.count(bytes([10]), 0, error.start)}: byte 0x{raw[error.start]:02x} is not UTF-8",
            "Accepted: UTF-8 text",
            f"Convert it: iconv -f LATIN1 -t UTF-8 {path} > new.csv",
        ) from error


def _lines(text: str) -> list[str]:
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return lines
