"""When a study ends before its last trial: too many failures, or a limit that the study names."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from trainer.launch.study.stopping import StudyStopping
from trainer.launch.study.study import Study
from trainer.launch.sweep.evaluations import loss
from trainer.launch.sweep.trial_records import Outcome, TrialRecord

_LEAST_FAILURES = 3


def most_failures(study: Study) -> int:
    """The number of failed trials that ends a study; where its file leaves it open, half of all, and at least 3."""
    return study.max_failed_trials or max(_LEAST_FAILURES, (study.max_trials + 1) // 2)


def reached(study: Study, records: Sequence[TrialRecord], now: float) -> str | None:
    """Which limit of `study_stopping` is reached, as a part of a sentence; None while none is.

    Args:
      study: with its `study_stopping`.
      records: all trials, by number.
      now: seconds since the epoch.
    """
    limits = study.study_stopping
    if limits is None or not records or _too_early(limits, records, now):
        return None
    secs, idle_trials, idle_secs = now - records[0].started_at, *_without_progress(study, records, now)
    checks = (
        (limits.max_num_trials, len(records), "trials"),
        (limits.max_runtime_secs, secs, "seconds"),
        (limits.max_num_trials_no_progress, idle_trials, "trials without progress"),
        (limits.max_secs_no_progress, idle_secs, "seconds without progress"),
    )
    for most, seen, unit in checks:
        if most is not None and seen >= most:
            return f"{most:g} {unit}"
    if limits.max_end_time is not None and now >= _moment(limits.max_end_time):
        return f"it is past {limits.max_end_time}"
    return None


def _too_early(limits: StudyStopping, records: Sequence[TrialRecord], now: float) -> bool:
    few = limits.min_num_trials is not None and len(records) < limits.min_num_trials
    young = limits.min_runtime_secs is not None and now - records[0].started_at < limits.min_runtime_secs
    return few or young or (limits.min_end_time is not None and now < _moment(limits.min_end_time))


def _without_progress(study: Study, records: Sequence[TrialRecord], now: float) -> tuple[int, float]:
    """How many trials have ended since the best one ended, and how many seconds ago that was.

    Args:
      study: for its goal.
      records: all trials, at least one; the seconds count from the start of the first where none has a result.
      now: seconds since the epoch.
    """
    ended = [record for record in records if record.outcome is not None and record.secs is not None]
    ended.sort(key=lambda record: record.started_at + (record.secs or 0.0))
    since, best, best_at = 0, None, records[0].started_at
    for record in ended:
        since += 1
        value = loss(record.value, study.goal) if record.value is not None else None
        if record.outcome is Outcome.DONE and value is not None and (best is None or value < best):
            since, best, best_at = 0, value, record.started_at + (record.secs or 0.0)
    return since, now - best_at


def _moment(text: str) -> float:
    """Seconds since the epoch of an RFC 3339 time."""
    return datetime.datetime.fromisoformat(text).timestamp()
