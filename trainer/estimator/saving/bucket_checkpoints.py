"""Checkpoints in a bucket: written locally and uploaded, fetched before they are read."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from trainer import storage
from trainer.estimator.saving import state_file
from trainer.estimator.saving.checkpoint_store import PREFIX, CheckpointStore, publish_locally
from trainer.estimator.saving.retention import Decision
from trainer.estimator.saving.state_file import STATE_FILE
from trainer.job.errors import TrainingError
from trainer.storage import checksums, commits
from trainer.storage.commits import Commit, Stamp
from trainer.storage.parts import at_once
from trainer.storage.recent_reads import RecentReads
from trainer.storage.synced_folder import SyncedFolder
from trainer.storage.uploads import Checkpoints

log = logging.getLogger("trainer")


class BucketCheckpoints(CheckpointStore):
    """Checkpoints of a folder in a bucket. The owner knows them by itself; other processes ask the commit object.

    Args:
      path: of the folder, as people call it.
      synced: the folder.
      reads: of the bucket.
      owned: called when this process has taken over.
    """

    def __init__(self, path: str, synced: SyncedFolder, reads: RecentReads, owned: Callable[[], None]) -> None:
        self.path, self.local = path, synced.folder.directory
        self._synced, self._reads, self._owned = synced, reads, owned
        self._files: set[str] = set()  # that the state of the directory stands for; only the owner fills it
        self._saved: set[str] = set()  # checkpoints that this process wrote
        self._fetched: dict[str, Mapping[str, Stamp]] = {}
        self._passed_over: set[str] = set()
        self._newest_whole: tuple[str, Mapping[str, Stamp]] | None = None

    @property
    def owner(self) -> str | None:
        return self._commit().owner or None

    def take_over(self, fenced: Callable[[str], None], being_read: Callable[[], tuple[str, ...]]) -> None:
        self._synced.take_over()
        self._synced.uploads.on_fenced = fenced
        self._synced.uploader.being_read = being_read
        self._files = self._files or {name for name in self._synced.writer.known if name.startswith(PREFIX)}
        self._owned()

    def spared(self) -> Collection[str]:
        return ()  # other processes read the bucket

    def latest(self) -> str | None:
        for name in reversed(self._listed()):
            if self.exists(name) if self._synced.owns else self._is_whole(name):
                return storage.join(self.path, name)
            if name not in self._passed_over:
                self._passed_over.add(name)
                log.warning("%s is not whole in %s, so the one before it counts.", name, self.path)
        return None

    def exists(self, name: str) -> bool:
        if os.path.exists(self._synced.folder.local(f"{name}.index")):
            return True
        known, stamps = self._synced.writer.known, self._synced.writer.commit.stamps(name)
        return f"{name}.index" in known and all(file in known for file in stamps)

    def fetch(self, name: str) -> str:
        here = os.path.join(self.local, name)
        if name in self._saved or (name in self._fetched and self._fetched[name] == self._commit().stamps(name)):
            return here
        objects = self._objects(name)
        if objects is not None:
            self._copy_here(name, objects)
            self._delete_fetched(besides=name)
        elif not os.path.exists(f"{here}.index"):
            raise TrainingError(
                f"{storage.join(self.path, name)} is not there, or not whole", do="Name another checkpoint"
            )
        return here

    def publish(self, decision: Decision) -> None:
        publish_locally(self.local, decision)
        here = {name for name in os.listdir(self.local) if name.startswith(PREFIX)}
        gone = tuple(f"{checkpoint.path}." for checkpoint in decision.expired)
        self._files = {name for name in self._files | here if not name.startswith(gone)}
        newest, state = decision.listed[-1].path, Path(self.local, STATE_FILE).read_text(encoding="utf-8")
        self._saved.add(newest)
        self._synced.post(Checkpoints(state, tuple(sorted(self._files)), newest))

    def _commit(self) -> Commit:
        """What the folder's commit object says now; an empty one where there is none."""
        if self._synced.owns:
            return self._synced.writer.commit
        return commits.parse(self._reads.read(self._synced.folder.remote(STATE_FILE)) or b"")

    def _listed(self) -> list[str]:
        """Names of the checkpoints, oldest first: those of this process if it saves here, else what is committed."""
        if self._synced.owns:
            state = state_file.read(self.local)
        else:
            state = state_file.parse(self._commit().text.encode(), storage.join(self.path, STATE_FILE))
        return [checkpoint.path for checkpoint in state_file.listed(state)]

    def _is_whole(self, name: str) -> bool:
        """Whether a checkpoint is in the bucket as the commit says.

        Who waits for a new checkpoint asks every second. What was whole then is not listed again.
        """
        asked = name, self._commit().stamps(name)
        if asked != self._newest_whole:
            if self._objects(name) is None:
                return False
            self._newest_whole = asked
        return True

    def _objects(self, name: str) -> Mapping[str, storage.Entry] | None:
        """The files of a checkpoint in the bucket; None unless all are there, as the commit says."""
        folder, stamps = self._synced.folder, self._commit().stamps(name)
        entries = {
            folder.name_of(entry.path): entry for entry in self._synced.store.entries(folder.remote(f"{name}.*"))
        }
        if not stamps:  # written by another program
            return entries if f"{name}.index" in entries else None
        whole = all(file in entries and Stamp.of(entries[file]) == stamp for file, stamp in stamps.items())
        return {file: entries[file] for file in stamps} if whole else None

    def _copy_here(self, name: str, objects: Mapping[str, storage.Entry]) -> None:
        """Copies the files of a checkpoint here, checked, unless they are here.

        Raises:
          NotFoundError, CorruptError: one of them is gone, or changed.
        """

        def copy(item: tuple[str, storage.Entry]) -> None:
            file, entry = item
            local = self._synced.folder.local(file)
            if not (os.path.exists(local) and checksums.of_file(local) == entry.crc32c):
                self._synced.store.fetch(entry, local)
            self._synced.writer.fetched(file, entry)

        stamps = self._commit().stamps(name)
        at_once(copy, list(objects.items()))
        self._fetched[name] = stamps

    def _delete_fetched(self, besides: str) -> None:
        """Deletes fetched checkpoints that are no longer in the bucket, except for the one that is about to be read."""
        if not self._synced.owns:
            kept = tuple(f"{name}." for name in [*self._listed(), besides])
            for file in os.listdir(self.local):
                if file.startswith(PREFIX) and not file.startswith(kept):
                    os.unlink(os.path.join(self.local, file))
