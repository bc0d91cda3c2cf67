"""How far a study is."""

from __future__ import annotations

import pytest

from trainer.launch.study.parameter import Kind, Parameter
from trainer.launch.study.study import Goal, Study
from trainer.launch.sweep.progress import Progress, best
from trainer.launch.sweep.trial_records import Outcome, TrialRecord

X = Parameter(name="x", kind=Kind.DOUBLE, minimum=0.0, maximum=1.0)


def study(goal: Goal = Goal.MINIMIZE) -> Study:
    return Study(goal=goal, metric="m", parameters=(X,), max_trials=10, max_parallel_trials=2)


def trial(number: int, outcome: Outcome | None, value: float | None = None, secs: float | None = None) -> TrialRecord:
    return TrialRecord(number=number, assignment={}, outcome=outcome, value=value, started_at=100.0, secs=secs)


TRIALS = [
    trial(1, Outcome.DONE, 2.0, 10.0),
    trial(2, Outcome.STOPPED, 0.0, 1.0),
    trial(3, Outcome.DONE, 1.0, 30.0),
    trial(4, Outcome.DONE, 1.0, 20.0),
    trial(5, Outcome.FAILED, None, 1.0),
    trial(6, None),
]


@pytest.mark.parametrize(("goal", "number"), [(Goal.MINIMIZE, 3), (Goal.MAXIMIZE, 1)])
def test_the_best_trial_is_one_that_was_trained_to_its_end_and_of_equal_ones_the_first(goal: Goal, number: int) -> None:
    leader = best(study(goal), TRIALS)
    assert leader is not None and leader.number == number
    assert best(study(goal), TRIALS[4:]) is None


def test_the_time_left_counts_what_runs_and_what_has_not_begun() -> None:
    # 20 s is usual; trial 6 has run for 5 s, four more are to come, two at a time.
    assert Progress(study=study(), trials=TRIALS, now=105.0).secs_left == (15 + 4 * 20) / 2
    assert Progress(study=study(), trials=TRIALS, now=500.0).secs_left == 40.0
    assert Progress(study=study(), trials=TRIALS[4:], now=105.0).secs_left is None
