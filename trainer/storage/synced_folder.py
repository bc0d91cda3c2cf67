"""A folder of a bucket as one process of a job works in it: in a local directory, whose changes are uploaded."""

from __future__ import annotations

import dataclasses
import logging
import os
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from trainer.storage import commits, disk, scratch, upload_queue
from trainer.storage.commits import Commit
from trainer.storage.entry import ABSENT, Entry
from trainer.storage.errors import ConflictError, NotFoundError, UnavailableError
from trainer.storage.fenced_writer import FencedWriter
from trainer.storage.folder import Folder
from trainer.storage.parts import PARTS_FOLDER
from trainer.storage.retry_policy import RetryPolicy
from trainer.storage.store import Store
from trainer.storage.upload_queue import UploadQueue
from trainer.storage.upload_thread import UploadThread
from trainer.storage.uploader import Uploader
from trainer.storage.uploads import Checkpoints, File, Tree, Upload

log = logging.getLogger("trainer")

_TAKE_OVERS = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class SyncSettings:
    """How a folder is kept in step with its local directory.

    Attributes:
      scratch_root: of the local directories of this machine.
      role: of this process; one of the same role takes up what it leaves.
      commit_name: of the commit object.
      checkpoint_prefix: of the names of checkpoints' files.
      retry_policy: for requests whose answer somebody waits for.
      hasty_retry_policy: for those that are made again anyway: uploads, and looks at what others wrote.
    """

    scratch_root: str
    role: str
    commit_name: str
    checkpoint_prefix: str
    retry_policy: RetryPolicy = dataclasses.field(default_factory=RetryPolicy)
    hasty_retry_policy: RetryPolicy = RetryPolicy(connect_secs=5.0, silence_secs=15.0, total_secs=20.0)


