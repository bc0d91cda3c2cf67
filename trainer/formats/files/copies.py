"""Directories of copies: one that ends with its process and stays small, or one that later runs find again."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Protocol

from trainer.job.errors import UsageError

KEEP_BYTES = 2 << 30
KEEP_FILES = 16
"""A pipeline opens a copy right after it asked for it, and an open file stays readable when its name is gone. So what
was last asked for so many requests ago is open already, or will not be opened, and may be deleted."""
_FREE_SHARE = 0.1
_LATELY_SECS = 600.0
_JUST_NOW_SECS = 60.0
_PREFIX = f"trainer-data-{os.getuid()}-"


class Copies(Protocol):
    """A directory of copies.

    Attributes:
      directory: its path.
    """

    directory: str

    def use(self, path: str, size: int) -> bool:
        """Whether a copy of so many bytes is here, whole; it counts as used now."""

    def make_room(self) -> None:
        """Deletes what was not asked for lately, if there is too much."""

    def close(self) -> None:
        """Deletes the directory if it ends with its process."""


class TemporaryCopies(Copies):
    """A directory of this process's own. Those whose processes are gone are deleted, however these ended.

    It holds `keep_bytes` at most, or the `keep_files` asked for last where these are more. Files that a pipeline is in
    the middle of take their space until it has read them.

    Args:
      keep_bytes: the bound.
      keep_files: how many of the files asked for last stay in any case.
      clock: seconds since 1970.
    """

    def __init__(self, keep_bytes: int, keep_files: int, clock: Callable[[], float]) -> None:
        self._keep_bytes, self._keep_files = keep_bytes, keep_files
        _delete_abandoned(before=clock() - _JUST_NOW_SECS)
        self.directory = tempfile.mkdtemp(prefix=_PREFIX)
        self._delete = weakref.finalize(self, _Lock(self.directory).delete)
        self._guard = threading.Lock()
        self._sizes: dict[str, int] = {}  # bytes by path, the one asked for last at the end

    def use(self, path: str, size: int) -> bool:
        with self._guard:  # so that no other thread makes room meanwhile
            if not is_whole(path, size):
                return False
            self._sizes.pop(path, None)
            self._sizes[path] = size
        return True

    def make_room(self) -> None:
        with self._guard:
            for path in superfluous(self._sizes, self._keep_bytes, self._keep_files):
                del self._sizes[path]
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)

    def close(self) -> None:
        self._delete()


class KeptCopies(Copies):
    """A directory that later epochs, runs and other processes use, too.

    The files that were not used for the longest time go when less than a tenth of its disk is free.

    Args:
      directory: is made where there is none.
      clock: seconds since 1970.

    Raises:
      UsageError: it cannot be made or written.
    """

    def __init__(self, directory: str, clock: Callable[[], float]) -> None:
        self.directory, self._clock = os.path.expanduser(directory), clock
        try:
            os.makedirs(self.directory, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"--data_cache_dir={directory}: {error.strerror}", "a directory, or a path for a new one", "Change it"
            ) from error
        if not os.access(self.directory, os.W_OK | os.X_OK):
            raise UsageError(
                f"--data_cache_dir={directory} is not writable", None, "Change its permissions, or the flag"
            )

    def use(self, path: str, size: int) -> bool:
        if not is_whole(path, size):
            return False
        with contextlib.suppress(FileNotFoundError):  # another process made room; whoever opens it is told
            os.utime(path, (self._clock(), self._clock()))
        return True

    def make_room(self) -> None:
        free_a_share(pathlib.Path(self.directory), self._clock() - _LATELY_SECS)

    def close(self) -> None:
        pass  # it stays


def is_whole(path: str, size: int) -> bool:
    """Whether a file has so many bytes. Copies appear whole; another size means that somebody else changed one."""
    try:
        return os.path.getsize(path) == size
    except OSError:
        return False


def superfluous(sizes: dict[str, int], keep_bytes: int, keep_files: int) -> list[str]:
    """Which files to delete so that those left fit, the oldest first.

    Args:
      sizes: bytes by path, the oldest first.
      keep_bytes: that they may have together.
      keep_files: how many of the newest stay in any case.
    """
    total, paths = sum(sizes.values()), []
    for path in list(sizes)[: max(0, len(sizes) - keep_files)]:
        if total <= keep_bytes:
            break
        total -= sizes[path]
        paths.append(path)
    return paths


def free_a_share(directory: pathlib.Path, before: float) -> None:
    """Deletes files not used since `before`, the oldest first, until a tenth of the disk is free."""
    usage = shutil.disk_usage(directory)
    missing = usage.total * _FREE_SHARE - usage.free
    if missing <= 0:
        return
    for used, size, path in sorted(_times(directory)):
        if missing <= 0 or used >= before:
            return
        path.unlink(missing_ok=True)
        missing -= size


def _times(directory: pathlib.Path) -> Iterator[tuple[float, int, pathlib.Path]]:
    """Time of last use, bytes and path of each file."""
    for path in directory.iterdir():
        with contextlib.suppress(FileNotFoundError):
            status = path.stat()
            yield status.st_mtime, status.st_size, path


def _delete_abandoned(before: float) -> None:
    """Deletes temporary directories whose processes are gone; one made since `before` may not be locked yet."""
    for old in pathlib.Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            status = old.lstat()
            if status.st_mtime < before and status.st_uid == os.getuid():
                _Lock(str(old)).delete()


class _Lock:
    """A lock on a directory, which ends with the process; OSError where another one holds it."""

    def __init__(self, directory: str) -> None:
        self._directory, self._process = directory, os.getpid()
        self._handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._handle)
            raise

    def delete(self) -> None:
        """Deletes the directory; not in a process that was forked from the one that locked it."""
        if os.getpid() == self._process:
            shutil.rmtree(self._directory, ignore_errors=True)
            os.close(self._handle)
