"""Which files a setting names, here or in buckets: paths and globs, each checked to be something that can be read."""

from __future__ import annotations

import difflib
import glob
import os
import re
import zlib

from trainer import storage
from trainer.formats.files import remote
from trainer.formats.files.contents import start, stored_bytes
from trainer.formats.files.download_cache import DownloadCache
from trainer.formats.files.remote import RemoteFile
from trainer.job.errors import DataError

_ZLIB_MAGIC = (b"x\x01", b"x^", b"x\x9c", b"x\xda")
_FOREIGN_FILES = {
    b"PAR1": "Parquet",
    b"PK\x03\x04": "a zip archive or a spreadsheet",
    b"\x89HDF": "HDF5",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}


def resolve(patterns: tuple[str, ...], flag: str, cache: DownloadCache) -> tuple[str, ...]:
    """The files that patterns name, each once, in the order of their names with digits read as numbers.

    Objects in buckets are pinned to their generation of now, and fetched: whole where that is little, else their
    beginnings, by which they are checked.

    Args:
      patterns: paths and globs, local or in buckets.
      flag: that gives them, for messages.
      cache: where fetched files go.

    Raises:
      DataError: a pattern without a file, a missing or empty file, a directory, a bucket that cannot be read.
    """
    named = [storage.resolved(pattern.strip()) for pattern in patterns]
    in_buckets = remote.find([name for name in named if storage.is_remote(name)], flag, cache)
    found = {path for name in named if not storage.is_remote(name) for path in _matches(name, flag)} | set(in_buckets)
    for path in found:
        _check_file(path, flag)
    remote.fetch(in_buckets)
    for path in found:
        _check_content(path, flag)
    return tuple(sorted(found, key=_natural))


def _matches(pattern: str, flag: str) -> list[str]:
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+://", pattern):
        raise DataError(
            f"--{flag}: {pattern} is an address of a kind that is not read",
            "files and globs on this machine, and gs://",
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
    raise DataError(f"--{flag}: there is no file {pattern!r}", "files, or globs such as data/*.csv", _nearest(pattern))


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


def _check_file(path: str, flag: str) -> None:
    if isinstance(path, RemoteFile):
        _check_size(path, flag)
        return
    if os.path.isdir(path):
        raise DataError(
            f"--{flag}: {path!r} is a directory",
            "files, or globs",
            f"Name the files in it: {os.path.join(path, '*.csv')}",
        )
    if not os.access(path, os.R_OK):
        raise DataError(f"--{flag}: {path!r} cannot be read: no permission", None, "Change its permissions (chmod +r)")
    _check_size(path, flag)


def _check_size(path: str, flag: str) -> None:
    if stored_bytes(path) == 0:
        raise DataError(
            f"--{flag}: {path!r} is empty (0 bytes)",
            "at least one row",
            "Leave the file out, or write it again",
        )


def _check_content(path: str, flag: str) -> None:
    first = start(path, 64)
    for magic, name in _FOREIGN_FILES.items():
        if first.startswith(magic):
            raise DataError(
                f"--{flag}: {path!r} is {name}",
                "CSV or TFRecord, plain or gzip",
                "Unpack it, or write it as CSV",
            )
    if _is_zlib(first):
        raise DataError(
            f"--{flag}: {path!r} is compressed with ZLIB",
            "CSV or TFRecord, plain or gzip",
            "Write it with compression GZIP (tf.io.TFRecordOptions), or without",
        )


def _is_zlib(first: bytes) -> bool:
    """Whether a file that begins so is a stream of zlib: no text, a known header, and what follows fits."""
    if not first.startswith(_ZLIB_MAGIC) or all(byte >= 32 or byte in b"\t\r\n" for byte in first):
        return False
    try:
        zlib.decompressobj().decompress(first)
    except zlib.error:
        return False
    return True


def _natural(path: str) -> list[tuple[int, str | int]]:
    """Sorts part-2 before part-10."""
    return [(1, int(part)) if part.isdecimal() else (0, part) for part in re.split(r"([0-9]+)", path)]
