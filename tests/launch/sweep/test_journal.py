"""The record of a study on disk: what it keeps, who may continue it, and who is kept out."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import subprocess
import sys

import optuna
import pytest

from trainer.job.errors import UsageError
from trainer.launch.study.study import Goal, Kind, MedianStopping, Parameter, Scale, Study
from trainer.launch.sweep import journal
from trainer.launch.sweep.evaluations import Evaluation
from trainer.launch.sweep.journal import Journal
from trainer.launch.sweep.optimiser import Outcome, Result, Suggestion

RATE = Parameter(name="rate", kind=Kind.DOUBLE, minimum=0.001, maximum=0.1, scale=Scale.LOG)
UNITS = Parameter(name="units", kind=Kind.INTEGER, minimum=2, maximum=64)
BATCH = Parameter(name="batch", kind=Kind.DISCRETE, values=(16.0, 32.0))
MODEL = Parameter(name="model", kind=Kind.CATEGORICAL, values=("a", "b"))
LAYERS = Parameter(name="layers", kind=Kind.INTEGER, minimum=1, maximum=3, parent="model", parent_values=("b",))
STUDY = Study(
    goal=Goal.MINIMIZE, metric="rmse", parameters=(RATE, UNITS, BATCH, MODEL, LAYERS), max_trials=5, max_failed_trials=2
)
VALUES = {"rate": 0.01, "units": 8, "batch": 32.0, "model": "a"}
CURVE = (Evaluation(step=10, value=0.5, secs=1.0), Evaluation(step=20, value=0.25, secs=2.0))


def opened(
    directory: pathlib.Path, study: Study = STUDY, argv: tuple[str, ...] = ("--train_steps=5",), seed: int | None = None
) -> Journal:
    return Journal(directory, study, argv, seed, lambda: 77)


def test_trials_come_back_as_they_were_written(tmp_path: pathlib.Path) -> None:
    with opened(tmp_path) as first:
        first.begin(Suggestion(number=1, assignment=VALUES))
        first.begin(Suggestion(number=2, assignment={**VALUES, "model": "b", "layers": 2}))
        first.begin(Suggestion(number=3, assignment=VALUES))
        first.begin(Suggestion(number=4, assignment=VALUES))
        first.report(1, CURVE[:1])
        first.report(1, CURVE)
        first.finish(1, Result(outcome=Outcome.DONE, value=0.25, evaluations=CURVE))
        first.finish(2, Result(outcome=Outcome.FAILED, reason="it crashed"), ["last", "words"])
        first.report(3, CURVE[:1])
        first.finish(3, Result(outcome=Outcome.STOPPED, value=0.5, evaluations=CURVE[:1], reason="no hope"))
        before = first.trials()
    with opened(tmp_path) as second:
        assert second.trials() == before
        assert second.seed == 77
    done, failed, stopped, under_way = before
    assert (done.outcome, done.value, done.evaluations) == (Outcome.DONE, 0.25, CURVE)
    assert done.assignment == VALUES and type(done.assignment["units"]) is int
    assert (failed.outcome, failed.value, failed.reason) == (Outcome.FAILED, None, "it crashed")
    assert failed.log_tail == ("last", "words") and failed.assignment["layers"] == 2
    assert (stopped.outcome, stopped.value, stopped.reason) == (Outcome.STOPPED, 0.5, "no hope")
    assert under_way.outcome is None and under_way.secs is None
    assert done.secs is not None and done.secs >= 0


def test_optuna_and_so_its_dashboard_reads_it(tmp_path: pathlib.Path) -> None:
    with opened(tmp_path) as record:
        record.begin(Suggestion(number=1, assignment=VALUES))
        record.report(1, CURVE)
        record.finish(1, Result(outcome=Outcome.DONE, value=0.25, evaluations=CURVE))
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / journal.FILE))
    (study,) = optuna.get_all_study_summaries(optuna.storages.JournalStorage(backend))
    assert study.best_trial is not None
    assert study.best_trial.params == VALUES and study.best_trial.intermediate_values == {10: 0.5, 20: 0.25}


def test_a_line_that_a_kill_cut_off_is_taken_away(tmp_path: pathlib.Path) -> None:
    with opened(tmp_path) as first:
        first.begin(Suggestion(number=1, assignment=VALUES))
    with (tmp_path / journal.FILE).open("ab") as stream:
        stream.write(b'{"op_code":4,"worker')
    with opened(tmp_path) as second:
        second.begin(Suggestion(number=2, assignment=VALUES))
    with opened(tmp_path) as third:
        assert [trial.number for trial in third.trials()] == [1, 2]


@pytest.mark.parametrize("content", ["garbage", "garbage\n", '{"a": 1}\n', "[1]\n", "1\n", "\n\n"])
def test_a_file_that_is_no_journal_is_left_alone(tmp_path: pathlib.Path, content: str) -> None:
    (tmp_path / journal.FILE).write_text(content)
    with pytest.raises(UsageError, match=r"journal.log:1 is no entry of a sweep's journal\. .* choose another"):
        opened(tmp_path)
    assert (tmp_path / journal.FILE).read_text() == content


def test_a_lock_that_a_kill_left_in_the_log_is_broken(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    directory = pathlib.Path("relative")
    directory.mkdir()
    with opened(directory):
        pass
    path = (directory / journal.FILE).absolute()
    os.symlink(path, f"{path}.lock")
    with opened(directory) as again:
        again.begin(Suggestion(number=1, assignment=VALUES))
        assert len(again.trials()) == 1


def test_a_second_sweep_is_refused_while_the_first_runs(tmp_path: pathlib.Path) -> None:
    with opened(tmp_path), pytest.raises(UsageError) as caught:
        opened(tmp_path)
    assert str(caught.value) == (
        f"Another sweep, process {os.getpid()}, runs in {tmp_path}. One sweep for a directory. "
        "Wait for it, end it, or choose another --output_dir."
    )
    with opened(tmp_path):
        pass


def test_processes_that_hold_the_lock_of_a_dead_sweep_keep_others_out(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "_LEFTOVER_SECS", 0.1)
    with opened(tmp_path) as first:
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[first.lock])
    (tmp_path / ".sweep.lock").write_text("999999999")
    try:
        with pytest.raises(UsageError, match="Processes of an ended sweep still run in .*End them: fuser"):
            opened(tmp_path)
    finally:
        child.communicate(b"\n")
    with opened(tmp_path):
        pass


def test_counts_and_stopping_rules_may_change(tmp_path: pathlib.Path) -> None:
    with opened(tmp_path) as first:
        first.begin(Suggestion(number=1, assignment=VALUES))
        first.finish(1, Result(outcome=Outcome.DONE, value=0.25))
    larger = dataclasses.replace(
        STUDY, max_trials=50, max_parallel_trials=3, max_failed_trials=9, stopping=MedianStopping()
    )
    for study in (larger, STUDY):
        with opened(tmp_path, study) as again:
            assert len(again.trials()) == 1


@pytest.mark.parametrize(
    ("study", "argv", "seed", "difference"),
    [
        ({"goal": Goal.MAXIMIZE}, None, None, "goal: MINIMIZE before, now MAXIMIZE"),
        ({"metric": "mae"}, None, None, "metric: rmse before, now mae"),
        ({"parameters": (RATE, UNITS, BATCH)}, None, None, "model is searched no more; layers is searched no more"),
        (
            {"parameters": (dataclasses.replace(RATE, maximum=0.2), UNITS, BATCH, MODEL, LAYERS)},
            None,
            None,
            "rate.maximum: 0.1 before, now 0.2",
        ),
        ({}, ("--train_steps=6",), None, "flags of the task: --train_steps=5 before, now --train_steps=6"),
        ({}, None, 3, "--seed: 77 before, now 3"),
    ],
)
def test_another_study_is_refused_with_what_differs(
    tmp_path: pathlib.Path, study: dict[str, object], argv: tuple[str, ...] | None, seed: int | None, difference: str
) -> None:
    with opened(tmp_path) as first:
        first.begin(Suggestion(number=1, assignment=VALUES))
        first.finish(1, Result(outcome=Outcome.DONE, value=0.25))
    with pytest.raises(UsageError) as caught:
        opened(tmp_path, dataclasses.replace(STUDY, **study), argv or ("--train_steps=5",), seed)  # type: ignore[arg-type]
    assert f"Another study lies in {tmp_path} ({difference})" in str(caught.value)
    assert "choose another --output_dir" in str(caught.value)
    with opened(tmp_path):
        pass


def test_before_anything_was_reported_the_flags_may_be_corrected(tmp_path: pathlib.Path) -> None:
    with opened(tmp_path) as first:
        first.begin(Suggestion(number=1, assignment=VALUES))
    with opened(tmp_path, argv=("--train_steps=6",)) as again:
        assert again.trials()[0].assignment == VALUES
        again.finish(1, Result(outcome=Outcome.DONE, value=0.25))
    with pytest.raises(UsageError, match="flags of the task: --train_steps=6 before"):
        opened(tmp_path)


def test_importance_needs_a_few_trials_and_tells_what_mattered(tmp_path: pathlib.Path) -> None:
    with opened(tmp_path) as record:
        assert record.importance() == {}
        for number in range(1, 31):
            values = {**VALUES, "rate": 0.001 * number, "units": 2 + number * 7 % 60}
            record.begin(Suggestion(number=number, assignment=values))
            record.finish(number, Result(outcome=Outcome.DONE, value=abs(0.01 - 0.001 * number)))
        found = record.importance()
    assert set(found) >= {"rate", "units"} and found["rate"] > found["units"]
    assert sum(found.values()) == pytest.approx(1)


def test_a_journal_that_ends_anywhere_can_be_continued(tmp_path: pathlib.Path) -> None:
    with opened(tmp_path) as first:
        for number in (1, 2):
            first.begin(Suggestion(number=number, assignment=VALUES))
            first.report(number, CURVE)
            first.finish(number, Result(outcome=Outcome.DONE, value=0.25, evaluations=CURVE))
    content = (tmp_path / journal.FILE).read_bytes()
    for size in range(0, len(content), 97):
        (tmp_path / journal.FILE).write_bytes(content[:size])
        with opened(tmp_path) as again:
            known = again.trials()
            assert [trial.number for trial in known] == list(range(1, len(known) + 1))
            assert all(trial.assignment == VALUES for trial in known)
            again.begin(Suggestion(number=len(known) + 1, assignment=VALUES))
            assert len(again.trials()) == len(known) + 1
