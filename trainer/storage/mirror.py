"""A local directory that stands for a folder in a bucket: work is done in the one, and uploaded to the other."""

from __future__ import annotations

import contextlib
import dataclasses
import fnmatch
import logging
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from trainer.storage import checksums, commits, disk, paths, scratch, upload_queue
from trainer.storage.commits import Commit, Stamp
from trainer.storage.entry import ABSENT, Entry
from trainer.storage.errors import ConflictError, NotFoundError, UnavailableError
from trainer.storage.parts import PARTS_FOLDER, at_once
from trainer.storage.retry_policy import RetryPolicy
from trainer.storage.store import Store
from trainer.storage.upload_queue import UploadQueue
from trainer.storage.upload_thread import UploadThread
from trainer.storage.uploader import EVENTS, Uploader
from trainer.storage.uploads import Checkpoints, File, Removal, Tree, Upload

log = logging.getLogger("trainer")

_EVENTS_SECS, _EVENTS_BYTES_PER_SEC = 30.0, 1e6
_FRESH_SECS = 1.0
_SHORT_RETRY_POLICY = RetryPolicy(connect_secs=5.0, silence_secs=15.0, total_secs=20.0)
_TAKE_OVERS = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class MirrorSettings:
    """How a mirror works.

    Attributes:
      scratch_root: of the scratch directories of this machine.
      role: of this process; one of the same role takes up what it leaves.
      commit_name: of the commit object.
      prefix: of the names of checkpoints' files.
      retry_policy: for requests whose answer somebody waits for.
    """

    scratch_root: str
    role: str
    commit_name: str
    prefix: str
    retry_policy: RetryPolicy = dataclasses.field(default_factory=RetryPolicy)


