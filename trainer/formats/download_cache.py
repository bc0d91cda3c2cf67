"""Copies of objects on this machine: whole, checked, fetched ahead of their reader, and deleted when others follow.

TensorFlow reads `gs://` without any checksum, and a bucket keeps one checksum for the whole of an object: no part of it
may be used before all of it is here. So every process that reads data, a worker of parameter servers too, fetches the
objects of its own share into a directory of its own, and reads them there as local files.
"""

from __future__ import annotations

import collections
import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from trainer import storage
from trainer.job.errors import DataError, UsageError

KEEP_BYTES = 2 << 30
KEEP_FILES = 16
"""A pipeline opens a copy right after it asked for it, and an open file stays readable when its name is gone. So what
lies this many askings back is open already, or will not be opened, and may be deleted."""
START_BYTES = 64 << 10
_AT_ONCE = 8
_FREE_SHARE = 0.1
_LATELY_SECS = 600.0
_JUST_NOW_SECS = 60.0
_PREFIX = f"trainer-data-{os.getuid()}-"


class DownloadCache:
    """A directory of copies.

    Without `cache_dir` it is a temporary one, and holds 2 GiB at most, or the 16 files asked for last where these are
    more, besides the first 64 KiB of each file of a large setting; files that a pipeline is in the middle of take their
    space until it has read them. A `cache_dir` keeps the files for later epochs, runs and processes; those not used for
    the longest time go when less than a tenth of its disk is free.

    Args:
      cache_dir: None for a temporary one.
      store: what fetches.
      keep_bytes, keep_files: the bounds of a temporary one.
      clock: seconds since 1970.
    """

    def __init__(
        self,
        cache_dir: str | None,
        store: storage.Store | None = None,
        *,
        keep_bytes: int = KEEP_BYTES,
        keep_files: int = KEEP_FILES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._cache_dir, self._store, self._clock = cache_dir, store or storage.Store(), clock
        self._keep_bytes, self._keep_files = keep_bytes, keep_files
        self._owner: _Owner | None = None
        if cache_dir:
            self._directory = _made(os.path.expanduser(cache_dir))
        else:
            self._directory, self._owner = _temporary(clock())
        self._lock = threading.Lock()
        self._busy: collections.defaultdict[str, threading.Lock] = collections.defaultdict(threading.Lock)
        self._used: dict[str, int] = {}  # bytes by path, the one asked for last at the end

    @property
    def cache_dir(self) -> str | None:
        return self._cache_dir

    def local(self, entry: storage.Entry) -> str:
        """Path of the copy of one generation of an object, which is fetched if it is not here.

        Raises:
          DataError: the object was written again or deleted since it was listed.
          JobError: it could not be read, or there is no room for it.
        """
        path = self._path(entry)
        with self._lock:
            busy = self._busy[path]
        with busy:
            if not self._note(path, entry.size):
                self._fetch(entry, path)
                self._note(path, entry.size)
                self._evict()
        return path

    def bring(self, entries: Sequence[storage.Entry]) -> None:
        """Fetches several at a time, until the bound is reached."""
        total, wanted = 0, []
        for entry in entries:
            total += entry.size
            if total > self._keep_bytes:
                break
            wanted.append(entry)
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="data") as pool:
            list(pool.map(self.local, wanted))

    def bring_starts(self, entries: Sequence[storage.Entry]) -> None:
        """Fetches the starts of several objects at a time."""
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="data") as pool:
            list(pool.map(self.start, entries))

    def start(self, entry: storage.Entry) -> bytes:
        """The first START_BYTES of an object, as they are stored; all of it where it is smaller or here.

        A bucket keeps no checksum of a part: it is read until two answers agree.
        """
        path = self._path(entry)
        if entry.size <= START_BYTES or _is_whole(path, entry.size):
            return _first_bytes(self.local(entry))
        kept = pathlib.Path(f"{path}.start")
        if not kept.exists():
            with self._reported(entry):
                data = self._agreed(entry)
            hidden = kept.with_name(f"{kept.name}.{threading.get_ident()}-{os.getpid()}.part")
            hidden.write_bytes(data)
            hidden.replace(kept)
        return kept.read_bytes()

    def close(self) -> None:
        """Deletes a temporary directory; a cache stays."""
        if self._owner is not None:
            self._owner.delete()
            self._owner = None

    def _agreed(self, entry: storage.Entry) -> bytes:
        def read() -> bytes:
            return self._store.bucket.read_range(entry.path, entry.generation, 0, START_BYTES)

        seen = {read()}
        while (data := read()) not in seen:
            seen.add(data)
        return data

    def _fetch(self, entry: storage.Entry, path: str) -> None:
        with self._reported(entry):
            os.makedirs(self._directory, exist_ok=True)
            self._store.fetch(entry, path)

    @contextlib.contextmanager
    def _reported(self, entry: storage.Entry) -> Iterator[None]:
        """Says what it means that a listed generation is gone, or that the disk has no room."""
        try:
            yield
        except storage.NotFoundError as error:
            raise DataError(
                f"{entry.path} was written again or deleted since this job listed it (generation {entry.generation})",
                "files that stay as they are while a job reads them",
                "Start the job again to read what is there now, and write new data under new names",
            ) from error
        except OSError as error:
            raise UsageError(
                f"A copy of {entry.path} ({entry.size >> 20:,} MiB) in {self._directory}: {error.strerror or error}",
                "a directory with room for the files that are read at one time",
                "Set TMPDIR or --data_cache_dir to one on a larger disk",
            ) from error

    def _note(self, path: str, size: int) -> bool:
        """Whether the copy is here; it counts as used now."""
        with self._lock:
            if not _is_whole(path, size):
                return False
            if self._cache_dir:
                os.utime(path, (self._clock(), self._clock()))
            self._used.pop(path, None)
            self._used[path] = size
        return True

    def _evict(self) -> None:
        if self._cache_dir:
            make_room(pathlib.Path(self._directory), self._clock() - _LATELY_SECS)
            return
        with self._lock:
            for path in superfluous(self._used, self._keep_bytes, self._keep_files):
                del self._used[path]
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)

    def _path(self, entry: storage.Entry) -> str:
        words = f"{entry.path}\0{entry.generation}\0{entry.crc32c}"
        return os.path.join(self._directory, hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()[:40])


