"""Where a job's files are: on disk as they are called, in a bucket behind a mirror.

Everything that reads or writes in a job's directory asks here for the local path to work at. A directory in a bucket
has one for each process; what is written there is uploaded in the background.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import shutil
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from trainer import storage
from trainer.estimator.saving.state_file import STATE_FILE, listed, parse
from trainer.job.errors import JobError, TrainingError
from trainer.storage import scratch
from trainer.storage.commits import Stamp
from trainer.storage.mirror import Mirror, MirrorSettings
from trainer.storage.uploader import EVENTS

log = logging.getLogger("trainer")

PREFIX = "model.ckpt-"
EXPORTS, GRAPH_FILE = "export", "saved_model.pb"
_VARIABLES = os.path.join("variables", "variables")
FLUSH_VARIABLE, FLUSH_SECS = "TRAINER_DELIVERY_SECS", 300.0
_SECS_AFTER_ERROR = 30.0


class Directory(Protocol):
    """One directory as people call it, and what the code needs to know of it.

    Attributes:
      path: as people call it.
      local: where TensorFlow reads and writes.
      owner: token of the process that writes checkpoints here; None where any process may write.
    """

    path: str
    local: str

    @property
    def owner(self) -> str | None: ...

    def take_over(self, fenced: Callable[[str], None]) -> None:
        """Makes this process the only one that writes checkpoints here; `fenced` is told when another one does."""

    def protect(self, in_use: Callable[[], tuple[str, ...]]) -> None:
        """Says which checkpoints are being read elsewhere, by their paths; asked before old ones are deleted."""

    def checkpoints_read(self) -> tuple[str, ...]:
        """Paths of the checkpoints that stay here because they are being read."""

    def latest(self) -> str | None:
        """The newest whole checkpoint that is committed, or was saved by this process; None for none."""

    def fetched(self, checkpoint: str) -> str:
        """The local path of a checkpoint."""

    def fetched_variables(self) -> str | None:
        """The local path of the variables of the SavedModel that this directory is; None where it is none."""

    def is_there(self, checkpoint: str) -> bool:
        """Whether a checkpoint exists, by its local path."""

    def published(self, expired: Sequence[str]) -> None:
        """Called after each save with the names of the checkpoints that were let go."""

    def read(self, name: str) -> bytes | None:
        """A file's content; None where there is none."""

    def write(self, name: str, data: bytes) -> None:
        """Replaces a file, whole."""

    def remove(self, name: str) -> None:
        """Deletes a file, if it is there."""

    def exports(self, name: str) -> list[str]:
        """Names of the complete exports in a folder."""

    def taken(self, name: str) -> Collection[str]:
        """Names in a folder of exports that a new export does not take."""

    def send_export(self, name: str, last: str) -> None:
        """An export is complete; `last` is the file that readers look for."""

    def remove_export(self, name: str) -> None:
        """Deletes an export."""

    def refreshed(self, name: str) -> str:
        """The local path of a folder of events, with those of other processes in it."""

    def send_events(self) -> None:
        """Events of an evaluation are written."""

    def flush(self, secs: float) -> None:
        """Waits until everything is where it belongs."""


