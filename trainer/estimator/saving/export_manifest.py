"""The manifest of an export: size and checksum of each of its files, so that what is read from it later is whole.

A training that starts from a SavedModel reads its variables only, as numbers. Its graph, which could do anything that
TensorFlow can, is run where somebody asks for its predictions. An export of another program needs no manifest.

    export/latest/1700000000/trainer.manifest    as that of a checkpoint, its files named relative to the export
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from trainer.estimator.saving import manifest
from trainer.estimator.saving.manifest import DamagedManifestError, Manifest
from trainer.estimator.saving.verification import DamagedCheckpointError
from trainer.storage import checksums, disk
from trainer.storage.commits import Stamp

FILE = "trainer.manifest"
_DO = "Take another export, or the checkpoint that it was made from"


def write(directory: str) -> None:
    """Writes the manifest of a local export that is complete but for it."""
    names = [os.path.relpath(entry.path, directory) for entry in disk.tree(directory)]
    disk.write(os.path.join(directory, FILE), Manifest(files=_stamps(directory, names), facts={}).render())


def check(directory: str, below: str | None = None) -> None:
    """Compares local files of an export with its manifest, if it has one.

    Args:
      directory: of the export.
      below: the folder in it whose files are compared; None for all of them.

    Raises:
      DamagedCheckpointError: one of them is not as it was written.
    """
    path = os.path.join(directory, FILE)
    if not os.path.exists(path):
        return
    try:
        saved = manifest.parse(disk.read(path))
    except DamagedManifestError as error:
        raise DamagedCheckpointError(f"{path} cannot be believed: {error}", "an export that is whole", _DO) from error
    files = {name: stamp for name, stamp in saved.files.items() if below is None or name.startswith(f"{below}/")}
    wrong = list(Manifest(files=files, facts={}).mismatches(_stamps(directory, files)))
    if wrong:
        raise DamagedCheckpointError(f"{directory} is damaged: {'; '.join(wrong)}", "an export that is whole", _DO)


def _stamps(directory: str, names: Iterable[str]) -> dict[str, Stamp]:
    """Of those files that are there."""
    paths = {name: os.path.join(directory, name) for name in names}
    return {
        name: Stamp(os.path.getsize(path), checksums.of_file(path))
        for name, path in paths.items()
        if os.path.isfile(path)
    }
