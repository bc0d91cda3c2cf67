"""The checkpoints of a directory: which there are, who may write them, and what becomes of old ones."""

from __future__ import annotations

import contextlib
import functools
import glob
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Protocol

from trainer.estimator.saving import listing, state_file
from trainer.estimator.saving.listing import Listing
from trainer.estimator.saving.manifest import SUFFIX
from trainer.estimator.saving.newest_whole import LocalProblems, NewestWhole
from trainer.estimator.saving.retention import Decision
from trainer.storage.directory_lock import DirectoryLock

PREFIX = "model.ckpt-"


class CheckpointStore(Protocol):
    """The checkpoints of one directory, named relative to it.

    Attributes:
      path: of the directory, as people call it.
      local: where TensorFlow reads and writes.
    """

    path: str
    local: str

    @property
    def owner(self) -> str | None:
        """Token of the process that writes checkpoints here; None where any process may."""

    def take_over(self, fenced: Callable[[str], None], being_read: Callable[[], tuple[str, ...]]) -> None:
        """Makes this process the only one that writes checkpoints here.

        Args:
          fenced: called with the reason as soon as another process has taken over.
          being_read: gives the names of the checkpoints that other processes read; asked before old ones are deleted.
        """

    def spared(self) -> Collection[str]:
        """Names of the checkpoints that retention keeps in the local directory because other processes read them."""

    def held(self) -> contextlib.AbstractContextManager[None]:
        """Within it no other process may train here.

        Raises:
          InUseError: another one does.
        """

    def has_files(self, name: str) -> bool:
        """Whether a checkpoint is there, whole or not."""

    def listing(self) -> Listing:
        """The checkpoints, whole or not."""

    def latest(self) -> str | None:
        """Path of the newest whole checkpoint that is committed, or was saved by this process; None for none.

        Those that are damaged are skipped, with a line.

        Raises:
          DamagedCheckpointError: there are some, and none is whole.
        """

    def exists(self, name: str) -> bool:
        """Whether a checkpoint is whole, as far as that is known without reading it."""

    def fetch(self, name: str) -> str:
        """The local path of a checkpoint."""

    def publish(self, decision: Decision) -> None:
        """Makes the checkpoints that retention lists the state of the directory, and deletes those that expired."""


class LocalCheckpoints(CheckpointStore):
    """Checkpoints on disk.

    Args:
      path: of the directory.
      said: lines that this process has said about checkpoints, which are not said again.
    """

    def __init__(self, path: str, said: set[str] | None = None) -> None:
        self.path = self.local = path
        self._being_read: Callable[[], tuple[str, ...]] = tuple
        self._newest = NewestWhole(path, set() if said is None else said)
        self._problems, self._lock = LocalProblems(path), DirectoryLock(path)

    @property
    def owner(self) -> str | None:
        return None

    def take_over(self, fenced: Callable[[str], None], being_read: Callable[[], tuple[str, ...]]) -> None:
        self._being_read = being_read
        for leftover in _unfinished(self.local):
            Path(leftover).unlink(missing_ok=True)

    def spared(self) -> Collection[str]:
        return self._being_read()

    def held(self) -> contextlib.AbstractContextManager[None]:
        return self._lock.held()

    def has_files(self, name: str) -> bool:
        return _has_files(self.local, name)

    def listing(self) -> Listing:
        found = listing_of_files(self.local)
        # A chief may have deleted between two looks what the state file had named.
        return found if found.doubt is None else listing_of_files(self.local)

    def latest(self) -> str | None:
        newest = self._newest.among(self.listing(), self._problems.of)
        return None if newest is None else os.path.join(self.local, newest)

    def exists(self, name: str) -> bool:
        return self._problems.is_likely_whole(name)

    def fetch(self, name: str) -> str:
        return os.path.join(self.local, name)

    def publish(self, decision: Decision) -> None:
        publish_locally(self.local, decision)


def listing_of_files(directory: str) -> Listing:
    """The checkpoints of a local directory, by the state file there."""
    where = os.path.join(directory, state_file.STATE_FILE)
    return listing.of(
        state_file.read(directory), lambda: times_of_files(directory), where, functools.partial(_has_files, directory)
    )


def _has_files(directory: str, name: str) -> bool:
    """Whether one of the two files that make it a checkpoint is there."""
    return any(os.path.exists(os.path.join(directory, f"{name}{suffix}")) for suffix in (".index", SUFFIX))


def times_of_files(directory: str) -> dict[str, float]:
    """When the checkpoints with files in a local directory were saved, in seconds, by their names."""
    times: dict[str, float] = {}
    with contextlib.suppress(FileNotFoundError), os.scandir(directory) as entries:
        for entry in entries:
            name = listing.checkpoint_of(entry.name)
            if name is not None:
                with contextlib.suppress(FileNotFoundError):  # a chief deletes
                    times[name] = max(entry.stat().st_mtime, times.get(name, 0.0))
    return times


def _unfinished(directory: str) -> list[str]:
    """What processes that were killed while they saved have left in a local directory: files that nobody names."""
    patterns = (
        f"{PREFIX}*.tempstate*",
        f"{PREFIX}*.part-*-of-*",
        f".{PREFIX}*.tmp-*",
        f".{state_file.STATE_FILE}.tmp-*",
    )
    return [path for pattern in patterns for path in glob.glob(os.path.join(glob.escape(directory), pattern))]


def publish_locally(directory: str, decision: Decision) -> None:
    """Writes the state file of a local directory, then deletes what expired."""
    state_file.write(directory, decision.listed, decision.kept_until)
    for checkpoint in decision.expired:
        _delete(os.path.join(directory, checkpoint.path))


def _delete(checkpoint_path: str) -> None:
    """Deletes the files of one checkpoint, its manifest and its index first, so that it is never there in part."""
    directory, prefix = os.path.split(checkpoint_path)
    names = [name for name in os.listdir(directory) if name == f"{prefix}.meta" or name.startswith(f"{prefix}.data-")]
    for name in [f"{prefix}{SUFFIX}", f"{prefix}.index", *names]:
        Path(directory, name).unlink(missing_ok=True)
