"""Objects that a setting names: found by glob, and pinned to the generation that was found."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Sequence

from trainer import storage
from trainer.formats.files.download_cache import DownloadCache
from trainer.job.errors import DataError
from trainer.storage.paths import is_pattern

FEW_BYTES = 1 << 30
"""Objects of a setting that are together no larger are fetched before anything else, several at a time."""
_MOST_NAMES = 1000


class RemoteFile(str):
    """The path of an object (`gs://bucket/name`), which whoever opens it reads from a checked copy on this machine.

    Attributes:
      entry: the object in the generation that was listed; no other one is ever read.
      cache: where the copy is.
      one_of_few: whether reading all of it costs little, because all files of its setting are fetched at once.
    """

    entry: storage.Entry
    cache: DownloadCache
    one_of_few: bool

    def __new__(cls, entry: storage.Entry, cache: DownloadCache, *, one_of_few: bool = True) -> RemoteFile:
        path = super().__new__(cls, entry.path)
        path.entry, path.cache, path.one_of_few = entry, cache, one_of_few
        return path

    def local(self) -> str:
        """Path of the copy, which is fetched if need be."""
        return self.cache.local(self.entry)

    def start(self) -> bytes:
        """The first START_BYTES as they are stored, or all."""
        return self.cache.start(self.entry)


def find(patterns: Sequence[str], flag: str, cache: DownloadCache) -> list[RemoteFile]:
    """The objects that paths and globs in buckets name, each once, as they are now.

    Args:
      patterns: `gs://` paths and globs.
      flag: that names them, for messages.
      cache: where their copies will be.

    Raises:
      DataError: no such object, bucket or match; a folder; no permission.
    """
    if not patterns:
        return []
    entries = {entry.path: entry for pattern in patterns for entry in _matches(pattern, flag)}
    few = sum(entry.size for entry in entries.values()) <= FEW_BYTES
    return [RemoteFile(entry, cache, one_of_few=few) for entry in entries.values()]


def fetch(files: Sequence[RemoteFile]) -> None:
    """Fetches the files of a setting, or only the starts of them where they are many or large."""
    if files:
        cache, entries = files[0].cache, [file.entry for file in files]
        cache.fetch_all(entries) if files[0].one_of_few else cache.fetch_starts(entries)


def _matches(pattern: str, flag: str) -> list[storage.Entry]:
    try:
        listed = storage.entries(pattern)
        objects = [entry for entry in listed if not entry.path.endswith("/")]  # folders, as consoles make them
        if is_pattern(pattern):
            # A name may hold brackets itself.
            objects = objects or [entry for entry in [storage.stat(pattern)] if entry]
        if not objects:
            raise _none(pattern, flag)
    except (storage.NotFoundError, storage.RefusedError, storage.PathError) as error:
        raise DataError(f"--{flag}: {error.got}", error.accept, error.do) from error
    if is_pattern(pattern):
        return objects
    if objects[0].path != pattern:
        raise DataError(
            f"--{flag}: {pattern!r} is a folder",
            "objects, or globs",
            f"Name the objects in it: {pattern.rstrip('/')}/*.csv",
        )
    return objects[:1]


def _none(pattern: str, flag: str) -> DataError:
    if is_pattern(pattern):
        return DataError(
            f"--{flag}: no object matches {pattern!r}",
            None,
            "Check the pattern with gcloud storage ls, and quote it in the shell",
        )
    folder, _, name = pattern.rpartition("/")
    around = itertools.islice(storage.Store().bucket.entries(f"{folder}/"), _MOST_NAMES)
    names = [entry.path.rpartition("/")[2] for entry in around]
    close = difflib.get_close_matches(name, names, n=1)
    return DataError(
        f"--{flag}: there is no object {pattern!r}",
        "objects, or globs such as gs://bucket/data/*.csv",
        f"The nearest name there is {folder}/{close[0]!s}"
        if close
        else f"See what is there: gcloud storage ls {folder}/",
    )