class OnDisk:
    """A local directory; everything is where it belongs at once."""

    def __init__(self, path: str) -> None:
        self.path = self.local = path
        self._in_use: Callable[[], tuple[str, ...]] = tuple

    @property
    def owner(self) -> str | None:
        return None

    def take_over(self, fenced: Callable[[str], None]) -> None:
        pass

    def protect(self, in_use: Callable[[], tuple[str, ...]]) -> None:
        self._in_use = in_use

    def checkpoints_read(self) -> tuple[str, ...]:
        return self._in_use()

    def latest(self) -> str | None:
        file = Path(self.local, STATE_FILE)
        if file.exists():
            for checkpoint in reversed(listed(parse(file.read_bytes(), str(file)))):
                if self.is_there(os.path.join(self.local, checkpoint.path)):
                    return os.path.join(self.local, checkpoint.path)
        return None

    def fetched(self, checkpoint: str) -> str:
        return os.path.join(self.local, checkpoint)

    def fetched_variables(self) -> str | None:
        is_saved_model = os.path.exists(os.path.join(self.local, GRAPH_FILE))
        return os.path.join(self.local, _VARIABLES) if is_saved_model else None

    def is_there(self, checkpoint: str) -> bool:
        return os.path.exists(f"{checkpoint}.index")

    def published(self, expired: Sequence[str]) -> None:
        pass

    def read(self, name: str) -> bytes | None:
        try:
            return storage.read(os.path.join(self.local, name))
        except storage.NotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        storage.write(os.path.join(self.local, name), data)

    def remove(self, name: str) -> None:
        Path(self.local, name).unlink(missing_ok=True)

    def exports(self, name: str) -> list[str]:
        folder = os.path.join(self.local, name)
        if not os.path.isdir(folder):
            return []
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir() and _is_version(entry.name))

    def taken(self, name: str) -> Collection[str]:
        return self.exports(name)

    def send_export(self, name: str, last: str) -> None:
        pass

    def remove_export(self, name: str) -> None:
        shutil.rmtree(os.path.join(self.local, name), ignore_errors=True)

    def refreshed(self, name: str) -> str:
        return os.path.join(self.local, name)

    def send_events(self) -> None:
        pass

    def flush(self, secs: float) -> None:
        pass


