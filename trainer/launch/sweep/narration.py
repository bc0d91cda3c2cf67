"""What a sweep says of its trials while it runs, one line for each thing that happens."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Sequence

from trainer.launch.cluster import supervision
from trainer.launch.study.study import Study
from trainer.launch.sweep.console import View, settings
from trainer.launch.sweep.trial_records import Outcome, Result, TrialRecord
from trainer.launch.sweep.trial_runs import TrialRun


class Narration:
    """Says events to a view, with the time since the start.

    Args:
      study: what is searched.
      view: where events are shown.
      max_restarts: of a trial.
    """

    def __init__(self, study: Study, view: View, max_restarts: int) -> None:
        self._study, self._view, self._max_restarts = study, view, max_restarts
        self._started_at = time.monotonic()
        self._hinted = False

    def say(self, text: str) -> None:
        """One event."""
        self._view.event(time.monotonic() - self._started_at, text)

    def greeting(self, directory: pathlib.Path, seed: int, records: Sequence[TrialRecord]) -> None:
        """The size of the study, and how much of it is done.

        Args:
          directory: of the study.
          seed: of the study.
          records: trials that the journal has already.
        """
        count = f"{self._study.max_trials} trials, {self._study.max_parallel_trials} at a time"
        self.say(f"{count}, in {directory} (seed {seed})")
        interrupted = [str(record.number) for record in records if record.outcome is None]
        if records:
            ended = len(records) - len(interrupted)
            trials = "trial" if len(interrupted) == 1 else "trials"
            again = f"; resuming {trials} {', '.join(interrupted)}" if interrupted else ""
            self.say(f"continuing: {ended} of {self._study.max_trials} trials have ended{again}")

    def start(self, run: TrialRun) -> None:
        """A process of a trial was started."""
        verb = "resumes" if run.restarts else "starts"
        self.say(f"trial {run.plan.name} {verb}: {settings(run.record)}")

    def restart(self, run: TrialRun, exit_code: int) -> None:
        """A trial asked to be started again."""
        ended = supervision.described(exit_code)
        self.say(f"trial {run.plan.name} {ended}: restart {run.restarts} of {self._max_restarts}")

    def result(self, run: TrialRun, result: Result, log_tail: Sequence[str], *, is_best: bool) -> None:
        """A trial has ended.

        Args:
          run: of the trial.
          result: of it.
          log_tail: the last lines of its log.
          is_best: whether it is the best so far.
        """
        value = "" if result.value is None else f", {self._study.metric} {result.value:.4g}"
        praise = " (the best so far)" if is_best else ""
        reason = f": {result.reason}" if result.reason else ""
        self.say(f"trial {run.plan.name} {result.outcome.value}{value}{praise}{reason}")
        self._hint(result)
        if result.outcome is Outcome.FAILED:
            for line in (*log_tail, f"log: {run.plan.log}"):
                if line not in result.reason:
                    self.say(f"    {line}")

    def _hint(self, result: Result) -> None:
        """Says once why no trial can be stopped early, where each reports at its end only."""
        silent = result.outcome is Outcome.DONE and len(result.evaluations) == 1
        if silent and self._study.stopping is not None and not self._hinted:
            self._hinted = True
            self.say(
                "trials report only once, at their end, so that none can be stopped early; "
                "--save_checkpoints_steps=100 --min_eval_frequency=0 after -- makes them report while they run"
            )
