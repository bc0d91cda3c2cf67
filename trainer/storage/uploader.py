"""Makes one upload to a folder in a bucket, and keeps what is known of the folder: generations, and its owner."""

from __future__ import annotations

import fnmatch
import os
import shutil
from collections.abc import Callable, Mapping

from trainer.storage import checksums, disk, paths
from trainer.storage.commits import Commit, Stamp
from trainer.storage.entry import ABSENT, Entry
from trainer.storage.errors import ConflictError, CorruptError, StorageError
from trainer.storage.parts import at_once
from trainer.storage.store import Store
from trainer.storage.uploads import Checkpoints, File, Removal, Tree, Upload

EVENTS = "*tfevents*"


class FencedError(StorageError):
    """Another process took over the folder; this one may write there no more."""

    exit_code = 1


class Uploader:
    """Writes to one folder, from one thread at a time.

    Without an owner it writes over anything. With one, every write is under the precondition that nobody else wrote:
    an object is replaced only in the generation that this owner knows, and an unknown one only while the commit
    object, which every owner rewrites when it takes over, is still as this owner left it.

    Args:
      store: with its retry policy.
      directory: the local one.
      url: of the folder.
      commit_name: of the commit object.
    """

    def __init__(self, store: Store, directory: str, url: str, commit_name: str) -> None:
        self._store, self._directory, self.url, self._commit_name = store, directory, url, commit_name
        self.commit = Commit()
        self._commit_generation: int | None = None
        self._known: dict[str, Entry] = {}
        self._sent: dict[str, tuple[int, int]] = {}
        self._checkpoint_files: set[str] = set()
        self.in_use: Callable[[], tuple[str, ...]] = tuple
        self.events_url: str | None = None

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
            self._url(self._commit_name), mine.render(), if_generation=generation
        )
        self.commit, self._known, self._checkpoint_files = mine, dict(known), set(known)

    @property
    def owns(self) -> bool:
        """Whether writes are under the precondition that nobody else took over."""
        return self._commit_generation is not None

    @property
    def known(self) -> Mapping[str, Entry]:
        """The objects that this process wrote or found, by relative name."""
        return self._known

    def fetched(self, name: str, entry: Entry) -> None:
        """Takes note that a local file is a copy of an object, so that it is not sent back."""
        self._known[name], self._sent[name] = entry, _look(self._local(name))

    def run(self, upload: Upload, superseded: Callable[[], bool]) -> bool:
        """Makes one upload; False where a newer one superseded it.

        Raises:
          FencedError: another process took over.
          StorageError: it cannot be done now.
        """
        match upload:
            case File(name):
                return self._upload_file(name)
            case Tree(name, last):
                return self._upload_tree(name, last)
            case Removal(name, first):
                return self._remove(name, first)
            case Checkpoints():
                return self._upload_checkpoints(upload, superseded)

    def _upload_file(self, name: str) -> bool:
        self._require_ownership()
        if os.path.exists(self._local(name)):
            self._put(name)
            if self.events_url is not None and fnmatch.fnmatch(os.path.basename(name), EVENTS):
                self._store.upload(self._local(name), paths.join(self.events_url, name))
        return True

    def _upload_tree(self, name: str, last: str) -> bool:
        self._require_ownership()
        directory = self._local(name)
        files = [os.path.relpath(entry.path, directory).replace(os.sep, "/") for entry in disk.tree(directory)]
        at_once(self._put, [f"{name}/{file}" for file in files if file != last])
        if last in files:
            self._put(f"{name}/{last}")
        shutil.rmtree(directory, ignore_errors=True)
        return True

    def _remove(self, name: str, first: str) -> bool:
        self._require_ownership()
        found = self._store.entries(self._url(name))
        self._store.delete_all([entry for entry in found if first and entry.path.endswith(f"/{first}")])
        self._store.delete_all([entry for entry in found if not first or not entry.path.endswith(f"/{first}")])
        for entry in found:
            self._known.pop(self._name(entry.path), None)
        return True

    def _upload_checkpoints(self, upload: Checkpoints, superseded: Callable[[], bool]) -> bool:
        fresh = {name: self._known.get(name) for name in upload.files if self._is_new(name)}
        try:
            at_once(self._put, list(fresh))
            if superseded():
                return False
            stamps = {name: Stamp(self._known[name].size, self._known[name].crc32c or "") for name in upload.files}
            self._write_commit(Commit(owner=self.commit.owner, files=stamps, text=upload.text))
        except (FileNotFoundError, CorruptError):
            if not superseded():
                raise
            return False
        except FencedError:  # nothing names what was just uploaded, and nobody else wrote these generations
            now = {name: self._known[name] for name in fresh if name in self._known}
            self._store.delete_all([entry for name, entry in now.items() if entry != fresh[name]])
            raise
        self._let_go(set(upload.files))
        return True

    def _write_commit(self, commit: Commit) -> None:
        try:
            self._commit_generation = self._store.write(
                self._url(self._commit_name), commit.render(), if_generation=self._commit_generation
            )
        except ConflictError:
            raise self._fenced() from None
        self.commit = commit

    def _let_go(self, kept: set[str]) -> None:
        """Deletes the files of checkpoints that no commit names any more, but for those that somebody reads."""
        expired = self._checkpoint_files - kept
        gone = {name for name in expired if not name.startswith(self.in_use())} if expired else expired
        self._store.delete_all([self._known[name] for name in sorted(gone)])
        for name in gone:
            del self._known[name]
        self._checkpoint_files = kept | (expired - gone)

    def _put(self, name: str) -> None:
        """Replaces what this owner knows; what it does not know, only while it is the owner."""
        known, looked = self._known.get(name), _look(self._local(name))
        expected = (known.generation if known else ABSENT) if self.owns else None
        try:
            entry = self._store.upload(self._local(name), self._url(name), if_generation=expected)
        except ConflictError:
            self._require_ownership()
            found = self._store.stat(self._url(name))
            entry = self._store.upload(
                self._local(name), self._url(name), if_generation=found.generation if found else ABSENT
            )
        self._known[name], self._sent[name] = entry, looked

    def _is_new(self, name: str) -> bool:
        """Whether the local file is to be sent: it is not what was sent, nor what is there."""
        file, known = self._local(name), self._known.get(name)
        if known is None or not os.path.exists(file):
            return known is None
        looked = _look(file)
        if self._sent.get(name) != looked and checksums.of_file(file) == known.crc32c:
            self._sent[name] = looked
        return self._sent.get(name) != looked

    def _require_ownership(self) -> None:
        if self.owns:
            found = self._store.stat(self._url(self._commit_name))
            if found is None or found.generation != self._commit_generation:
                raise self._fenced()

    def _fenced(self) -> FencedError:
        return FencedError(
            f"Another process took over {self.url}; what this process wrote since then was not uploaded",
            "One chief for each directory",
            f"Let the other process continue, and end this one. What this one saved is in {self._directory}",
        )

    def _local(self, name: str) -> str:
        return os.path.join(self._directory, *name.split("/"))

    def _url(self, name: str) -> str:
        return paths.join(self.url, name)

    def _name(self, path: str) -> str:
        return path.removeprefix(self.url.rstrip("/") + "/")


def _look(file: str) -> tuple[int, int]:
    """Size and time of change."""
    found = os.stat(file)
    return found.st_size, found.st_mtime_ns
