"""Which exports a directory holds, here or in a bucket; the newest is the one that is asked."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator, Sequence

from trainer import storage
from trainer.job.errors import UsageError
from trainer.job.layout import EXPORTS, GRAPH_FILE, TEXT_GRAPH_FILE

_ONLY_VERSION = 1


@dataclasses.dataclass(frozen=True, kw_only=True, order=True)
class Export:
    """A SavedModel. The greatest one is the newest.

    Attributes:
      version: the number that its folder is called, as TensorFlow Serving has it; 1 where it is called otherwise.
      path: local or in a bucket.
    """

    version: int
    path: str


def all_below(model_dir: str) -> list[Export]:
    """The exports that a directory holds, oldest first; it may be one itself.

    They are in folders whose names are numbers: in the directory, or in `export/<exporter>` below it.

    Args:
      model_dir: local or in a bucket.
    """
    if any(storage.exists(storage.join(model_dir, name)) for name in (GRAPH_FILE, TEXT_GRAPH_FILE)):
        name = model_dir.rstrip("/").rpartition("/")[2]
        return [Export(version=int(name) if _is_version(name) else _ONLY_VERSION, path=model_dir)]
    folder = storage.escaped(model_dir)
    patterns = (
        storage.join(folder, "*", f"{GRAPH_FILE}*"),
        storage.join(folder, EXPORTS, "*", "*", f"{GRAPH_FILE}*"),
    )
    files = [entry.path for pattern in patterns for entry in storage.entries(pattern)]
    paths = {file.rpartition("/")[0] for file in files if file.endswith((GRAPH_FILE, TEXT_GRAPH_FILE))}
    versions = {path: path.rpartition("/")[2] for path in paths}
    return sorted(Export(version=int(name), path=path) for path, name in versions.items() if _is_version(name))


def newest(model_dir: str) -> Export:
    """The newest export that a directory holds.

    Raises:
      UsageError: it holds none.
    """
    found = all_below(model_dir)
    if not found:
        raise none_in(model_dir)
    return found[-1]


def none_in(model_dir: str) -> UsageError:
    """What to say of a directory without an export."""
    return UsageError(
        f"--model_dir={model_dir} holds no export",
        "a SavedModel, a folder of numbered ones, or a run's directory with export/<exporter>/<number>",
        "Train with --exporter=latest, correct the path, or name a --checkpoint for trainer.predict",
    )


def others(model_dir: str, chosen: Export) -> Sequence[str]:
    """The folders of other exporters that have exports too."""
    folders = {export.path.rpartition("/")[0] for export in all_below(model_dir)}
    return sorted(folders - {chosen.path.rpartition("/")[0]})


@contextlib.contextmanager
def on_disk(export: Export) -> Iterator[str]:
    """A local directory with an export, for as long as it is open: a checked copy where it is in a bucket.

    Raises:
      StorageError: the bucket cannot be read, or the export is gone.
    """
    if not storage.is_remote(export.path):
        yield export.path
        return
    with tempfile.TemporaryDirectory(prefix="trainer-export-") as folder:
        storage.copy_in(export.path, folder)
        yield folder


def _is_version(name: str) -> bool:
    return name.isascii() and name.isdecimal()
