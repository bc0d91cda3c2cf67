"""The directories of a job: on disk where they are called, in a bucket behind a local directory.

Whatever reads or writes in a job's directory asks here for the store of what it means: checkpoints, exports, small
files, events. Each store has a form for disks and one for buckets. In a bucket, what this process writes is uploaded in
the background.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping

from trainer import storage
from trainer.estimator.saving.bucket_checkpoints import BucketCheckpoints
from trainer.estimator.saving.checkpoint_store import PREFIX, CheckpointStore, LocalCheckpoints
from trainer.estimator.saving.event_store import BucketEvents, EventStore, LocalEvents
from trainer.estimator.saving.export_store import BucketExports, ExportStore, LocalExports
from trainer.estimator.saving.record_store import BucketRecords, LocalRecords, RecordStore
from trainer.estimator.saving.state_file import STATE_FILE
from trainer.job.errors import JobError
from trainer.storage import scratch
from trainer.storage.recent_reads import RecentReads
from trainer.storage.synced_folder import SyncedFolder, SyncSettings, not_uploaded

FLUSH_VARIABLE, FLUSH_SECS = "TRAINER_DELIVERY_SECS", 300.0
_SECS_AFTER_ERROR = 30.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class JobDirectory:
    """One directory.

    Attributes:
      path: as people call it.
      local: where TensorFlow reads and writes.
      checkpoints: there.
      exports: below it.
      records: small files below it.
      events: below it.
      synced: the folder of a bucket that `local` stands for; None on disk.
      said: of its files, what was said once and is not said again.
    """

    path: str
    local: str
    checkpoints: CheckpointStore
    exports: ExportStore
    records: RecordStore
    events: EventStore
    synced: SyncedFolder | None = None
    said: set[str] = dataclasses.field(default_factory=set, compare=False)

    def flush(self, secs: float) -> None:
        """Waits until everything is where it belongs.

        Raises:
          FencedError: another process took over.
          UnavailableError: that took too long.
        """
        self.events.flush()
        if self.synced is not None:
            self.synced.flush(secs)

    def close(self) -> None:
        """Ends what works in the background, and leaves what is not uploaded to the next process on this machine."""
        if self.synced is not None:
            self.synced.close()


def on_disk(path: str, said: set[str] | None = None) -> JobDirectory:
    """A local directory.

    Args:
      path: of it.
      said: lines about its checkpoints that are not said again.

    Raises:
      ValueError: the path is in a bucket, where only a process's JobDirectories open directories.
    """
    if storage.is_remote(path):
        raise ValueError(f"{path} is in a bucket. A local directory was expected. Open it by JobDirectories.at")
    return JobDirectory(
        path=path,
        local=path,
        checkpoints=LocalCheckpoints(path, said),
        exports=LocalExports(path),
        records=LocalRecords(path),
        events=LocalEvents(path),
    )


def in_bucket(path: str, settings: SyncSettings, clock: Callable[[], float] = time.monotonic) -> JobDirectory:
    """A folder of a bucket. A process has one of each folder: two would not know of each other.

    Args:
      path: `gs://bucket/folder`, without a slash at its end.
      settings: how it is kept in step.
      clock: seconds.

    Raises:
      StorageError: a process on this machine left uploads, and the bucket cannot be read and written.
    """
    synced = SyncedFolder(path, settings, clock)
    reads = RecentReads(synced.hasty_store.bucket, clock)
    exports = BucketExports(synced, reads)
    return JobDirectory(
        path=path,
        local=synced.folder.directory,
        checkpoints=BucketCheckpoints(path, synced, reads, owned=exports.look),
        exports=exports,
        records=BucketRecords(synced, reads),
        events=BucketEvents(synced, clock),
        synced=synced,
    )


class JobDirectories:
    """The directories that a process has open, one for each folder of a bucket. Safe in threads.

    Args:
      environ: read when a directory is opened or flushed: TRAINER_SCRATCH, where local directories are, and
        TRAINER_DELIVERY_SECS, how long the end of a job waits for uploads.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._lock = threading.RLock()
        self._open: dict[str, JobDirectory] = {}  # by path without a slash at its end
        self._deadline = math.inf
        self._said: set[str] = set()
        self._work = threading.local()

    def at(self, path: str | os.PathLike[str], role: str = "process") -> JobDirectory:
        """The directory of that name.

        Args:
          path: local or `gs://`.
          role: of this process in its job. The first one counts: a process of the same role on this machine takes up
            what this one could not upload.
        """
        path = os.fsdecode(path)
        key = path.rstrip("/")
        with self._lock:
            if key not in self._open and not storage.is_remote(path):
                return on_disk(path, self._said)
            if key not in self._open:
                settings = SyncSettings(
                    scratch_root=scratch.root(self._environ),
                    role=role,
                    commit_name=STATE_FILE,
                    checkpoint_prefix=PREFIX,
                )
                self._open[key] = in_bucket(key, settings)
            return self._open[key]

    def holding(self, path: str | os.PathLike[str]) -> tuple[JobDirectory, str]:
        """The directory that a path is in, and the path's name relative to it.

        It is the directory that this process has open above it, else the one just above it.
        """
        path = os.fsdecode(path).rstrip("/")
        with self._lock:
            above = max((known for known in self._open if path.startswith(f"{known}/")), key=len, default=None)
            if above is not None:
                return self._open[above], path.removeprefix(f"{above}/")
            folder, name = path.rsplit("/", 1) if storage.is_remote(path) else os.path.split(path)
            return self.at(folder), name

    def read(self, path: str) -> bytes | None:
        """A small file of a job; None where there is none."""
        directory, name = self.holding(path)
        return directory.records.read(name)

    def write(self, path: str, data: bytes) -> None:
        """Replaces a small file of a job, whole."""
        directory, name = self.holding(path)
        directory.records.write(name, data)

    def remove(self, path: str) -> None:
        """Deletes a small file of a job, if it is there."""
        directory, name = self.holding(path)
        directory.records.remove(name)

    def local_events(self, path: str) -> str:
        """The local path of a directory of events, with those that other processes made visible."""
        directory, folder = self.holding(path)
        return directory.events.refresh(folder)

    def copy_events(self, path: str, target: str) -> None:
        """Brings the events of a directory to another one, too: out of a bucket as they grow, from disk at the end."""
        with self._lock:
            directory = self._open.setdefault(path.rstrip("/"), self.at(path))
        directory.events.copy_to(target)

    def hurry(self, secs: float) -> None:
        """No upload is waited for beyond so many seconds from now: this process is about to be ended."""
        self._deadline = time.monotonic() + secs
        for directory in list(self._open.values()):  # whoever opens one may hold the lock for long
            if directory.synced is not None:
                directory.synced.uploads.hurry(secs)

    def not_uploaded(self) -> str:
        """What is still to be uploaded, and where it is kept, in words; empty where nothing is. Waits for nothing."""
        left = [
            not_uploaded(directory.synced) for directory in list(self._open.values()) if directory.synced is not None
        ]
        return " ".join(filter(None, left))

    def flush(self, secs: float | None = None) -> None:
        """Waits until every directory of this process is uploaded.

        Args:
          secs: at most, for each directory; None for what the environment says.

        Raises:
          FencedError: another process took one over.
          UnavailableError: that took too long.
        """
        if secs is None:
            secs = float(self._environ.get(FLUSH_VARIABLE) or FLUSH_SECS)
        for directory in list(self._open.values()):
            directory.flush(min(max(0.0, self._deadline - time.monotonic()), secs))

    @contextlib.contextmanager
    def flushed_at_end(self) -> Iterator[None]:
        """Work within it does not wait for uploads; at its end, everything is uploaded.

        Within one in the same thread another one is a part of that: an evaluation in the middle of a training waits
        for nothing. After an error, uploads have half a minute, and the error counts.

        Raises:
          FencedError: another process took a directory over.
          UnavailableError: a bucket did not take everything in time.
        """
        if getattr(self._work, "is_under_way", False):
            yield
            return
        self._work.is_under_way = True
        try:
            yield
        except BaseException:
            with contextlib.suppress(JobError):
                self.flush(_SECS_AFTER_ERROR)
            raise
        else:
            self.flush()
        finally:
            self._work.is_under_way = False

    def close(self) -> None:
        """Closes all directories, as the end of the process would."""
        with self._lock:
            directories = list(self._open.values())
            self._open.clear()
        for directory in directories:
            directory.close()
        self._deadline = math.inf


def of_process() -> JobDirectories:
    """The directories of this process. Whoever works in a bucket shares them; a process that was forked has its own."""
    return _of_process(os.getpid())


@functools.cache
def _of_process(process: int) -> JobDirectories:
    return JobDirectories(os.environ)
