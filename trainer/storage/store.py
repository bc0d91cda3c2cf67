"""The one seam to disks and buckets: the same verbs for local paths and for `gs://bucket/name`."""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence

from trainer.storage import disk, parts, paths
from trainer.storage.bucket import Bucket
from trainer.storage.entry import Entry
from trainer.storage.errors import NotFoundError
from trainer.storage.retry_policy import RetryPolicy

_BLOCK = 8 << 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Store:
    """Files and objects.

    Attributes:
      retry_policy: for requests that fail.
      wait: waits so many seconds between two tries.
    """

    retry_policy: RetryPolicy = dataclasses.field(default_factory=RetryPolicy)
    wait: Callable[[float], object] = time.sleep

    @property
    def bucket(self) -> Bucket:
        """Its requests to buckets."""
        return Bucket(self.retry_policy, self.wait)

    def stat(self, path: str) -> Entry | None:
        """The entry of a file or an object; None where there is none."""
        return self.bucket.stat(path) if paths.is_remote(path) else disk.stat(path)

    def exists(self, path: str) -> bool:
        return self.stat(path) is not None

    def read(self, path: str) -> bytes:
        """The whole content, as it is stored.

        Raises:
          NotFoundError: there is no such file or object.
        """
        return self.bucket.read(path)[0] if paths.is_remote(path) else disk.read(path)

    def write(self, path: str, data: bytes, *, if_generation: int | None = None) -> int:
        """Writes whole or not at all, and returns the new generation.

        Args:
          path: local directories are made.
          data: the content.
          if_generation: write only over this generation; 0: only where there is nothing; None: over anything.

        Raises:
          ConflictError: somebody else wrote there.
        """
        if not paths.is_remote(path):
            return disk.write(path, data, if_generation).generation
        if len(data) <= parts.WHOLE_BYTES:
            return self.bucket.write(path, data, if_generation).generation
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            return parts.upload(self.bucket, file.name, path, if_generation).generation

    def delete(self, path: str, *, if_generation: int | None = None) -> None:
        """Deletes what is there, if it is in that generation."""
        if not paths.is_remote(path):
            disk.delete(path, if_generation)
            return
        entry = self.bucket.stat(path)
        if entry is not None and if_generation in (None, entry.generation):
            self.bucket.delete([entry])

    def delete_all(self, entries: Sequence[Entry]) -> None:
        """Deletes what a listing gave; what was written again since stays."""
        self.bucket.delete([entry for entry in entries if paths.is_remote(entry.path)])
        for entry in entries:
            if not paths.is_remote(entry.path):
                disk.delete(entry.path, entry.generation)

    def clean_up(self, entries: Sequence[Entry]) -> None:
        """Deletes objects that nobody reads; where this account may not delete them a warning says so."""
        self.bucket.clean_up(entries, retried=True)

    def entries(self, path: str) -> list[Entry]:
        """What a path names, sorted: the matches of a glob, one file or object, or all below a directory or folder.

        `*` and `?` stay within a folder, `**` does not. Nothing found is an empty list.
        """
        if not paths.is_remote(path):
            if paths.is_pattern(path):
                return list(disk.matches(path))
            file = disk.stat(path)
            return [file] if file else list(disk.tree(path))
        if paths.is_pattern(path):
            matches = paths.matcher(path).fullmatch
            return [entry for entry in self.bucket.entries(paths.literal_part(path)) if matches(entry.path)]
        folder = path.rstrip("/") + "/"
        return [entry for entry in self.bucket.entries(path) if entry.path == path or entry.path.startswith(folder)]

    def fetch(self, entry: Entry, file: str) -> None:
        """Copies one generation of a file or object to a local file, checked; it appears whole.

        Raises:
          NotFoundError: it is gone, or was written again since `entry` was made.
        """
        hidden = f"{file}.fetching-{uuid.uuid4().hex}"
        os.makedirs(os.path.dirname(file) or ".", exist_ok=True)
        try:
            if paths.is_remote(entry.path):
                parts.download(self.bucket, entry, hidden)
            else:
                shutil.copyfile(entry.path, hidden)
            os.replace(hidden, file)
        finally:
            if os.path.exists(hidden):
                os.unlink(hidden)

    def open_stream(self, path: str, *, block_bytes: int = _BLOCK) -> Iterator[bytes]:
        """The content in blocks. Nothing is handed out of an object before all of it is here and its checksum right;
        meanwhile it lies in a temporary file."""
        if not paths.is_remote(path):
            yield from _blocks(path, block_bytes)
            return
        entry = self.stat(path)
        if entry is None:
            raise NotFoundError(f"Reading {path} failed: there is no such object or bucket", None, "Check the path")
        with tempfile.TemporaryDirectory(prefix="trainer-stream-") as scratch:
            file = os.path.join(scratch, "object")
            self.fetch(entry, file)
            yield from _blocks(file, block_bytes)

    def upload(self, file: str, path: str, *, if_generation: int | None = None) -> Entry:
        """Copies a local file to a path, whole or not at all. Large ones go to a bucket in parallel parts.

        Args:
          file: local.
          path: local or in a bucket.
          if_generation: as in `write`.
        """
        if paths.is_remote(path):
            return parts.upload(self.bucket, file, path, if_generation)
        return disk.write(path, disk.read(file), if_generation)


def _blocks(file: str, block_bytes: int) -> Iterator[bytes]:
    with open(file, "rb") as stream:
        while block := stream.read(block_bytes):
            yield block
