"""The small files of a directory: records of the processes of a job, summaries, the state of an exporter."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from trainer import storage
from trainer.job.layout import EXPORTS
from trainer.storage import disk
from trainer.storage.recent_reads import RecentReads
from trainer.storage.synced_folder import SyncedFolder
from trainer.storage.uploads import File, Removal


class RecordStore(Protocol):
    """Small files of one directory, named relative to it."""

    def read(self, name: str) -> bytes | None:
        """A file's content; None where there is none."""

    def write(self, name: str, data: bytes) -> None:
        """Replaces a file, whole."""

    def remove(self, name: str) -> None:
        """Deletes a file, if it is there."""


class LocalRecords(RecordStore):
    """Small files on disk.

    Args:
      directory: that holds them.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def read(self, name: str) -> bytes | None:
        try:
            return storage.read(os.path.join(self._directory, name))
        except storage.NotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        storage.write(os.path.join(self._directory, name), data)

    def remove(self, name: str) -> None:
        Path(self._directory, name).unlink(missing_ok=True)


class BucketRecords(RecordStore):
    """Small files in a bucket: uploaded in the background, read as they were a moment ago.

    Args:
      synced: the folder.
      reads: of the bucket.
    """

    def __init__(self, synced: SyncedFolder, reads: RecentReads) -> None:
        self._synced, self._reads = synced, reads

    def read(self, name: str) -> bytes | None:
        folder = self._synced.folder
        if name in self._synced.local_files:
            file = Path(folder.local(name))
            return file.read_bytes() if file.exists() else None
        if self._synced.owns and name.startswith(f"{EXPORTS}/") and folder.remote(name) not in self._reads:
            return None  # the owner learned what is there when it took over; training does not wait for the bucket
        return self._reads.read(folder.remote(name))

    def write(self, name: str, data: bytes) -> None:
        disk.write(self._synced.folder.local(name), data)
        self._synced.local_files.add(name)
        self._synced.post(File(name))

    def remove(self, name: str) -> None:
        Path(self._synced.folder.local(name)).unlink(missing_ok=True)
        self._synced.local_files.add(name)
        self._synced.post(Removal(name))
