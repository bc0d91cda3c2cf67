"""The exports of a directory: SavedModels in folders named by ten digits, which appear whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from typing import Protocol

from trainer import storage
from trainer.estimator.saving import export_manifest
from trainer.job.layout import EXPORTS, GRAPH_FILE
from trainer.storage.recent_reads import RecentReads
from trainer.storage.synced_folder import SyncedFolder
from trainer.storage.uploads import Removal, Tree

_VARIABLES = os.path.join("variables", "variables")


class ExportStore(Protocol):
    """Exports below one directory; the folders that hold them are named relative to it."""

    def versions(self, folder: str) -> list[str]:
        """Names of the complete exports in a folder, oldest first."""

    def publish(self, written: str, folder: str, seconds: int, last: str) -> str:
        """Makes an export appear; returns its name.

        Args:
          written: local path of the complete export, in the local directory of the folder, under a name of its own.
          folder: of the exports.
          seconds: since 1970; its ten digits, or those of the next number that is not taken, become the name.
          last: the file in it that readers look for.
        """

    def delete(self, name: str) -> None:
        """Deletes an export, by the name of its folder and its own: `export/latest/1700000000`."""

    def variables(self) -> str | None:
        """The local path of the variables of the SavedModel that this directory is; None where it is none.

        Raises:
          DamagedCheckpointError: they are not as its manifest says.
        """


class LocalExports(ExportStore):
    """Exports on disk.

    Args:
      directory: that they are below.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def versions(self, folder: str) -> list[str]:
        path = os.path.join(self._directory, folder)
        if not os.path.isdir(path):
            return []
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir() and _is_version(entry.name))

    def publish(self, written: str, folder: str, seconds: int, last: str) -> str:
        return _renamed(written, seconds, taken=())

    def delete(self, name: str) -> None:
        shutil.rmtree(os.path.join(self._directory, name), ignore_errors=True)

    def variables(self) -> str | None:
        if not os.path.exists(os.path.join(self._directory, GRAPH_FILE)):
            return None
        export_manifest.check(self._directory, os.path.dirname(_VARIABLES))
        return os.path.join(self._directory, _VARIABLES)


class BucketExports(ExportStore):
    """Exports in a bucket, uploaded and deleted in the background.

    Args:
      synced: the folder.
      reads: of the bucket.
    """

    def __init__(self, synced: SyncedFolder, reads: RecentReads) -> None:
        self._synced, self._reads = synced, reads
        self._versions: dict[str, set[str]] = {}
        self._used: dict[str, set[str]] = {}  # that were there, too: what is being deleted is not written again

    def look(self) -> None:
        """Learns what is there while the bucket answers: from now on the owner waits for it no more."""
        for name in self._names(f"{EXPORTS}/**"):
            parts = name.split("/")
            if len(parts) == 3:  # a record of an exporter, as export/best/best.json
                self._reads.read(self._synced.folder.remote(name))
            elif parts[-1].startswith(GRAPH_FILE) and _is_version(parts[-2]):
                self._versions.setdefault("/".join(parts[:-2]), set()).add(parts[-2])

    def versions(self, folder: str) -> list[str]:
        return sorted(self._known(folder))

    def publish(self, written: str, folder: str, seconds: int, last: str) -> str:
        version = _renamed(written, seconds, taken={*self._known(folder), *self._used.get(folder, ())})
        self._known(folder).add(version)
        self._used.setdefault(folder, set()).add(version)
        self._synced.post(Tree(f"{folder}/{version}", last))
        return version

    def delete(self, name: str) -> None:
        folder, _, version = name.rpartition("/")
        self._known(folder).discard(version)
        self._used.setdefault(folder, set()).add(version)
        shutil.rmtree(self._synced.folder.local(name), ignore_errors=True)
        self._synced.post(Removal(name, GRAPH_FILE))

    def variables(self) -> str | None:
        folder = os.path.dirname(_VARIABLES)
        copied = storage.copy_in(self._synced.folder.remote(folder), self._synced.folder.local(folder))
        if not copied:
            return None
        saved = storage.stat(self._synced.folder.remote(export_manifest.FILE))
        if saved is not None:
            storage.fetch(saved, self._synced.folder.local(export_manifest.FILE))
            export_manifest.check(self._synced.folder.directory, folder)
        return self._synced.folder.local(_VARIABLES)

    def _known(self, folder: str) -> set[str]:
        """The complete exports of a folder: those found when it was first asked for, and what this process did."""
        if folder not in self._versions:
            looked = self._synced.owns and folder.startswith(f"{EXPORTS}/")
            graphs = [] if looked else self._names(f"{folder}/*/{GRAPH_FILE}*")
            versions = [name.split("/")[-2] for name in graphs]
            self._versions[folder] = {version for version in versions if _is_version(version)}
        return self._versions[folder]

    def _names(self, pattern: str) -> list[str]:
        folder = self._synced.folder
        return [folder.name_of(entry.path) for entry in self._synced.store.entries(folder.remote(pattern))]


def _is_version(name: str) -> bool:
    return len(name) == 10 and name.isascii() and name.isdigit()


def _renamed(written: str, seconds: int, taken: Collection[str]) -> str:
    """Gives a local export its name, the first that is free."""
    while True:
        name = f"{seconds:010d}"
        target = os.path.join(os.path.dirname(written), name)
        if not os.path.exists(target) and name not in taken:
            os.rename(written, target)
            return name
        seconds += 1
