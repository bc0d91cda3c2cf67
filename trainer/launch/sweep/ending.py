"""When a study starts no more trials, and with which exit code it ends."""

from __future__ import annotations

import time
from collections.abc import Sequence

from trainer.job.signals import SAVED_EXIT_CODE
from trainer.launch.study.study import Study
from trainer.launch.sweep import limits
from trainer.launch.sweep.narration import Narration
from trainer.launch.sweep.progress import best
from trainer.launch.sweep.trial_records import Outcome, TrialRecord
from trainer.launch.sweep.trial_runs import TrialRuns
from trainer.launch.sweep.trials import Cause


class Ending:
    """Decides whether the study ends, and asks its trials to end where they should not finish.

    Args:
      study: with its limits.
      runs: the trials under way.
      narration: where the decision is said.
    """

    def __init__(self, study: Study, runs: TrialRuns, narration: Narration) -> None:
        self._study, self._runs, self._narration = study, runs, narration
        self._stop_reason: str | None = None
        self._requests = 0
        self._exit_code: int | None = None  # known when the study ends

    @property
    def is_decided(self) -> bool:
        """Whether no more trials are started."""
        return self._exit_code is not None

    def request(self, reason: str) -> None:
        """A signal or the like asks the study to stop."""
        self._stop_reason = reason

    def repeated(self, requests: int, grace: float) -> None:
        """Says how long trials may take to save, in seconds, where there were more requests than the one."""
        if requests > max(1, self._requests):
            self._narration.say(f"trials are saving, for {grace:g} s at most")
        self._requests = requests

    def check(self, records: Sequence[TrialRecord]) -> None:
        """Decides by the trials so far."""
        if self._stop_reason and self._exit_code != SAVED_EXIT_CODE:
            self._end(SAVED_EXIT_CODE, f"{self._stop_reason}: running trials save and end", Cause.STUDY_ENDS)
        if self.is_decided:
            return
        failed, most = sum(record.outcome is Outcome.FAILED for record in records), limits.most_failures(self._study)
        if failed >= most:
            self._end(1, f"{failed} trials have failed; {most} end the study", Cause.STUDY_ENDS)
            return
        reached, stopping = limits.reached(self._study, records, time.time()), self._study.study_stopping
        if reached is not None and stopping is not None:
            cause = Cause.PRUNED if stopping.should_stop_asap else None
            self._end(0, f"the study has reached its limit: {reached}", cause, f"the study ended: {reached}")

    def exit_code(self, records: Sequence[TrialRecord]) -> int:
        """Of a study that has no more trials under way: 0, 1 without a result or with too many failures, 143 saved."""
        code = self._exit_code or 0
        if code == 0 and best(self._study, records) is None:
            self._narration.say("no trial has a result")
            return 1
        return code

    def _end(self, exit_code: int, text: str, cause: Cause | None, why: str = "") -> None:
        """Starts no more trials, and asks those under way to end.

        Args:
          exit_code: of the study.
          text: that is said.
          cause: what the end of the trials means; None: they finish.
          why: more of the cause.
        """
        self._exit_code = exit_code
        self._narration.say(text)
        if cause is not None:
            self._runs.request_end_of_all(cause, why)
