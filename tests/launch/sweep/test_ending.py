"""When a study starts no more trials, and its exit code."""

from __future__ import annotations

import io

import pytest

from trainer.launch.study.parameter import Kind, Parameter
from trainer.launch.study.stopping import StudyStopping
from trainer.launch.study.study import Goal, Study
from trainer.launch.sweep import warm_pool
from trainer.launch.sweep.console import Lines
from trainer.launch.sweep.ending import Ending
from trainer.launch.sweep.narration import Narration
from trainer.launch.sweep.options import SweepOptions
from trainer.launch.sweep.trial_records import Outcome, TrialRecord
from trainer.launch.sweep.trial_runs import TrialRuns

X = Parameter(name="x", kind=Kind.DOUBLE, minimum=0.0, maximum=1.0)
STUDY = Study(
    goal=Goal.MINIMIZE,
    metric="m",
    parameters=(X,),
    max_trials=9,
    max_failed_trials=2,
    study_stopping=StudyStopping(max_num_trials=3),
)
FAILED = TrialRecord(number=1, assignment={}, outcome=Outcome.FAILED, started_at=0.0, secs=1.0)
DONE = TrialRecord(number=2, assignment={}, outcome=Outcome.DONE, value=0.5, started_at=0.0, secs=1.0)


def no_processes() -> warm_pool.TrialProcesses:
    raise AssertionError("no process is needed to decide")


@pytest.mark.parametrize(
    ("reason", "records", "code", "says"),
    [
        (None, [FAILED, DONE], None, ""),
        (None, [FAILED, FAILED], 1, "2 trials have failed; 2 end the study"),
        (None, [DONE, DONE, FAILED], 0, "the study has reached its limit: 3 trials"),
        ("SIGTERM", [DONE], 143, "SIGTERM: running trials save and end"),
        ("SIGTERM", [FAILED, FAILED], 143, "SIGTERM: running trials save and end"),
    ],
)
def test_a_study_ends_on_a_signal_on_failures_and_on_its_limits(
    reason: str | None, records: list[TrialRecord], code: int | None, says: str
) -> None:
    stream = io.StringIO()
    runs = TrialRuns(SweepOptions(output_dir="x"), no_processes)
    ending = Ending(STUDY, runs, Narration(STUDY, Lines(stream), 3))
    if reason:
        ending.request(reason)
    for _ in range(2):
        ending.check(records)
    assert ending.is_decided == (code is not None)
    assert stream.getvalue().count("\n") == bool(says) and says in stream.getvalue()
    assert ending.exit_code(records) == (code or 0)


def test_a_study_without_a_result_has_failed() -> None:
    stream = io.StringIO()
    ending = Ending(STUDY, TrialRuns(SweepOptions(output_dir="x"), no_processes), Narration(STUDY, Lines(stream), 3))
    ending.check([FAILED])
    assert not ending.is_decided and ending.exit_code([FAILED]) == 1
    assert "no trial has a result" in stream.getvalue()


def test_later_requests_say_how_long_trials_may_take_to_save() -> None:
    shown = io.StringIO()
    narration = Narration(STUDY, Lines(shown), 3)
    ending = Ending(STUDY, TrialRuns(SweepOptions(output_dir="study"), no_processes), narration)
    for requests in (0, 1, 2, 2):
        ending.repeated(requests, 30.0)
    assert shown.getvalue().count("trials are saving, for 30 s at most") == 1
