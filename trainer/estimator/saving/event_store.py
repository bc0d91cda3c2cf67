"""The event files of a directory: of this process, made visible to others, and those of others."""

from __future__ import annotations

import contextlib
import fnmatch
import os
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from trainer import storage
from trainer.storage.synced_folder import SyncedFolder
from trainer.storage.uploader import EVENTS
from trainer.storage.uploads import File

_LEAST_SECS, _BYTES_PER_SEC = 30.0, 1e6
"""An event file that has grown is uploaded, as a whole, half a minute after the last time; a large one more rarely."""


class EventStore(Protocol):
    """Event files below one directory."""

    def refresh(self, folder: str) -> str:
        """The local path of a folder of events, "" for the directory itself, with those that others made visible."""

    def publish(self) -> None:
        """Makes visible to other processes what was written so far."""

    def copy_to(self, path: str) -> None:
        """From now on event files go to another directory, too: as they grow, or at the end."""

    def flush(self) -> None:
        """Called at the end: all event files have to go where they belong."""


class LocalEvents(EventStore):
    """Event files on disk, which other processes see as they grow. Copies are made at the end.

    Args:
      directory: that they are below.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._copies: str | None = None

    def refresh(self, folder: str) -> str:
        return os.path.join(self._directory, folder)

    def publish(self) -> None:
        pass  # they are visible

    def copy_to(self, path: str) -> None:
        self._copies = path

    def flush(self) -> None:
        if self._copies is not None:
            for entry in storage.entries(storage.join(storage.escaped(self._directory), "**", EVENTS)):
                storage.upload(entry.path, storage.join(self._copies, os.path.relpath(entry.path, self._directory)))


class BucketEvents(EventStore):
    """Event files in a bucket, uploaded as they grow.

    Args:
      synced: the folder.
      clock: seconds.
    """

    def __init__(self, synced: SyncedFolder, clock: Callable[[], float] = time.monotonic) -> None:
        self._synced, self._clock = synced, clock
        self._uploaded: dict[str, tuple[int, float]] = {}  # size and time by name
        synced.uploads.on_idle = self._publish_due

    def refresh(self, folder: str) -> str:
        """While the bucket is unreachable, or a file grows meanwhile, what is here has to do."""
        local, remote = self._synced.folder.local, self._synced.folder.remote
        with contextlib.suppress(storage.UnavailableError, storage.NotFoundError):
            for entry in self._synced.hasty_store.entries(remote(f"{folder}/{EVENTS}".lstrip("/"))):
                name = self._synced.folder.name_of(entry.path)
                if not os.path.exists(local(name)) or os.path.getsize(local(name)) < entry.size:
                    self._synced.hasty_store.fetch(entry, local(name))
                    self._note(name, entry.size)
        return local(folder)

    def publish(self) -> None:
        for name, size in self._grown():
            self._note(name, size)
            self._synced.post(File(name))

    def copy_to(self, path: str) -> None:
        self._synced.uploader.events_url = path

    def flush(self) -> None:
        self.publish()

    def _publish_due(self) -> None:
        for name, size in self._grown():
            _, at = self._uploaded.get(name, (0, float("-inf")))
            if self._clock() - at >= max(_LEAST_SECS, size / _BYTES_PER_SEC):
                self._note(name, size)
                self._synced.post(File(name))

    def _note(self, name: str, size: int) -> None:
        """Takes note that a file is in the bucket, or will be, with this size."""
        self._uploaded[name] = size, self._clock()
        self._synced.local_files.add(name)

    def _grown(self) -> Iterator[tuple[str, int]]:
        """Name and size of each event file that is larger than what was uploaded of it."""
        for file, size in _event_files(self._synced.folder.directory):
            name = self._synced.folder.name_of(file)
            if size > self._uploaded.get(name, (0, 0.0))[0]:
                yield name, size


def _event_files(directory: str) -> Iterator[tuple[str, int]]:
    """Path and size of each event file; what vanishes meanwhile, as unfinished exports do, is left out."""
    for folder, _, names in os.walk(directory):
        for name in fnmatch.filter(names, EVENTS):
            file = os.path.join(folder, name)
            with contextlib.suppress(FileNotFoundError):
                yield file, os.path.getsize(file)