class InBucket:
    """A folder of a bucket, behind its mirror.

    Args:
      path: `gs://bucket/folder`.
      mirror: of it.
    """

    def __init__(self, path: str, mirror: Mirror) -> None:
        self.path, self._mirror, self.local = path, mirror, mirror.directory
        self._files: set[str] = set()
        self._saved: set[str] = set()
        self._exports: dict[str, set[str]] = {}
        self._used: dict[str, set[str]] = {}
        self._passed_over: set[str] = set()
        self._newest_whole: tuple[str, Mapping[str, Stamp]] | None = None

    @property
    def owner(self) -> str | None:
        return self._mirror.commit().owner or None

    def checkpoints_read(self) -> tuple[str, ...]:
        return ()  # others read the bucket

    def take_over(self, fenced: Callable[[str], None]) -> None:
        self._mirror.take_over()
        self._mirror.when_fenced(fenced)
        self._files = self._files or set(self._mirror.checkpoint_files())
        self._look_at_exports()

    def _look_at_exports(self) -> None:
        """Learns what is there while the bucket answers: afterwards training waits for it no more."""
        for name in self._mirror.entries(f"{EXPORTS}/**"):
            parts = name.split("/")
            if len(parts) == 3:
                self._mirror.read(name)
            elif parts[-1].startswith(GRAPH_FILE) and _is_version(parts[-2]):
                self._exports.setdefault("/".join(parts[:-2]), set()).add(parts[-2])

    def protect(self, in_use: Callable[[], tuple[str, ...]]) -> None:
        self._mirror.protect(lambda: tuple(map(os.path.basename, in_use())))

    def latest(self) -> str | None:
        for name in reversed(self._listed()):
            if self._is_whole(name):
                return storage.join(self.path, name)
            if name not in self._passed_over:
                self._passed_over.add(name)
                log.warning("%s is not whole in %s, so the one before it counts.", name, self.path)
        return None

    def _is_whole(self, name: str) -> bool:
        if self._mirror.owns:
            return self._mirror.whole(name)
        found = (name, self._mirror.stamps(name))
        if found != self._newest_whole:  # whoever asks every second is not to list the folder every second
            if self._mirror.files(name) is None:
                return False
            self._newest_whole = found
        return True

    def _listed(self) -> list[str]:
        """Names of the checkpoints, oldest first: those of this process if it saves here, else what is committed."""
        if self._mirror.owns:
            content = Path(self.local, STATE_FILE).read_bytes()
        else:
            content = self._mirror.commit().text.encode()
        return [checkpoint.path for checkpoint in listed(parse(content, storage.join(self.path, STATE_FILE)))]

    def fetched(self, checkpoint: str) -> str:
        name = os.path.basename(checkpoint)
        here = os.path.join(self.local, name)
        if name in self._saved or self._mirror.is_fetched(name):
            return here
        files = self._mirror.files(name)
        if files is not None:
            self._mirror.fetch(name, files)
            self._let_go(besides=name)
        elif not os.path.exists(f"{here}.index"):
            raise TrainingError(f"{checkpoint} is not there, or not whole", do="Name another checkpoint")
        return here

    def _let_go(self, besides: str) -> None:
        """Deletes fetched checkpoints that are no longer in the bucket, but for the one that is about to be read."""
        if not self._mirror.owns:
            kept = tuple(f"{name}." for name in [*self._listed(), besides])
            for name in os.listdir(self.local):
                if name.startswith(PREFIX) and not name.startswith(kept):
                    os.unlink(os.path.join(self.local, name))

    def fetched_variables(self) -> str | None:
        folder = os.path.dirname(_VARIABLES)
        found = storage.copy_in(storage.join(self.path, folder), os.path.join(self.local, folder))
        return os.path.join(self.local, _VARIABLES) if found else None

    def is_there(self, checkpoint: str) -> bool:
        return self._mirror.whole(os.path.basename(checkpoint))

    def published(self, expired: Sequence[str]) -> None:
        here = {name for name in os.listdir(self.local) if name.startswith(PREFIX)}
        gone = tuple(f"{name}." for name in expired)
        self._files = {name for name in self._files | here if not name.startswith(gone)}
        content = Path(self.local, STATE_FILE).read_bytes()
        newest = parse(content, STATE_FILE).model_checkpoint_path
        self._saved.add(newest)
        self._mirror.send_checkpoints(content.decode(), sorted(self._files), newest)

    def read(self, name: str) -> bytes | None:
        known = not self._mirror.owns or not name.startswith(f"{EXPORTS}/") or self._mirror.has_read(name)
        return self._mirror.read(name) if known else None

    def write(self, name: str, data: bytes) -> None:
        self._mirror.write(name, data)

    def remove(self, name: str) -> None:
        self._mirror.remove(name)

    def exports(self, name: str) -> list[str]:
        if name not in self._exports and not (self._mirror.owns and name.startswith(f"{EXPORTS}/")):
            found = [entry.split("/") for entry in self._mirror.entries(f"{name}/*/{GRAPH_FILE}*")]
            self._exports[name] = {parts[-2] for parts in found if _is_version(parts[-2])}
        self._exports.setdefault(name, set())
        return sorted(self._exports[name])

    def taken(self, name: str) -> Collection[str]:
        return {*self.exports(name), *self._used.get(name, ())}  # what is being deleted is not written again

    def send_export(self, name: str, last: str) -> None:
        folder, _, version = name.rpartition("/")
        self.exports(folder)
        self._exports[folder].add(version)
        self._used.setdefault(folder, set()).add(version)
        self._mirror.send_tree(name, last)

    def remove_export(self, name: str) -> None:
        folder, _, version = name.rpartition("/")
        self.exports(folder)
        self._exports[folder].discard(version)
        self._used.setdefault(folder, set()).add(version)
        self._mirror.remove_tree(name, GRAPH_FILE)

    def refreshed(self, name: str) -> str:
        self._mirror.refresh(f"{name}/{EVENTS}")
        return self._mirror.local(name)

    def send_events(self) -> None:
        self._mirror.send_events(now=True)

    def copy_events(self, path: str) -> None:
        self._mirror.copy_events(path)

    def flush(self, secs: float) -> None:
        self._mirror.flush(secs)

    def close(self) -> None:
        self._mirror.close()


def _is_version(name: str) -> bool:
    return len(name) == 10 and name.isascii() and name.isdigit()


_lock = threading.RLock()
_depth = 0
_longest_secs = math.inf
_event_copies: dict[str, str] = {}
_in_buckets: dict[str, InBucket] = {}
"""By path without a slash at its end. One for each folder: two mirrors of one process would not know of each other."""


