"""What is shown of a study under way."""

from __future__ import annotations

import dataclasses
import io

import pytest
from rich.console import Console

from trainer.launch.study.parameter import Kind, Parameter
from trainer.launch.study.study import Goal, Study
from trainer.launch.sweep import console as sweep_console
from trainer.launch.sweep.evaluations import Evaluation
from trainer.launch.sweep.progress import Progress
from trainer.launch.sweep.trial_records import Outcome, TrialRecord

STUDY = Study(
    goal=Goal.MINIMIZE,
    metric="rmse",
    parameters=(
        Parameter(name="rate", kind=Kind.DOUBLE, minimum=0.0, maximum=1.0),
        Parameter(name="model", kind=Kind.CATEGORICAL, values=("[bold]a", "b")),
    ),
    max_trials=6,
    max_parallel_trials=2,
)


def trial(number: int, outcome: Outcome | None, value: float | None, secs: float | None = 10.0) -> TrialRecord:
    return TrialRecord(
        number=number,
        assignment={"rate": 0.123456, "model": "[bold]a"},
        outcome=outcome,
        value=value,
        evaluations=(Evaluation(step=1000, value=0.75, secs=1.0),),
        started_at=100.0,
        secs=secs,
    )


TRIALS = [
    trial(1, Outcome.DONE, 0.5),
    trial(2, Outcome.FAILED, None),
    trial(3, Outcome.STOPPED, 0.1),
    dataclasses.replace(trial(4, None, None, None), step="1,200/2,000"),
]
PROGRESS = Progress(study=STUDY, trials=TRIALS, now=104.0)


def test_the_headline_counts_and_names_the_best_trial_that_was_trained_to_its_end() -> None:
    assert sweep_console.headline(PROGRESS) == (
        "3 of 6 trials · 1 under way · 1 stopped · 1 failed · best rmse 0.5 (trial 1) · about 13 s left"
    )
    assert sweep_console.headline(Progress(study=STUDY, trials=[], now=0.0)) == "0 of 6 trials · 0 under way"


def test_the_table_has_the_trials_under_way_and_then_the_best() -> None:
    stream = io.StringIO()
    Console(file=stream, width=100).print(sweep_console.table(PROGRESS))
    rows = [line.split() for line in stream.getvalue().splitlines()[1:]]
    assert [row[0] for row in rows] == ["4", "3", "1", "2"]
    assert rows[0] == ["4", "runs", "0.1235", "[bold]a", "1,200/2,000", "0.75", "4.0"]
    assert rows[3] == ["2", "failed", "0.1235", "[bold]a", "1,000", "0.75", "10.0"]


def test_a_table_of_a_hundred_trials_stays_short() -> None:
    many = [trial(number, Outcome.DONE, number / 100) for number in range(1, 101)]
    drawn = sweep_console.table(Progress(study=STUDY, trials=many, now=0.0))
    assert drawn.row_count == 16


@pytest.mark.parametrize(
    ("secs", "text"), [(0.4, "0 s"), (59.4, "59 s"), (60, "1 min 00 s"), (3599, "59 min 59 s"), (7500, "2 h 05 min")]
)
def test_durations_are_for_people(secs: float, text: str) -> None:
    assert sweep_console.duration(secs) == text


def test_the_live_table_says_events_above_itself_and_closes_quietly() -> None:
    stream = io.StringIO()
    view = sweep_console.LiveTable(stream)
    view.show(PROGRESS)
    view.event(1.5, "trial 1 [red] done")
    view.close()
    assert "     1.5 s  trial 1 [red] done" in stream.getvalue()
    assert not view.closed


def test_plain_lines_carry_the_time() -> None:
    stream = io.StringIO()
    view = sweep_console.Lines(stream)
    view.show(PROGRESS)
    view.event(1.5, "trial 1 done")
    view.close()
    assert stream.getvalue() == "launch |    1.5 s  trial 1 done\n"
