"""Whole directories, copied into a bucket and out of one."""

from __future__ import annotations

import os

from trainer.storage import disk, paths
from trainer.storage.entry import Entry
from trainer.storage.parts import at_once
from trainer.storage.store import Store


def copy_in(store: Store, folder: str, directory: str) -> list[str]:
    """Copies all objects below a remote folder into a local directory; returns the files.

    Args:
      store: whose requests copy.
      folder: in a bucket.
      directory: local.

    Raises:
      PathError: an object's name would leave the directory, or cannot be a file. Nothing is copied then.
    """
    listed = store.entries(folder.rstrip("/") + "/")
    start = len(folder.rstrip("/")) + 1
    files = [entry for entry in listed if not entry.path.endswith("/")]  # folders, as consoles make them
    targets = [paths.below(directory, entry.path[start:]) for entry in files]
    at_once(lambda pair: store.fetch(*pair), list(zip(files, targets, strict=True)))
    return targets


def copy_out(store: Store, directory: str, folder: str, *, last: str | None = None) -> list[Entry]:
    """Copies all files of a local directory below a folder.

    Args:
      store: whose requests copy.
      directory: local.
      folder: in a bucket, or local.
      last: relative name of the file that is copied when all others are there, because readers look for it.
    """
    names = [os.path.relpath(entry.path, directory) for entry in disk.tree(directory)]
    first, marker = [name for name in names if name != last], [name for name in names if name == last]

    def send(name: str) -> Entry:
        return store.upload(os.path.join(directory, name), paths.join(folder, *name.split(os.sep)))

    return [*at_once(send, first), *map(send, marker)]
