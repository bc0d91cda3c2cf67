"""The checkpoints that are in a bucket, compared with the commit object and with their manifests, without a copy."""

from __future__ import annotations

import os
from collections.abc import Mapping

from trainer import storage
from trainer.estimator.saving import listing, manifest
from trainer.estimator.saving.checkpoint_store import PREFIX
from trainer.estimator.saving.manifest import SUFFIX, DamagedManifestError, Manifest
from trainer.estimator.saving.state_file import STATE_FILE
from trainer.storage import checksums, commits
from trainer.storage.commits import Commit, Stamp
from trainer.storage.parts import at_once
from trainer.storage.recent_reads import RecentReads
from trainer.storage.synced_folder import SyncedFolder


class CheckpointObjects:
    """Those of one folder.

    Args:
      synced: the folder.
      reads: of the bucket.
    """

    def __init__(self, synced: SyncedFolder, reads: RecentReads) -> None:
        self._synced, self._reads = synced, reads
        self._whole: tuple[str, Mapping[str, Stamp]] | None = None  # the one that was compared last

    def commit(self) -> Commit:
        """What the folder's commit object says now; an empty one where there is none."""
        if self._synced.owns:
            return self._synced.writer.commit
        return commits.parse(self._reads.read(self._synced.folder.remote(STATE_FILE)) or b"")

    def state(self) -> bytes | None:
        """What the commit object says to TensorFlow; None where there is none."""
        content = self._reads.read(self._synced.folder.remote(STATE_FILE))
        return None if content is None else commits.parse(content).text.encode()

    def times(self) -> dict[str, float]:
        """When the checkpoints were written, in seconds, by their names."""
        folder = self._synced.folder
        entries = self._synced.store.entries(folder.remote(f"{PREFIX}*"))
        times = {listing.checkpoint_of(folder.name_of(entry.path)): entry.updated for entry in entries}
        return {name: time for name, time in times.items() if name is not None}

    def entries(self, name: str) -> dict[str, storage.Entry]:
        """The files of a checkpoint, by their names."""
        folder = self._synced.folder
        return {folder.name_of(entry.path): entry for entry in self._synced.store.entries(folder.remote(f"{name}.*"))}

    def has(self, name: str) -> bool:
        """Whether there are files of a checkpoint, as far as that is known without asking."""
        stamps = self.commit().stamps(name)
        known = bool(stamps) or f"{name}.index" in self._synced.writer.known or (name, stamps) == self._whole
        return known or bool(self.entries(name))

    def problem(self, name: str) -> str | None:
        """What is wrong with a checkpoint, in words; None where nothing is, as far as can be told without its content.

        Who waits for a new checkpoint asks every second. What was whole then is not listed again.

        Raises:
          FileNotFoundError: it is gone.
        """
        stamps = self.commit().stamps(name)
        if (name, stamps) == self._whole:
            return None
        entries = self.entries(name)
        if not any(file in entries for file in (f"{name}.index", f"{name}{SUFFIX}")):
            raise FileNotFoundError(name)
        found = {file: Stamp.of(entry) for file, entry in entries.items()}
        problem = next(Manifest(files=stamps, facts={}).mismatches(found), None) or self._unlike_manifest(name, found)
        if problem is None:
            self._whole = name, stamps
        return problem

    def _unlike_manifest(self, name: str, found: Mapping[str, Stamp]) -> str | None:
        """How the files of a checkpoint differ from its manifest, in words; None where they do not, or it has none."""
        file = f"{name}{SUFFIX}"
        if file not in found:
            return None
        try:
            content, _ = self._synced.store.bucket.read(self._synced.folder.remote(file))
            return next(manifest.parse(content).mismatches(found), None)
        except DamagedManifestError as error:
            return f"{file} cannot be believed: {error}"

    def committed(self, name: str) -> Mapping[str, storage.Entry] | None:
        """The files of a checkpoint; None unless all are there, as the commit says."""
        stamps, entries = self.commit().stamps(name), self.entries(name)
        if not stamps:  # written by another program
            return entries if f"{name}.index" in entries else None
        whole = all(file in entries and Stamp.of(entries[file]) == stamp for file, stamp in stamps.items())
        return {file: entries[file] for file in stamps} if whole else None

    def copy_here(self, objects: Mapping[str, storage.Entry]) -> None:
        """Copies files here, checked, unless they are here.

        Raises:
          NotFoundError, CorruptError: one of them is gone, or changed.
        """

        def copy(item: tuple[str, storage.Entry]) -> None:
            file, entry = item
            local = self._synced.folder.local(file)
            if not (os.path.exists(local) and checksums.of_file(local) == entry.crc32c):
                self._synced.store.fetch(entry, local)
            self._synced.writer.fetched(file, entry)

        at_once(copy, list(objects.items()))
