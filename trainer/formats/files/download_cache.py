"""Copies of objects on this machine: whole, checked, fetched ahead of their reader, and deleted when others follow.

TensorFlow reads `gs://` without any checksum, and a bucket keeps one checksum for the whole of an object: no part of it
may be used before all of it is here. So every process that reads data, a worker of parameter servers too, fetches the
objects of its own share into a directory of its own, and reads them there as local files.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import hashlib
import os
import pathlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from trainer import storage
from trainer.formats.files.copies import KEEP_BYTES, KEEP_FILES, Copies, KeptCopies, TemporaryCopies, is_whole
from trainer.job.errors import DataError, UsageError

START_BYTES = 64 << 10
_AT_ONCE = 8


class DownloadCache:
    """The copies that a process has of objects; safe in threads. Their directory is made when the first is asked for.

    Args:
      cache_dir: where they stay for later epochs, runs and processes; None for a temporary directory, which holds
        little at one time, besides the first 64 KiB of each file of a large setting.
      store: what fetches.
      keep_bytes: that a temporary directory holds.
      keep_files: how many of the files asked for last stay there in any case.
      clock: seconds since 1970.
    """

    def __init__(
        self,
        cache_dir: str | None = None,
        store: storage.Store | None = None,
        *,
        keep_bytes: int = KEEP_BYTES,
        keep_files: int = KEEP_FILES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._keep_bytes = store or storage.Store(), keep_bytes
        self._open: Callable[[], Copies] = (
            functools.partial(KeptCopies, cache_dir, clock)
            if cache_dir
            else functools.partial(TemporaryCopies, keep_bytes, keep_files, clock)
        )
        self._opened: Copies | None = None
        self._guard = threading.Lock()
        self._busy: collections.defaultdict[str, threading.Lock] = collections.defaultdict(threading.Lock)

    def local(self, entry: storage.Entry) -> str:
        """Path of the copy of one generation of an object, which is fetched if it is not here.

        Raises:
          DataError: the object was written again or deleted since it was listed.
          JobError: it could not be read, or there is no room for it.
        """
        path = self._path(entry)
        with self._guard:
            busy = self._busy[path]
        with busy:  # one thread fetches, the others wait for its copy
            if not self._copies().use(path, entry.size):
                self._fetch(entry, path)
        return path

    def fetch_all(self, entries: Sequence[storage.Entry]) -> None:
        """Fetches several objects at a time, until the bound of a temporary directory is reached."""
        total, within = 0, []
        for entry in entries:
            total += entry.size
            if total > self._keep_bytes:
                break
            within.append(entry)
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="data") as pool:
            list(pool.map(self.local, within))

    def fetch_starts(self, entries: Sequence[storage.Entry]) -> None:
        """Fetches the starts of several objects at a time."""
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="data") as pool:
            list(pool.map(self.start, entries))

    def start(self, entry: storage.Entry) -> bytes:
        """The first START_BYTES of an object, as they are stored; all of it where it is smaller or here.

        A bucket keeps no checksum of a part: it is read until two answers agree.
        """
        path = self._path(entry)
        if entry.size <= START_BYTES or is_whole(path, entry.size):
            return _first_bytes(self.local(entry))
        kept = pathlib.Path(f"{path}.start")
        if not kept.exists():
            with self._reported(entry):
                data = self._start_read_twice(entry)
            hidden = kept.with_name(f"{kept.name}.{threading.get_ident()}-{os.getpid()}.part")
            hidden.write_bytes(data)
            hidden.replace(kept)
        return kept.read_bytes()

    def close(self) -> None:
        """Deletes a temporary directory; a `cache_dir` stays."""
        with self._guard:
            if self._opened is not None:
                self._opened.close()
            self._opened = None

    def _copies(self) -> Copies:
        with self._guard:
            if self._opened is None:
                self._opened = self._open()
            return self._opened

    def _start_read_twice(self, entry: storage.Entry) -> bytes:
        def read() -> bytes:
            return self._store.bucket.read_range(entry.path, entry.generation, 0, START_BYTES)

        answers = {read()}
        while (answer := read()) not in answers:
            answers.add(answer)
        return answer

    def _fetch(self, entry: storage.Entry, path: str) -> None:
        with self._reported(entry):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            self._store.fetch(entry, path)
        self._copies().use(path, entry.size)
        self._copies().make_room()

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
            directory = self._copies().directory
            raise UsageError(
                f"A copy of {entry.path} ({entry.size >> 20:,} MiB) in {directory}: {error.strerror or error}",
                "a directory with room for the files that are read at one time",
                "Set TMPDIR or --data_cache_dir to one on a larger disk",
            ) from error

    def _path(self, entry: storage.Entry) -> str:
        """Where the copy of this generation is, or will be."""
        words = f"{entry.path}\0{entry.generation}\0{entry.crc32c}"
        name = hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()[:40]
        return os.path.join(self._copies().directory, name)


def _first_bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(START_BYTES)
