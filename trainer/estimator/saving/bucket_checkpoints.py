"""Checkpoints in a bucket: written locally and uploaded, fetched before they are read."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Mapping

from trainer import storage
from trainer.estimator.saving import listing, state_file
from trainer.estimator.saving.checkpoint_objects import CheckpointObjects
from trainer.estimator.saving.checkpoint_store import PREFIX, CheckpointStore, publish_locally, times_of_files
from trainer.estimator.saving.listing import Listing
from trainer.estimator.saving.manifest import SUFFIX
from trainer.estimator.saving.newest_whole import LocalProblems, NewestWhole
from trainer.estimator.saving.retention import Decision
from trainer.estimator.saving.state_file import STATE_FILE
from trainer.job.errors import TrainingError
from trainer.storage.commits import Stamp
from trainer.storage.recent_reads import RecentReads
from trainer.storage.synced_folder import SyncedFolder
from trainer.storage.uploads import Checkpoints


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
        self._synced, self._objects, self._owned = synced, CheckpointObjects(synced, reads), owned
        self._newest, self._problems = NewestWhole(path, set()), LocalProblems(self.local)
        self._files: set[str] = set()  # that the state of the directory stands for; only the owner fills it
        self._saved: set[str] = set()  # checkpoints that this process wrote
        self._damaged: set[str] = set()
        self._fetched: dict[str, Mapping[str, Stamp]] = {}

    @property
    def owner(self) -> str | None:
        return self._objects.commit().owner or None

    def take_over(self, fenced: Callable[[str], None], being_read: Callable[[], tuple[str, ...]]) -> None:
        self._synced.take_over()
        self._synced.uploads.on_fenced = fenced
        self._synced.uploader.being_read = being_read
        self._files = self._files or set(self._synced.checkpoint_files)
        self._owned()

    def spared(self) -> Collection[str]:
        return ()  # other processes read the bucket

    def held(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()  # whoever takes over later fences this process

    def listing(self) -> Listing:
        content = state_file.read(self.local) if self._synced.owns else self._objects.state()
        here = times_of_files(self.local) if self._synced.owns else {}
        return listing.of(
            content,
            lambda: {**self._objects.times(), **here},
            storage.join(self.path, STATE_FILE),
            self.has_files,
        )

    def has_files(self, name: str) -> bool:
        return self._is_here(name) or self._objects.has(name)

    def latest(self) -> str | None:
        newest = self._newest.among(self.listing(), self._problem)
        return None if newest is None else storage.join(self.path, newest)

    def exists(self, name: str) -> bool:
        if self._is_here(name):
            return self._problems.is_likely_whole(name)
        known, stamps = self._synced.writer.known, self._synced.writer.commit.stamps(name)
        return name not in self._damaged and f"{name}.index" in known and all(file in known for file in stamps)

    def fetch(self, name: str) -> str:
        here = os.path.join(self.local, name)
        if name in self._saved or (
            name in self._fetched and self._fetched[name] == self._objects.commit().stamps(name)
        ):
            return here
        objects = self._objects.committed(name)
        if objects is not None:
            self._copy_here(name, objects)
            self._delete_fetched(besides=name)
        elif not os.path.exists(f"{here}.index"):
            raise TrainingError(
                f"{storage.join(self.path, name)} is not there, or not whole", do="Name another checkpoint"
            )
        return here

    def publish(self, decision: Decision) -> None:
        listed = {checkpoint.path for checkpoint in decision.listed}
        here = {name for name in os.listdir(self.local) if listing.belongs_to(name) in listed}
        gone = tuple(f"{checkpoint.path}." for checkpoint in decision.expired)
        self._files = {name for name in self._files | here if not name.startswith(gone)}
        newest, state = decision.listed[-1].path, state_file.render(decision.listed, decision.kept_until).decode()
        self._saved.add(newest)
        # Posted first: should this process end in between, the next one has all files that the state file names.
        self._synced.post(Checkpoints(state, tuple(sorted(self._files)), newest))
        publish_locally(self.local, decision)

    def _is_here(self, name: str) -> bool:
        """Whether this process saved a checkpoint, or found it in its local directory, waiting to be uploaded."""
        files = (self._synced.folder.local(f"{name}{suffix}") for suffix in (".index", SUFFIX))
        return name not in self._fetched and any(map(os.path.exists, files))

    def _problem(self, name: str) -> str | None:
        """What is wrong with a checkpoint, in words; None where it is whole. Raises FileNotFoundError if it is gone."""
        if self._is_here(name):
            return self._problems.of(name)
        problem = self._objects.problem(name)
        if problem is None and not self._objects.commit().stamps(name):
            files = self._objects.entries(name)
            if f"{name}{SUFFIX}" not in files:  # written by another program: only its content tells
                self._copy_here(name, files)
                problem = self._problems.of(name)
        if problem is not None:
            self._damaged.add(name)
        return problem

    def _copy_here(self, name: str, objects: Mapping[str, storage.Entry]) -> None:
        """Copies the files of a checkpoint here, checked, unless they are here.

        Raises:
          NotFoundError, CorruptError: one of them is gone, or changed.
        """
        stamps = self._objects.commit().stamps(name)
        self._objects.copy_here(objects)
        self._fetched[name] = stamps

    def _delete_fetched(self, besides: str) -> None:
        """Deletes fetched checkpoints that are no longer in the bucket, except for the one that is about to be read."""
        if not self._synced.owns:
            listed = [checkpoint.path for checkpoint in self.listing().listed]
            kept = tuple(f"{name}." for name in [*listed, besides])
            for file in os.listdir(self.local):
                if file.startswith(PREFIX) and not file.startswith(kept):
                    os.unlink(os.path.join(self.local, file))