class SyncedFolder:
    """Before `take_over` this process writes over whatever is there; afterwards it is the one owner of the folder.

    Args:
      url: of the folder.
      settings: how it is kept in step.
      clock: seconds.

    Attributes:
      folder: the url and the local directory.
      writer: what is known of the objects in the folder.
      uploader: makes the uploads.
      uploads: the thread that works through them.
      store: whose requests somebody waits for.
      hasty_store: whose requests are made again anyway.
      checkpoint_files: names of the files of checkpoints that are here or in the bucket, once it is taken over.
      local_files: names of local files that this process wrote, or fetched because others wrote them.
    """

    def __init__(self, url: str, settings: SyncSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._scratch = scratch.claim(settings.scratch_root, url, settings.role)
        self.folder = Folder(url, self._scratch.directory)
        self.store = Store(retry_policy=settings.retry_policy)
        self.hasty_store = Store(retry_policy=settings.hasty_retry_policy)
        self.writer = FencedWriter(self.hasty_store, self.folder, settings.commit_name)
        self.uploader = Uploader(self.hasty_store, self.writer)
        owner, left = upload_queue.left_behind(self.folder.directory)
        self._queue = UploadQueue(self.folder.directory, owner if left else "", left)
        self.uploads = UploadThread(self.uploader, self._queue, url, clock)
        self.checkpoint_files: set[str] = set()
        self.local_files = {upload.name for upload in left if isinstance(upload, File)}
        if owner and left:
            self.take_over()  # which decides what becomes of it
        else:
            self._clear()
            self.uploads.start()

    @property
    def owns(self) -> bool:
        """Whether this process is the one that writes checkpoints here."""
        return self.writer.owns

    def take_over(self) -> None:
        """Makes this process the one that writes checkpoints; an older one can write none from now on.

        What a process on this machine left in the queue is uploaded, unless another one took over since.

        Raises:
          StorageError: the bucket cannot be read and written.
        """
        if self.owns:
            return
        earlier, token = self._queue.owner, uuid.uuid4().hex
        # Should this process end here, the next one has to find both names: the bucket may hold either.
        self._queue.rename(f"{earlier} {token}".strip())
        before = self._write_owner(token)
        if earlier and before.owner not in earlier.split():
            self._set_aside()
        self._queue.rename(token)
        self.checkpoint_files = _files_of(self._queue.pending, self.uploader.checkpoint_files, self.folder)
        if not any(isinstance(upload, Checkpoints) for upload in self._queue.pending):
            self._clear()
            Path(self.folder.local(self._settings.commit_name)).write_text(before.text, encoding="utf-8")
        self.uploads.start()

    def _write_owner(self, token: str) -> Commit:
        """Writes the commit object in this process's name; returns what it said before."""
        for _ in range(_TAKE_OVERS):
            content, generation = self._read_commit()
            commit = commits.parse(content)
            objects = commit.undamaged(self._checkpoint_objects())
            try:
                self.writer.take_over(token, commit, generation, objects)
            except ConflictError:
                continue
            self.uploader.checkpoint_files = set(objects)
            return commit
        got = f"{self.folder.url} is taken over by other processes all the time"
        raise UnavailableError(got, "one chief", "Run only one")

    def _read_commit(self) -> tuple[bytes, int]:
        try:
            return self.store.bucket.read(self.folder.remote(self._settings.commit_name))
        except NotFoundError:
            return b"", ABSENT

    def _checkpoint_objects(self) -> dict[str, Entry]:
        """The files of checkpoints in the bucket, by relative name.

        Parts of a file whose upload was cut off are deleted: whoever made them can write here no more.
        """
        listed = self.store.entries(self.folder.remote(f"{self._settings.checkpoint_prefix}**"))
        self.store.bucket.clean_up([entry for entry in listed if PARTS_FOLDER in entry.path])
        return {self.folder.name_of(entry.path): entry for entry in listed if PARTS_FOLDER not in entry.path}

    def _set_aside(self) -> None:
        what, aside = _summary(self._queue.pending), self._scratch.set_aside()
        self._queue.clear()
        self.local_files.clear()
        log.warning(
            "An earlier run on this machine left %s for %s, and another one took over since. They are in %s.",
            what,
            self.folder.url,
            aside,
        )

    def _clear(self) -> None:
        """Deletes what an earlier process left here, except for what is still to be uploaded."""
        queued = [upload.name for upload in self._queue.pending if isinstance(upload, File | Tree)]
        kept = {*self.local_files, *self.writer.known, upload_queue.FILE}
        for entry in disk.tree(self.folder.directory):
            name = self.folder.name_of(entry.path)
            if name not in kept and not any(f"{name}/".startswith(f"{other}/") for other in queued):
                os.unlink(entry.path)

    def post(self, upload: Upload) -> None:
        """Uploads a change of the local directory, without waiting."""
        if isinstance(upload, Checkpoints):
            self.check()
        self.uploads.post(upload)

    def check(self) -> None:
        """Raises FencedError when another process took over."""
        if self.uploads.fenced is not None:
            raise self.uploads.fenced

    def flush(self, secs: float) -> None:
        """Waits until everything is uploaded.

        Raises:
          FencedError: another process took over.
          UnavailableError: that took too long.
        """
        began = time.monotonic()
        if self.uploads.flush(secs):
            return
        self.check()
        reason = f": {error.got}" if (error := self.uploads.last_error) is not None else ""
        secs = time.monotonic() - began
        raise UnavailableError(
            f"{_summary(self.uploads.pending)} could not be uploaded to {self.folder.url} within {secs:.0f} s{reason}",
            None,
            f"Run the same command again on this machine: it first uploads the local copies in {self.folder.directory}",
        )

    def close(self) -> None:
        """Ends the thread, and leaves the local directory to the next process."""
        self.uploads.close()
        self._scratch.release()


def not_uploaded(synced: SyncedFolder) -> str:
    """What waits to be uploaded, and where it is meanwhile, in words; empty where nothing does."""
    pending, folder = synced.uploads.pending, synced.folder
    if not pending:
        return ""
    return f"{_summary(pending)} could not be uploaded to {folder.url} yet: the local copies are in {folder.directory}."


def _files_of(pending: Sequence[Upload], known: set[str], folder: Folder) -> set[str]:
    """The files of the state that a process goes on with: what an earlier one left to upload, else the bucket's.

    Args:
      pending: what is left to be uploaded.
      known: names of the files of checkpoints in the bucket.
      folder: both sides.
    """
    left = [upload for upload in pending if isinstance(upload, Checkpoints)]
    if not left:
        return set(known)
    return {name for name in left[-1].files if name in known or os.path.exists(folder.local(name))}


def _summary(pending: Sequence[Upload]) -> str:
    """What waits to be uploaded, in words."""
    newest = [upload.newest for upload in pending if isinstance(upload, Checkpoints)]
    others = len(pending) - len(newest)
    things = [*newest, *([f"{others} other thing{'s' if others > 1 else ''}"] if others else [])]
    return " and ".join(things) or "Nothing"
