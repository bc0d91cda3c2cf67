"""How far a study is: counts, the best trial and the time that is left, from its trials."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence

from trainer.launch.study.study import Study
from trainer.launch.sweep.trial_records import Outcome, TrialRecord, is_better


@dataclasses.dataclass(frozen=True, kw_only=True)
class Progress:
    """A moment of a study.

    Attributes:
      study: what is searched.
      trials: all so far, by number.
      now: seconds since the epoch.
    """

    study: Study
    trials: Sequence[TrialRecord]
    now: float

    def count(self, outcome: Outcome | None) -> int:
        """How many trials ended with this outcome; None: how many are running."""
        return sum(trial.outcome is outcome for trial in self.trials)

    @property
    def best(self) -> TrialRecord | None:
        """The best trial so far; None before one is done."""
        return best(self.study, self.trials)

    @property
    def secs_left(self) -> float | None:
        """Seconds that are left, by the median time of a trial; None before one is done."""
        usual = [trial.secs for trial in self.trials if trial.outcome is Outcome.DONE and trial.secs is not None]
        if not usual:
            return None
        each = statistics.median(usual)
        under_way = [max(each - (self.now - trial.started_at), 0) for trial in self.trials if trial.outcome is None]
        to_start = max(self.study.max_trials - len(self.trials), 0)
        return (sum(under_way) + to_start * each) / self.study.max_parallel_trials


def best(study: Study, trials: Sequence[TrialRecord]) -> TrialRecord | None:
    """The best trial that was trained to its end; of equal ones the first; None without one."""
    leader: TrialRecord | None = None
    for trial in trials:
        if trial.outcome is Outcome.DONE and trial.value is not None:
            leads = is_better(trial.value, leader.value if leader else None, study)
            leader = trial if leads else leader
    return leader