def at(path: str | os.PathLike[str], role: str = "process") -> Directory:
    """The directory of that name.

    Args:
      path: local or `gs://`.
      role: of this process in its job. The first one counts: a process of the same role on this machine takes up
        what this one could not upload.
    """
    path = os.fspath(path)
    if not storage.is_remote(path):
        return OnDisk(path)
    with _lock:
        return _in_bucket(path.rstrip("/"), role)


def _in_bucket(path: str, role: str) -> InBucket:
    if path not in _in_buckets:
        settings = MirrorSettings(
            scratch_root=scratch.root(os.environ), role=role, commit_name=STATE_FILE, prefix=PREFIX
        )
        _in_buckets[path] = InBucket(path, Mirror(path, settings))
    return _in_buckets[path]


def holding(path: str | os.PathLike[str]) -> tuple[Directory, str]:
    """The directory that a path is in, and the path's name relative to it.

    In a bucket it is the directory that this process has opened above it, else the folder just above it.
    """
    path = os.fspath(path)
    folder, _, name = path.rstrip("/").rpartition("/")
    if not storage.is_remote(path):
        return OnDisk(os.path.dirname(path)), os.path.basename(path)
    with _lock:
        above = [known for known in _in_buckets if path.startswith(f"{known}/")]
        found = max(above, key=len, default=folder)
        return _in_bucket(found, "process"), path.rstrip("/").removeprefix(f"{found}/")


def read(path: str) -> bytes | None:
    """A file of a job; None where there is none."""
    directory, name = holding(path)
    return directory.read(name)


def write(path: str, data: bytes) -> None:
    """Replaces a file of a job, whole."""
    directory, name = holding(path)
    directory.write(name, data)


def remove(path: str) -> None:
    """Deletes a file of a job, if it is there."""
    directory, name = holding(path)
    directory.remove(name)


def copy_events(path: str, target: str) -> None:
    """Brings the events of a directory to another one, too: out of a bucket as they grow, from disk at the end."""
    directory = at(path)
    if isinstance(directory, InBucket):
        directory.copy_events(target)
    else:
        _event_copies[path] = target


def hurry(secs: float) -> None:
    """From now on no upload is waited for longer than so many seconds: this process is about to be ended."""
    global _longest_secs
    _longest_secs = secs


def flush(secs: float | None = None) -> None:
    """Waits until every directory of this process is uploaded.

    Raises:
      FencedError: another process took one over.
      UnavailableError: that took too long.
    """
    secs = min(_longest_secs, float(os.environ.get(FLUSH_VARIABLE) or FLUSH_SECS) if secs is None else secs)
    for directory in list(_in_buckets.values()):
        directory.flush(secs)
    for path, target in _event_copies.items():
        for entry in storage.entries(storage.join(storage.escaped(path), "**", EVENTS)):
            storage.upload(entry.path, storage.join(target, os.path.relpath(entry.path, path)))


@contextlib.contextmanager
def flushed_at_end() -> Iterator[None]:
    """Work within it does not wait for uploads; at its end, everything is uploaded.

    One in another is a part of that. After an error, uploads have half a minute, and the error counts.

    Raises:
      FencedError: another process took a directory over.
      UnavailableError: a bucket did not take everything in time.
    """
    global _depth
    _depth += 1
    try:
        yield
    except BaseException:
        if _depth == 1:
            with contextlib.suppress(JobError):
                flush(_SECS_AFTER_ERROR)
        raise
    else:
        if _depth == 1:
            flush()
    finally:
        _depth -= 1


@contextlib.contextmanager
def forgotten() -> Iterator[None]:
    """Closes all directories in buckets at its end, as the end of the process would."""
    try:
        yield
    finally:
        for directory in list(_in_buckets.values()):
            directory.close()
        with _lock:
            _in_buckets.clear()
            _event_copies.clear()
        hurry(math.inf)
