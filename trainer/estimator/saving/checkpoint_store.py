"""The checkpoints of a directory: which there are, who may write them, and what becomes of old ones."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Protocol

from trainer.estimator.saving import state_file
from trainer.estimator.saving.retention import Decision

PREFIX = "model.ckpt-"


class CheckpointStore(Protocol):
    """The checkpoints of one directory, named relative to it.

    Attributes:
      path: of the directory, as people call it.
      local: where TensorFlow reads and writes.
    """

    path: str
    local: str

    @property
    def owner(self) -> str | None:
        """Token of the process that writes checkpoints here; None where any process may."""

    def take_over(self, fenced: Callable[[str], None], being_read: Callable[[], tuple[str, ...]]) -> None:
        """Makes this process the only one that writes checkpoints here.

        Args:
          fenced: called with the reason as soon as another process has taken over.
          being_read: gives the names of the checkpoints that other processes read; asked before old ones are deleted.
        """

    def spared(self) -> Collection[str]:
        """Names of the checkpoints that retention keeps in the local directory because other processes read them."""

    def latest(self) -> str | None:
        """Path of the newest whole checkpoint that is committed, or was saved by this process; None for none."""

    def exists(self, name: str) -> bool:
        """Whether a checkpoint is whole, as far as the process that writes here knows."""

    def fetch(self, name: str) -> str:
        """The local path of a checkpoint."""

    def publish(self, decision: Decision) -> None:
        """Makes the checkpoints that retention lists the state of the directory, and deletes those that expired."""


class LocalCheckpoints(CheckpointStore):
    """Checkpoints on disk.

    Args:
      path: of the directory.
    """

    def __init__(self, path: str) -> None:
        self.path = self.local = path
        self._being_read: Callable[[], tuple[str, ...]] = tuple

    @property
    def owner(self) -> str | None:
        return None

    def take_over(self, fenced: Callable[[str], None], being_read: Callable[[], tuple[str, ...]]) -> None:
        self._being_read = being_read

    def spared(self) -> Collection[str]:
        return self._being_read()

    def latest(self) -> str | None:
        for checkpoint in reversed(state_file.listed(state_file.read(self.local))):
            if self.exists(checkpoint.path):
                return os.path.join(self.local, checkpoint.path)
        return None

    def exists(self, name: str) -> bool:
        return os.path.exists(os.path.join(self.local, f"{name}.index"))

    def fetch(self, name: str) -> str:
        return os.path.join(self.local, name)

    def publish(self, decision: Decision) -> None:
        publish_locally(self.local, decision)


def publish_locally(directory: str, decision: Decision) -> None:
    """Writes the state file of a local directory, then deletes what expired."""
    state_file.write(directory, decision.listed, decision.kept_until)
    for checkpoint in decision.expired:
        _delete(os.path.join(directory, checkpoint.path))


def _delete(checkpoint_path: str) -> None:
    """Deletes the files of one checkpoint, its index first, so that it is never there in part."""
    directory, prefix = os.path.split(checkpoint_path)
    names = [name for name in os.listdir(directory) if name == f"{prefix}.meta" or name.startswith(f"{prefix}.data-")]
    for name in [f"{prefix}.index", *names]:
        Path(directory, name).unlink(missing_ok=True)
