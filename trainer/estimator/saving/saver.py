"""Saves a training's checkpoints, each with its manifest, and deletes old ones."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainer.estimator.saving import checkpoints, manifest, slices
from trainer.estimator.saving.checkpoint_store import CheckpointStore
from trainer.estimator.saving.retention import Checkpoint, decide


@dataclasses.dataclass
class Saver:
    """Saves to one directory, and deletes old checkpoints.

    Attributes:
      store: of the checkpoints.
      keep_max: how many of the newest to keep; 0 or None keeps all.
      keep_every_hours: one checkpoint in so many hours is kept for good.
      started_at: when the run began, in seconds; the hours count from here.
      continued: path of the checkpoint that the run resumes from, which is not written again: a kill in the middle of
        that would damage what may be the only checkpoint.
      facts: what to note in the manifest of each checkpoint, as JSON can hold it.
    """

    store: CheckpointStore
    keep_max: int | None
    keep_every_hours: float
    started_at: float
    continued: str | None = None
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def save(self, step: int, tensors: Mapping[str, Any] | slices.Snapshot, now: float) -> str:
        """Writes `model.ckpt-<step>`, its manifest and the state file; returns its path.

        Args:
          step: the global step.
          tensors: tensors and variables of any shapes, by name; a part of a variable is saved as a slice of the whole.
          now: the time in seconds.
        """
        os.makedirs(self.store.local, exist_ok=True)
        target = checkpoints.path(self.store.local, step)
        if self.continued is not None and step == self._continued_step:
            return self.continued
        # Without it, whatever a kill leaves of an earlier save of this step is judged by TensorFlow's checksums.
        Path(f"{target}{manifest.SUFFIX}").unlink(missing_ok=True)
        slices.write(target, tensors)
        manifest.write(target, self.facts)
        self._publish(os.path.basename(target), now)
        return target

    @functools.cached_property
    def _continued_step(self) -> int | None:
        """The step in the checkpoint that the run resumes from; None where that is in another directory.

        Where parameter servers have the variables, its name says that of the moment at which it was begun.
        """
        if self.continued is None or os.path.dirname(self.continued) != self.store.local.rstrip("/"):
            return None
        return checkpoints.saved_step(self.continued)

    def _publish(self, name: str, now: float) -> None:
        listing = self.store.listing()
        known = [checkpoint for checkpoint in listing.listed if checkpoint.path != name]
        known = [checkpoint for checkpoint in known if self.store.exists(checkpoint.path)]
        if listing.doubt is not None and self.keep_max:
            known = known[-self.keep_max :]  # of all that are there some may have been kept for good: none is deleted
        known.append(Checkpoint(name, now))
        every = self.keep_every_hours * 3600
        # The state file carries this time across restarts, so that hours are not counted anew.
        kept_until = listing.last_preserved or self.started_at + every
        self.store.publish(decide(known, self.keep_max, every, kept_until, self.store.spared()))
