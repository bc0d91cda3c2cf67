"""What is known of a trial: how it ended, and its record as the journal has it."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from trainer.launch.study.parameter import Assignment
from trainer.launch.study.study import Study
from trainer.launch.sweep import evaluations
from trainer.launch.sweep.evaluations import Evaluation, loss

# User attributes of a trial in Optuna's storage, which its dashboard shows.
REASON, EXIT_CODE, LOG_TAIL, SECS, FOLDER = "reason", "exit_code", "log_tail", "secs", "folder"


class Outcome(enum.Enum):
    DONE = "done"
    STOPPED = "stopped"  # by the stopping rule
    FAILED = "failed"


OUTCOMES = {
    TrialState.COMPLETE: Outcome.DONE,
    TrialState.PRUNED: Outcome.STOPPED,
    TrialState.FAIL: Outcome.FAILED,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """How a trial ended.

    Attributes:
      outcome: with a value, unless the trial failed or was stopped before it reported a finite one.
      value: of the metric, finite; None without one.
      evaluations: all that it reported.
      reason: why it was stopped or has failed; empty for one that is done.
    """

    outcome: Outcome
    value: float | None = None
    evaluations: Sequence[Evaluation] = ()
    reason: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """A trial as the journal has it.

    Attributes:
      number: from 1; the name of its folder. Optuna counts from 0.
      assignment: values of its parameters.
      outcome: None while it runs, or has yet to be resumed.
      value: of the metric; None without one.
      evaluations: what it reported, in the order of steps; their seconds may be 0.0 while it runs.
      reason: why it was stopped or has failed.
      log_tail: the last lines of its log, if it has failed.
      started_at: seconds since the epoch.
      secs: from its start to its end, of wall-clock time; None while it runs.
      step: that its log told last, in words, while it runs; empty where that is not known.
    """

    number: int
    assignment: Assignment
    outcome: Outcome | None = None
    value: float | None = None
    evaluations: tuple[Evaluation, ...] = ()
    reason: str = ""
    log_tail: tuple[str, ...] = ()
    started_at: float
    secs: float | None = None
    step: str = ""


def from_optuna(trial: FrozenTrial, study: Study) -> TrialRecord:
    """The record of a trial in Optuna's storage."""
    assert trial.datetime_start is not None  # of all but waiting trials, which we do not have
    outcome = OUTCOMES.get(trial.state)
    ended = trial.datetime_complete
    return TrialRecord(
        number=trial.number + 1,
        assignment=dict(trial.params),
        outcome=outcome,
        value=_value(trial, outcome, study),
        evaluations=evaluations_of(trial),
        reason=trial.user_attrs.get(REASON) or "",
        log_tail=tuple(trial.user_attrs.get(LOG_TAIL) or ()),
        started_at=trial.datetime_start.timestamp(),
        secs=(ended - trial.datetime_start).total_seconds() if ended else None,
    )


def evaluations_of(trial: FrozenTrial) -> tuple[Evaluation, ...]:
    """What a trial in Optuna's storage reported, in the order of steps."""
    secs = trial.user_attrs.get(SECS) or {}
    return tuple(
        Evaluation(step=step, value=value, secs=secs.get(str(step), 0.0))
        for step, value in sorted(trial.intermediate_values.items())
    )


def is_better(value: float, other: float | None, study: Study) -> bool:
    """Whether a value of the metric beats another one.

    Args:
      value: NaN beats nothing.
      other: None is beaten by every other value.
      study: for its goal.
    """
    if math.isnan(value):
        return False
    return other is None or loss(value, study.goal) < loss(other, study.goal)


def _value(trial: FrozenTrial, outcome: Outcome | None, study: Study) -> float | None:
    """The result. Optuna gives a pruned trial its last report, whichever of them the study counts."""
    if outcome is Outcome.DONE:
        return trial.value
    if outcome is Outcome.STOPPED:
        return evaluations.finite_result(evaluations_of(trial), study)
    return None
