"""The record that training has ended, and why, for whoever follows its checkpoints."""

from __future__ import annotations

import contextlib
import os

from trainer.estimator.contract.hooks import CheckpointSaverListener
from trainer.estimator.estimator import Estimator
from trainer.estimator.saving.checkpoints import step_of
from trainer.estimator.saving.coordination_files import FAILED, TRAINING_DONE, UNREADABLE, read_record, write_record
from trainer.estimator.steps.timing.stop import StopReason
from trainer.job.errors import JobError


class TrainingRecord(CheckpointSaverListener):
    """`training_done.json` of one training. While it runs there is no such file.

    Args:
      estimator: what is trained.
    """

    def __init__(self, estimator: Estimator) -> None:
        self._estimator = estimator

    def begin(self) -> None:
        self._estimator.directory.records.remove(TRAINING_DONE)

    def ended(self, reason: StopReason | None) -> None:
        """Records how training ended; None when there was nothing to train. An interrupted one is to be continued."""
        if reason is None and self._recorded() in (None, FAILED, UNREADABLE):
            reason = StopReason.MAX_STEPS
        if reason is not None and reason is not StopReason.INTERRUPTED:
            self._write(reason.value)

    def failed(self) -> None:
        """Records that training failed, if that can be done."""
        with contextlib.suppress(OSError, JobError):  # the failure itself is about to be raised
            self._write(FAILED)

    def _recorded(self) -> str | None:
        return read_record(self._estimator.directory, TRAINING_DONE).get("reason")

    def _write(self, reason: str) -> None:
        latest = self._estimator.latest_checkpoint()
        step, name = (0, None) if latest is None else (step_of(latest), os.path.basename(latest))
        record = {"reason": reason, "global_step": step, "checkpoint": name}
        write_record(self._estimator.directory, TRAINING_DONE, record)
