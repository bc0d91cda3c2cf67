"""When a study ends before its last trial."""

from __future__ import annotations

import datetime

import pytest

from trainer.launch.study.parameter import Kind, Parameter
from trainer.launch.study.stopping import StudyStopping
from trainer.launch.study.study import Goal, Study
from trainer.launch.sweep import limits
from trainer.launch.sweep.trial_records import Outcome, TrialRecord

X = Parameter(name="x", kind=Kind.DOUBLE, minimum=0.0, maximum=1.0)
START = 1_000_000.0


def study(stopping: StudyStopping | None = None, **counts: int) -> Study:
    return Study(goal=Goal.MINIMIZE, metric="m", parameters=(X,), study_stopping=stopping, **counts)


def trial(number: int, value: float | None) -> TrialRecord:
    """A trial of a second, the first of which starts at START."""
    outcome = Outcome.FAILED if value is None else Outcome.DONE
    return TrialRecord(
        number=number, assignment={}, outcome=outcome, value=value, started_at=START + number - 1, secs=1.0
    )


TRIALS = [trial(1, 3.0), trial(2, 1.0), trial(3, None), trial(4, 2.0)]
NOW = START + 10


def moment(secs: float) -> str:
    return datetime.datetime.fromtimestamp(secs, datetime.UTC).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("stopping", "reached"),
    [
        (StudyStopping(max_num_trials=4), "4 trials"),
        (StudyStopping(max_num_trials=5), None),
        (StudyStopping(max_runtime_secs=10), "10 seconds"),
        (StudyStopping(max_runtime_secs=11), None),
        (StudyStopping(max_num_trials_no_progress=2), "2 trials without progress"),
        (StudyStopping(max_num_trials_no_progress=3), None),
        (StudyStopping(max_secs_no_progress=8), "8 seconds without progress"),
        (StudyStopping(max_secs_no_progress=9), None),
        (StudyStopping(max_num_trials=4, min_num_trials=4), "4 trials"),
        (StudyStopping(max_num_trials=9, max_runtime_secs=1, min_num_trials=5), None),
        (StudyStopping(max_num_trials=4, min_runtime_secs=11), None),
        (StudyStopping(max_num_trials=4, min_end_time=moment(NOW + 1)), None),
        (StudyStopping(max_end_time=moment(NOW)), f"it is past {moment(NOW)}"),
        (StudyStopping(max_end_time=moment(NOW + 1)), None),
    ],
)
def test_a_limit_ends_the_study_unless_it_is_too_early(stopping: StudyStopping, reached: str | None) -> None:
    assert limits.reached(study(stopping), TRIALS, NOW) == reached


def test_without_limits_or_trials_nothing_ends() -> None:
    assert limits.reached(study(), TRIALS, NOW) is None
    assert limits.reached(study(StudyStopping(max_num_trials=1)), [], NOW) is None


@pytest.mark.parametrize(("failed", "trials", "most"), [(2, 20, 2), (0, 20, 10), (0, 2, 3)])
def test_so_many_failures_end_a_study(failed: int, trials: int, most: int) -> None:
    assert limits.most_failures(study(max_failed_trials=failed, max_trials=trials)) == most
