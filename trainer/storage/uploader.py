"""Makes the uploads to a folder in a bucket, one after the other."""

from __future__ import annotations

import fnmatch
import os
import shutil
from collections.abc import Callable

from trainer.storage import disk, paths
from trainer.storage.commits import Commit, Stamp
from trainer.storage.errors import CorruptError, FencedError
from trainer.storage.fenced_writer import FencedWriter
from trainer.storage.parts import at_once
from trainer.storage.store import Store
from trainer.storage.uploads import Checkpoints, File, Removal, Tree, Upload

EVENTS = "*tfevents*"


class Uploader:
    """Makes one upload at a time; used by one thread.

    Args:
      store: with its retry policy.
      writer: of the folder.

    Attributes:
      checkpoint_files: names of the files of checkpoints in the bucket.
      being_read: gives the names of the checkpoints that others read; asked before files are deleted.
      events_url: of a second folder for event files; None for none.
    """

    def __init__(self, store: Store, writer: FencedWriter) -> None:
        self._store, self._writer, self._folder = store, writer, writer.folder
        self.checkpoint_files: set[str] = set()
        self.being_read: Callable[[], tuple[str, ...]] = tuple
        self.events_url: str | None = None

    def run(self, upload: Upload, superseded: Callable[[], bool]) -> bool:
        """Makes one upload; False where a newer one superseded it meanwhile.

        Raises:
          FencedError: another process took over.
          StorageError: it cannot be done now.
        """
        if isinstance(upload, Checkpoints):  # whose commit tells whether this process still owns the folder
            return self._upload_checkpoints(upload, superseded)
        self._writer.require_ownership()
        match upload:
            case File(name):
                self._upload_file(name)
            case Tree(name, last):
                self._upload_tree(name, last)
            case Removal(name, first):
                self._remove(name, first)
        return True

    def _upload_file(self, name: str) -> None:
        file = self._folder.local(name)
        if os.path.exists(file):
            self._writer.put(name)
            if self.events_url is not None and fnmatch.fnmatch(os.path.basename(name), EVENTS):
                self._store.upload(file, paths.join(self.events_url, name))

    def _upload_tree(self, name: str, last: str) -> None:
        directory = self._folder.local(name)
        names = [self._folder.name_of(entry.path) for entry in disk.tree(directory)]
        marker = f"{name}/{last}"
        at_once(self._writer.put, [file for file in names if file != marker])
        if marker in names:
            self._writer.put(marker)
        shutil.rmtree(directory, ignore_errors=True)

    def _remove(self, name: str, first: str) -> None:
        entries = self._store.entries(self._folder.remote(name))
        markers = [entry for entry in entries if first and entry.path.endswith(f"/{first}")]
        self._store.delete_all(markers)  # of a record, which has no marker, all the rest counts
        others = [entry for entry in entries if entry not in markers]
        (self._store.clean_up if markers else self._store.delete_all)(others)
        for entry in entries:
            self._writer.known.pop(self._folder.name_of(entry.path), None)

    def _upload_checkpoints(self, upload: Checkpoints, superseded: Callable[[], bool]) -> bool:
        """New files first, then the commit that names them, then deletions of what no commit names any more."""
        writer = self._writer
        before = {name: writer.known.get(name) for name in upload.files if writer.is_changed(name)}
        try:
            at_once(writer.put, list(before))
            if superseded():
                return False
            stamps = {name: Stamp.of(writer.known[name]) for name in upload.files}
            writer.write_commit(Commit(owner=writer.commit.owner, files=stamps, text=upload.text))
        except (FileNotFoundError, CorruptError):
            # Retention deletes local files while they are uploaded; a newer upload no longer names them.
            if not superseded():
                raise
            return False
        except FencedError:  # nothing names what was just uploaded, and nobody else wrote these generations
            writer.delete([name for name, entry in before.items() if writer.known.get(name) not in (None, entry)])
            raise
        self._delete_all_but(set(upload.files))
        return True

    def _delete_all_but(self, kept: set[str]) -> None:
        """Deletes the files of checkpoints that no commit names any more, except for those that somebody reads."""
        expired = self.checkpoint_files - kept
        spared = tuple(f"{name}." for name in self.being_read()) if expired else ()
        gone = {name for name in expired if not name.startswith(spared)}
        self._writer.delete(gone)
        self.checkpoint_files = kept | (expired - gone)
