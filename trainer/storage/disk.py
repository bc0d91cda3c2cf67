"""Local files behind the same verbs as objects in a bucket: written whole, under a condition if need be."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from trainer.job import system_errors
from trainer.storage.entry import ABSENT, Entry
from trainer.storage.errors import ConflictError, DiskError, NotFoundError, PathError, RefusedError, StorageError


def stat(path: str) -> Entry | None:
    """The file's entry; None where there is no file."""
    with _ours("Looking at", path):
        return _entry(path) if os.path.isfile(path) else None


def read(path: str) -> bytes:
    """Raises NotFoundError, RefusedError."""
    with _ours("Reading", path):
        return Path(path).read_bytes()


def write(path: str, data: bytes, if_generation: int | None = None) -> Entry:
    """Writes a file under a hidden name, makes it durable and publishes it; its directories are made.

    Args:
      path: of the file.
      data: its content.
      if_generation: replace only this generation; 0: only where there is no file; None: anything.

    Raises:
      ConflictError: the file is in another generation.
    """
    target = Path(path)
    hidden = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    with _ours("Writing", path):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with hidden.open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            with _locked(target.parent):
                _check_generation(path, if_generation)
                hidden.replace(target)
                return _entry(path)
        finally:
            hidden.unlink(missing_ok=True)


def delete(path: str, if_generation: int | None = None) -> None:
    """Deletes a file, if it is there, and in that generation."""
    with _ours("Deleting", path), contextlib.suppress(FileNotFoundError), _locked(Path(path).parent):
        if if_generation is None or _entry(path).generation == if_generation:
            os.unlink(path)


def tree(directory: str) -> Iterator[Entry]:
    """All files below a directory, sorted; none where there is no such directory."""
    with _ours("Listing", directory):
        for folder, folders, files in os.walk(directory):
            folders.sort()
            yield from (_entry(os.path.join(folder, file)) for file in sorted(files))


def matches(pattern: str) -> Iterator[Entry]:
    """The files that a glob names, sorted; `**` crosses directories."""
    with _ours("Listing", pattern):
        yield from (_entry(path) for path in sorted(glob.glob(pattern, recursive=True)) if os.path.isfile(path))


def _entry(path: str) -> Entry:
    status = os.stat(path)
    generation = status.st_mtime_ns << 20 | status.st_ino & 0xFFFFF  # two writes may fall into one tick of the clock
    return Entry(path=path, size=status.st_size, generation=generation, crc32c=None, updated=status.st_mtime_ns / 1e9)


def _check_generation(path: str, wanted: int | None) -> None:
    generation = _entry(path).generation if os.path.exists(path) else ABSENT
    if wanted not in (None, generation):
        raise ConflictError(f"{path} has another generation than expected", None, "Find out what else writes there")


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Keeps other processes that ask the same from a directory. Its lock is on the directory itself."""
    number = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(number, fcntl.LOCK_EX)
        yield
    finally:
        os.close(number)


@contextlib.contextmanager
def _ours(verb: str, path: str) -> Iterator[None]:
    """Turns the system's errors into this package's."""
    try:
        yield
    except FileNotFoundError:
        raise NotFoundError(f"{verb} {path} failed: there is no such file", None, "Check the path") from None
    except PermissionError:
        raise RefusedError(f"{verb} {path} failed: no permission", None, "Change its permissions") from None
    except ValueError as error:  # a NUL in the path
        raise PathError(f"The path {path!r}: {error}", "a path without NUL", "Change it") from None
    except OSError as error:
        raise failed(f"{verb} {path}", error) from error


def failed(action: str, error: OSError) -> StorageError:
    """The error for one of the system's, about a file whose name may well be right.

    Args:
      action: what failed, as "Writing output/summary.json".
      error: of the system.
    """
    kind = system_errors.kind_of(error)
    if kind is None:
        return StorageError(f"{action} failed: {error.strerror or error}", None, "Check the path and the disk")
    return DiskError(f"{action} failed: {kind.words}", None, kind.do)
