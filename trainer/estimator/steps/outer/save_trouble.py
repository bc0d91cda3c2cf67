"""What a save that failed means to its training: another try, words, or the end."""

from __future__ import annotations

import dataclasses
import logging
import os

from trainer.estimator.saving.checkpoint_store import CheckpointStore
from trainer.job import system_errors
from trainer.job.system_errors import Kind

log = logging.getLogger("trainer")


@dataclasses.dataclass
class SaveTrouble:
    """The trouble with the saves of one training.

    Attributes:
      store: of the checkpoints; None where nothing is saved.
      is_there: whether the last save failed.
    """

    store: CheckpointStore | None
    is_there: bool = False

    def look_for_directory(self) -> None:
        """Says so where somebody deleted the directory: it is made again, with less in it than there was."""
        if self.store is not None and not os.path.isdir(self.store.local):
            log.error(
                "%s was deleted, with all checkpoints in it. Training continues, and saves there again.",
                self.store.path,
            )

    def bear(
        self, error: Exception, step: int, last_good: str | None, *, tries: int, most_tries: int | None = None
    ) -> None:
        """Says that a save failed, where it may be left for later: something is saved, and the trouble may pass.

        Args:
          error: of the save; raised again where it may not be left.
          step: that was to be saved.
          last_good: which checkpoint there is, in words; None for none.
          tries: how often the save was tried.
          most_tries: of the last save, how often it is; None for one that others follow.
        """
        trouble = None if self.store is None else system_errors.of(error, self.store.local)
        if trouble is None or not trouble.kind.passes or last_good is None:
            raise error
        if most_tries is not None and (tries >= most_tries or trouble.kind is Kind.TOO_LARGE):
            raise error
        if tries > 1:
            return
        self.is_there = True
        until = "It is tried for a minute" if most_tries else "Training continues, and the next save tries again"
        log.error(
            "Step %s could not be saved. %s. %s; %s. %s.", f"{step:,}", trouble, until, last_good, trouble.kind.do
        )

    def is_over(self, step: int) -> None:
        """Says so, where a step could be saved again after one that could not."""
        if self.is_there:
            log.info("Step %s is saved: it could be written again.", f"{step:,}")
        self.is_there = False