class Mirror:
    """One folder of a bucket, as one process of a job sees it.

    Until `take_over` it only reads checkpoints; other files it writes over whatever is there.

    Args:
      url: of the folder.
      settings: see there.
      clock: seconds.
    """

    def __init__(self, url: str, settings: MirrorSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self.url, self._settings, self._clock = url, settings, clock
        self._store = Store(retry_policy=settings.retry_policy)
        self._scratch = scratch.claim(settings.scratch_root, url, settings.role)
        self.directory = self._scratch.directory
        self._uploader = Uploader(Store(retry_policy=_SHORT_RETRY_POLICY), self.directory, url, settings.commit_name)
        self._written: set[str] = set()
        self._fetched: dict[str, Mapping[str, Stamp]] = {}
        self._cache: dict[str, tuple[bytes, int, float]] = {}
        self._events_sent: dict[str, tuple[int, float]] = {}
        owner, left = upload_queue.left_behind(self.directory)
        self._queue = UploadQueue(self.directory, owner if left else "", left)
        self._written |= {item.name for item in left if isinstance(item, File)}
        self._thread = UploadThread(self._uploader, self._queue, self.send_events, clock)
        if owner and left:
            self.take_over()  # which decides what becomes of it
        else:
            self._clear()
            self._thread.start()

    @property
    def owns(self) -> bool:
        """Whether this process is the one that writes checkpoints here."""
        return self._uploader.owns

    # The commit object

    def take_over(self) -> None:
        """Makes this process the one that writes checkpoints; an older one can write none from now on.

        What a process on this machine could not upload is uploaded, unless another one took over since.

        Raises:
          StorageError: the bucket cannot be read and written.
        """
        if self.owns:
            return
        earlier, token = self._queue.owner, uuid.uuid4().hex
        self._queue.rename(f"{earlier} {token}".strip())  # should this process end between these lines
        before = self._own(token)
        if earlier and before.owner not in earlier.split():
            self._set_aside()
        self._queue.rename(token)
        if not any(isinstance(item, Checkpoints) for item in self._queue.pending):
            self._clear()
            Path(self.local(self._settings.commit_name)).write_text(before.text, encoding="utf-8")
        self._thread.start()

    def _own(self, token: str) -> Commit:
        """Writes the commit object in this process's name; returns what it said before."""
        for _ in range(_TAKE_OVERS):
            content, generation = self._read_commit()
            commit = commits.parse(content)
            try:
                self._uploader.take_over(token, commit, generation, self._whole_files(commit))
                return commit
            except ConflictError:
                continue
        raise UnavailableError(f"{self.url} is taken over by others all the time", "One chief", "Run only one")

    def _read_commit(self) -> tuple[bytes, int]:
        try:
            return self._store.bucket.read(self._url(self._settings.commit_name))
        except NotFoundError:
            return b"", ABSENT

    def _set_aside(self) -> None:
        things, aside = _listed(self._queue.pending), self._scratch.set_aside()
        self._queue.clear()
        self._written.clear()
        log.warning(
            "An earlier run on this machine left %s for %s, and another one took over since. They are in %s.",
            things,
            self.url,
            aside,
        )

    def _clear(self) -> None:
        """Deletes what an earlier process left here, but for what is to be uploaded."""
        names = [item.name for item in self._queue.pending if isinstance(item, File | Tree)]
        for entry in disk.tree(self.directory):
            name = self._name_here(entry.path)
            awaited = any(f"{name}/".startswith(f"{kept}/") for kept in names)
            ours = name in self._written or name in self._events_sent or name == upload_queue.FILE
            if not ours and not awaited and name not in self._uploader.known:
                os.unlink(entry.path)

    def checkpoint_files(self) -> Sequence[str]:
        """Names of the files of checkpoints that this process took over or wrote."""
        return [name for name in self._uploader.known if name.startswith(self._settings.prefix)]

    def commit(self) -> Commit:
        """What the folder's commit object says now; an empty one where there is none."""
        return (
            self._uploader.commit if self.owns else commits.parse(self._read_fresh(self._settings.commit_name) or b"")
        )

    def _whole_files(self, commit: Commit) -> dict[str, Entry]:
        """The files of checkpoints that are in the bucket as the commit says. Without a commit of ours, all.

        Parts of a file whose upload was cut off are deleted: whoever made them can write here no more.
        """
        listed = self._store.entries(self._url(f"{self._settings.prefix}**"))
        self._store.delete_all([entry for entry in listed if PARTS_FOLDER in entry.path])
        found = {self._name(entry.path): entry for entry in listed if PARTS_FOLDER not in entry.path}
        if not commit.owner:
            return found
        matching = {name for name, entry in found.items() if commit.files.get(name) == _stamp(entry)}
        damaged = {_checkpoint(name) for name in commit.files if name not in matching}
        return {name: found[name] for name in matching if _checkpoint(name) not in damaged}

    def whole(self, checkpoint: str) -> bool:
        """Whether this process has all files of a checkpoint, here or in the bucket as it took it over."""
        if os.path.exists(self.local(f"{checkpoint}.index")):
            return True
        named = [name for name in self._uploader.commit.files if name.startswith(f"{checkpoint}.")]
        return f"{checkpoint}.index" in self._uploader.known and all(name in self._uploader.known for name in named)

    def files(self, checkpoint: str) -> Mapping[str, Entry] | None:
        """The files of a checkpoint in the bucket; None unless all are there, as the commit says.

        Args:
          checkpoint: its name, relative to the folder.
        """
        named = self.stamps(checkpoint)
        found = {self._name(entry.path): entry for entry in self._store.entries(self._url(f"{checkpoint}.*"))}
        if named:
            whole = all(name in found and _stamp(found[name]) == stamp for name, stamp in named.items())
            return {name: found[name] for name in named} if whole else None
        return found if f"{checkpoint}.index" in found else None

    def is_fetched(self, checkpoint: str) -> bool:
        """Whether a checkpoint is here as it was fetched, and is still what the commit object says."""
        return checkpoint in self._fetched and self._fetched[checkpoint] == self.stamps(checkpoint)

    def stamps(self, checkpoint: str) -> Mapping[str, Stamp]:
        """What the commit object says of the files of a checkpoint."""
        return {name: stamp for name, stamp in self.commit().files.items() if name.startswith(f"{checkpoint}.")}

    def fetch(self, checkpoint: str, files: Mapping[str, Entry]) -> None:
        """Copies the files of a checkpoint here, checked, unless they are here.

        Raises:
          NotFoundError, CorruptError: one of them is gone, or changed.
        """

        def bring(item: tuple[str, Entry]) -> None:
            name, entry = item
            file = self.local(name)
            if not (os.path.exists(file) and checksums.of_file(file) == entry.crc32c):
                self._store.fetch(entry, file)
            self._uploader.fetched(name, entry)

        stamps = self.stamps(checkpoint)
        at_once(bring, list(files.items()))
        self._fetched[checkpoint] = stamps

    def send_checkpoints(self, text: str, files: Sequence[str], newest: str) -> None:
        """Uploads a new state of the checkpoints, without waiting.

        Args:
          text: of the commit object.
          files: all that it stands for.
          newest: what the last checkpoint is called.

        Raises:
          FencedError: another process took over.
        """
        self.check()
        self._thread.post(Checkpoints(text, tuple(files), newest))

    def check(self) -> None:
        """Raises FencedError when another process took over."""
        if self._thread.fenced is not None:
            raise self._thread.fenced

    def when_fenced(self, tell: Callable[[str], None]) -> None:
        """Calls a function with the reason as soon as another process has taken over."""
        self._thread.on_fenced = tell

    def protect(self, in_use: Callable[[], tuple[str, ...]]) -> None:
        """Says which checkpoints are not deleted in the bucket; asked just before, in the thread of uploads."""
        self._uploader.in_use = lambda: tuple(f"{name}." for name in in_use())

    # Other files

    def read(self, name: str) -> bytes | None:
        """A file as this process wrote it, else as it is in the bucket, a second ago at most; None for none."""
        if name in self._written:
            file = Path(self.local(name))
            return file.read_bytes() if file.exists() else None
        return self._read_fresh(name)

    def has_read(self, name: str) -> bool:
        """Whether this process read or wrote a file before."""
        return name in self._written or name in self._cache

    def _read_fresh(self, name: str) -> bytes | None:
        cached = self._cache.get(name)
        if cached is not None and self._clock() - cached[2] < _FRESH_SECS:
            return cached[0] if cached[1] else None
        content, generation = self._read_changed(name, cached)
        self._cache[name] = content, generation, self._clock()
        return content if generation else None

    def _read_changed(self, name: str, cached: tuple[bytes, int, float] | None) -> tuple[bytes, int]:
        url, bucket = self._url(name), Store(retry_policy=_SHORT_RETRY_POLICY).bucket
        try:
            if cached is None or not cached[1]:
                return bucket.read(url)
            return bucket.read_if_changed(url, cached[1]) or cached[:2]
        except NotFoundError:
            return b"", ABSENT
        except UnavailableError:
            if cached is None:
                raise
            return cached[:2]  # whoever asks now and then learns more when the bucket is back

    def write(self, name: str, data: bytes) -> None:
        """Writes a file here, whole, and uploads it without waiting."""
        disk.write(self.local(name), data)
        self._written.add(name)
        self._thread.post(File(name))

    def remove(self, name: str) -> None:
        """Deletes a file here and in the bucket, without waiting."""
        Path(self.local(name)).unlink(missing_ok=True)
        self._written.add(name)
        self._thread.post(Removal(name))

    def send_tree(self, name: str, last: str) -> None:
        """Uploads a directory, which is then deleted here. It becomes visible with its file `last`."""
        self._thread.post(Tree(name, last))

    def remove_tree(self, name: str, first: str) -> None:
        """Deletes a directory here and in the bucket, the file that readers look for before the others."""
        shutil.rmtree(self.local(name), ignore_errors=True)
        self._thread.post(Removal(name, first))

    def entries(self, pattern: str) -> list[str]:
        """Relative names of the objects that match a glob."""
        return [self._name(entry.path) for entry in self._store.entries(self._url(pattern))]

    def refresh(self, pattern: str) -> None:
        """Fetches the files that match a glob and are longer in the bucket than here, as event files grow.

        While the bucket is away, and where a file grows meanwhile, what is here has to do.
        """
        store = Store(retry_policy=_SHORT_RETRY_POLICY)
        with contextlib.suppress(UnavailableError, NotFoundError):
            for entry in store.entries(self._url(pattern)):
                file = self.local(self._name(entry.path))
                if not os.path.exists(file) or os.path.getsize(file) < entry.size:
                    store.fetch(entry, file)
                    self._events_sent[self._name(entry.path)] = entry.size, self._clock()

    def send_events(self, now: bool = False) -> None:
        """Uploads event files that have grown: every half a minute, rarer when they are large, or `now`."""
        for file, size in _event_files(self.directory):
            name = self._name_here(file)
            sent, at = self._events_sent.get(name, (0, -_EVENTS_SECS))
            wait = max(_EVENTS_SECS, size / _EVENTS_BYTES_PER_SEC)
            if size > sent and (now or self._clock() - at >= wait):
                self._events_sent[name] = size, self._clock()
                self._thread.post(File(name))

    def copy_events(self, url: str) -> None:
        """From now on event files go to another folder, too."""
        self._uploader.events_url = url

    # The end

    def flush(self, secs: float) -> None:
        """Waits until everything is uploaded.

        Raises:
          FencedError: another process took over.
          UnavailableError: that took too long.
        """
        self.send_events(now=True)
        if self._thread.flush(secs):
            return
        self.check()
        pending, last_error = self._thread.pending, self._thread.last_error
        reason = f": {last_error.got}" if last_error is not None else ""
        raise UnavailableError(
            f"{_listed(pending)} could not be uploaded to {self.url} within {secs:.0f} s{reason}",
            f"The local copies are in {self.directory}",
            "Run the same command again on this machine: it uploads them first",
        )

    def close(self) -> None:
        """Ends the thread, and leaves the scratch directory to the next process."""
        self._thread.close()
        self._scratch.release()

    def local(self, name: str) -> str:
        return os.path.join(self.directory, *name.split("/"))

    def _url(self, name: str) -> str:
        return paths.join(self.url, name)

    def _name(self, path: str) -> str:
        return path.removeprefix(self.url.rstrip("/") + "/")

    def _name_here(self, file: str) -> str:
        return os.path.relpath(file, self.directory).replace(os.sep, "/")


def _checkpoint(name: str) -> str:
    """The checkpoint that a file belongs to."""
    return name.removesuffix(".index").partition(".data-")[0]


def _stamp(entry: Entry) -> Stamp:
    return Stamp(entry.size, entry.crc32c or "")


def _listed(pending: Sequence[Upload]) -> str:
    newest = [item.newest for item in pending if isinstance(item, Checkpoints)]
    others = len(pending) - len(newest)
    things = [*newest, *([f"{others} other thing{'s' if others > 1 else ''}"] if others else [])]
    return " and ".join(things) or "Nothing"


def _event_files(directory: str) -> Iterator[tuple[str, int]]:
    """Path and size of each event file; what vanishes meanwhile, as unfinished exports do, is left out."""
    for folder, _, names in os.walk(directory):
        for name in fnmatch.filter(names, EVENTS):
            file = os.path.join(folder, name)
            with contextlib.suppress(FileNotFoundError):
                yield file, os.path.getsize(file)
