"""Writes the objects of a folder so that a process which was replaced there changes nothing any more.

Fencing after Hadoop's NameNodes and Chubby's sequencers, with the generations of objects in place of a lock service:
an object is replaced only in the generation that this owner knows, and an object that it does not know is written only
while the commit object, which every owner rewrites when it takes over, is still as this owner left it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from trainer.storage import checksums
from trainer.storage.commits import Commit
from trainer.storage.entry import ABSENT, Entry
from trainer.storage.errors import ConflictError, FencedError
from trainer.storage.folder import Folder
from trainer.storage.store import Store


class FencedWriter:
    """Writes to one folder, from one thread at a time. Before `take_over` it writes over anything.

    Args:
      store: with its retry policy.
      folder: to write to.
      commit_name: of the commit object.

    Attributes:
      folder: see above.
      commit: as this process wrote it last.
      known: the objects that this process wrote or found, by relative name.
    """

    def __init__(self, store: Store, folder: Folder, commit_name: str) -> None:
        self._store, self.folder, self._commit_name = store, folder, commit_name
        self.commit, self._commit_generation = Commit(), ABSENT
        self.known: dict[str, Entry] = {}
        self._same: dict[str, tuple[int, int]] = {}  # how a local file looked when it was equal to its object

    @property
    def owns(self) -> bool:
        """Whether writes are under the precondition that nobody else took over."""
        return self._commit_generation != ABSENT

    def take_over(self, owner: str, commit: Commit, generation: int, known: Mapping[str, Entry]) -> None:
        """Writes the commit object as it was, in the name of a new owner, so that no older one can write it again.

        Args:
          owner: token of this process.
          commit: as it was read.
          generation: of the commit object as it was read; 0 for none.
          known: entries of the files that it may name, by relative name.

        Raises:
          ConflictError: it was written meanwhile.
        """
        mine = Commit(owner=owner, files=commit.files, text=commit.text)
        self._commit_generation = self._store.write(
            self.folder.remote(self._commit_name), mine.render(), if_generation=generation
        )
        self.commit, self.known = mine, dict(known)

    def write_commit(self, commit: Commit) -> None:
        """Replaces the commit object.

        Raises:
          FencedError: another process took over.
        """
        try:
            self._commit_generation = self._store.write(
                self.folder.remote(self._commit_name), commit.render(), if_generation=self._commit_generation
            )
        except ConflictError:
            raise self._fenced() from None
        self.commit = commit

    def require_ownership(self) -> None:
        """Raises FencedError when another process took over; nothing happens in a folder that this one does not own.

        To look costs a request; whoever writes the commit object next is told by that.
        """
        if self.owns:
            entry = self._store.stat(self.folder.remote(self._commit_name))
            if entry is None or entry.generation != self._commit_generation:
                raise self._fenced()

    def put(self, name: str) -> None:
        """Uploads a local file.

        Raises:
          FencedError: another process took over.
        """
        file, path, known = self.folder.local(name), self.folder.remote(name), self.known.get(name)
        looks = _looks_of(file)
        expected = (known.generation if known else ABSENT) if self.owns else None
        try:
            entry = self._store.upload(file, path, if_generation=expected)
        except ConflictError:
            # What is there was left by an earlier owner, who never named it. Only the present one may replace it.
            self.require_ownership()
            left = self._store.stat(path)
            entry = self._store.upload(file, path, if_generation=left.generation if left else ABSENT)
        self.known[name], self._same[name] = entry, looks

    def delete(self, names: Iterable[str]) -> None:
        """Deletes objects that this process knows and nobody reads, each only in the generation that it knows."""
        entries = {name: self.known[name] for name in sorted(names)}
        self._store.clean_up(list(entries.values()))
        for name in entries:
            del self.known[name]

    def fetched(self, name: str, entry: Entry) -> None:
        """Takes note that a local file is a copy of an object, so that it is not uploaded."""
        self.known[name], self._same[name] = entry, _looks_of(self.folder.local(name))

    def is_changed(self, name: str) -> bool:
        """Whether a local file has to be uploaded: it is not what the bucket holds."""
        file, known = self.folder.local(name), self.known.get(name)
        if known is None or not os.path.exists(file):
            return known is None
        looks = _looks_of(file)
        if self._same.get(name) != looks and checksums.of_file(file) == known.crc32c:
            self._same[name] = looks
        return self._same.get(name) != looks

    def _fenced(self) -> FencedError:
        return FencedError(
            f"Another process took over {self.folder.url}; what this process wrote since then was not uploaded",
            "one chief for each directory",
            f"Let the other process continue, and end this one. What this one saved is in {self.folder.directory}",
        )


def _looks_of(file: str) -> tuple[int, int]:
    """Size in bytes and time of change in nanoseconds."""
    status = os.stat(file)
    return status.st_size, status.st_mtime_ns