_SHARED: dict[tuple[int, str | None], DownloadCache] = {}
_SHARING = threading.Lock()


def shared(cache_dir: str | None) -> DownloadCache:
    """The one cache of this process for a directory; a process that was forked has its own."""
    with _SHARING:
        key = os.getpid(), cache_dir
        if key not in _SHARED:
            _SHARED[key] = DownloadCache(cache_dir, keep_bytes=KEEP_BYTES, keep_files=KEEP_FILES)
        return _SHARED[key]


def close_all() -> None:
    """Deletes the temporary directory that `shared` made in this process: at its end."""
    with _SHARING:
        for key in [key for key in _SHARED if key[0] == os.getpid()]:
            _SHARED.pop(key).close()


def superfluous(used: dict[str, int], keep_bytes: int, keep_files: int) -> list[str]:
    """What to delete of files with their sizes, the oldest first: never one of the `keep_files` used last."""
    total, found = sum(used.values()), []
    for path in list(used)[: max(0, len(used) - keep_files)]:
        if total <= keep_bytes:
            break
        total -= used[path]
        found.append(path)
    return found


def make_room(directory: pathlib.Path, before: float) -> None:
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
    for path in directory.iterdir():
        with contextlib.suppress(FileNotFoundError):
            found = path.stat()
            yield found.st_mtime, found.st_size, path


def _made(directory: str) -> str:
    try:
        os.makedirs(directory, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"--data_cache_dir={directory}: {error.strerror}", "a directory, or a path for a new one", "Change it"
        ) from error
    if not os.access(directory, os.W_OK | os.X_OK):
        raise UsageError(f"--data_cache_dir={directory} is not writable", None, "Change its permissions, or the flag")
    return directory


def _temporary(now: float) -> tuple[str, _Owner]:
    """A directory of this process's own; those whose processes are gone are deleted, however these ended."""
    for old in pathlib.Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if old.stat().st_mtime < now - _JUST_NOW_SECS:
                _Owner(str(old)).delete()
    directory = tempfile.mkdtemp(prefix=_PREFIX)
    return directory, _Owner(directory)


class _Owner:
    """A lock on a directory, which ends with the process; OSError where another one holds it."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._handle)
            raise

    def delete(self) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)
        os.close(self._handle)


def _is_whole(path: str, size: int) -> bool:
    """Copies appear whole; another size means that somebody else changed one."""
    try:
        return os.path.getsize(path) == size
    except OSError:
        return False


def _first_bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(START_BYTES)
