"""What a request to stop does to a process that trains: it saves, uploads and ends within its grace."""

from __future__ import annotations

from trainer.estimator import Estimator
from trainer.estimator.contract.hooks import PatientListener, RunContext, RunValues, TrainingHook
from trainer.estimator.saving.job_directory import JobDirectories
from trainer.job.stop_watch import StopWatch

_LAST_WORDS_SECS = 1.5
"""Of the grace: kept for the words on what could not be uploaded."""


class EndInTime(TrainingHook):
    """Has a request to stop end training with a save; until there are steps to save, it ends the process at once.

    Args:
      stop: where requests come in.
      estimator: that trains.
      directories: that it saves in.

    Attributes:
      saved: hears of the saves.
    """

    every_n_steps = None

    def __init__(self, stop: StopWatch, estimator: Estimator, directories: JobDirectories) -> None:
        self._stop, self._estimator, self._directories = stop, estimator, directories
        self._begun = False
        self.saved = NewestSave()

    def after_run(self, run_context: RunContext, run_values: RunValues) -> None:
        """The first steps are made: before that, nothing is lost with a process that is tracing or compiling."""
        self.begin_to_save()

    def begin_to_save(self) -> None:
        """From now on there is something to save."""
        if not self._begun:
            self._begun = True
            self._stop.tell(self._asked, self._safe)

    def _asked(self, reason: str) -> None:
        self._estimator.stop.request(reason)
        secs = self._stop.grace_secs
        self._directories.hurry(max(secs / 2, secs - _LAST_WORDS_SECS))

    def _safe(self) -> str:
        return " ".join(filter(None, [self.saved.text, self._directories.not_uploaded()]))


class NewestSave(PatientListener):
    """Remembers the newest checkpoint of this process.

    Attributes:
      text: which one it is, in words; empty before the first.
    """

    text = ""

    def after_save(self, global_step_value: int) -> None:
        self.text = f"Step {global_step_value:,} is saved."
