"""The record of a study on disk: what it keeps, what Optuna reads in it, and how it is resumed."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from trainer.job.errors import UsageError
from trainer.launch.study.parameter import Assignment, Kind, Parameter, Scale
from trainer.launch.study.stopping import MedianStopping
from trainer.launch.study.study import Algorithm, Goal, Measurement, Study
from trainer.launch.sweep import journal, optuna_output
from trainer.launch.sweep.evaluations import Evaluation
from trainer.launch.sweep.journal import Journal
from trainer.launch.sweep.trial_records import Outcome, Result

RATE = Parameter(name="rate", kind=Kind.DOUBLE, minimum=0.001, maximum=0.1, scale=Scale.LOG)
UNITS = Parameter(name="units", kind=Kind.INTEGER, minimum=2, maximum=64)
BATCH = Parameter(name="batch", kind=Kind.DISCRETE, values=(16.0, 32.0))
MODEL = Parameter(name="model", kind=Kind.CATEGORICAL, values=("a", "b"))
LAYERS = Parameter(name="layers", kind=Kind.INTEGER, minimum=1, maximum=3, parent="model", parent_values=("b",))
STUDY = Study(
    goal=Goal.MINIMIZE, metric="rmse", parameters=(RATE, UNITS, BATCH, MODEL, LAYERS), max_trials=5, max_failed_trials=2
)
CURVE = (Evaluation(step=10, value=0.5, secs=1.0), Evaluation(step=20, value=0.25, secs=2.0))
DONE = Result(outcome=Outcome.DONE, value=0.25, evaluations=CURVE)


def opened(
    directory: pathlib.Path, study: Study = STUDY, argv: tuple[str, ...] = ("--train_steps=5",), seed: int | None = None
) -> Journal:
    return Journal(directory, study, argv, seed, lambda: 77)


def asked(record: Journal, count: int) -> list[Assignment]:
    """Begins so many trials."""
    trials = [record.ask() for _ in range(count)]
    return [trial.assignment for trial in trials if trial is not None]


def loaded(directory: pathlib.Path) -> optuna.Study:
    """The study as Optuna itself reads it."""
    with optuna_output.silenced():
        backend = optuna.storages.journal.JournalFileBackend(str(directory / journal.FILE))
        return optuna.load_study(study_name=None, storage=optuna.storages.JournalStorage(backend))


def test_trials_come_back_as_they_were_written(tmp_path: pathlib.Path) -> None:
    with opened(tmp_path) as first:
        values = asked(first, 4)
        first.report(1, CURVE[:1])
        first.report(1, CURVE)
        first.tell(1, DONE, exit_code=0)
        first.tell(2, Result(outcome=Outcome.FAILED, reason="it crashed"), exit_code=139, log_tail=["last", "words"])
        first.report(3, CURVE[:1])
        first.tell(3, Result(outcome=Outcome.STOPPED, value=0.5, evaluations=CURVE[:1], reason="too slow"))
        before = first.trials()
    with opened(tmp_path) as second:
        assert second.trials() == before
        assert second.seed == 77
    done, failed, stopped, running = before
    assert [trial.assignment for trial in before] == values
    assert (done.outcome, done.value, done.evaluations) == (Outcome.DONE, 0.25, CURVE)
    assert type(done.assignment["units"]) is int and type(done.assignment["batch"]) is float
    assert (failed.outcome, failed.value, failed.reason) == (Outcome.FAILED, None, "it crashed")
    assert failed.log_tail == ("last", "words")
    assert (stopped.outcome, stopped.value, stopped.reason) == (Outcome.STOPPED, 0.5, "too slow")
    assert running.outcome is None and running.secs is None
    assert done.secs is not None and done.secs >= 0


def test_optuna_and_so_its_dashboard_reads_states_values_and_attributes(tmp_path: pathlib.Path) -> None:
    with opened(tmp_path) as record:
        values = asked(record, 4)
        record.report(1, CURVE)
        record.tell(1, DONE, exit_code=0)
        record.tell(2, Result(outcome=Outcome.FAILED, reason="it crashed"), exit_code=139)
        record.report(3, CURVE[:1])
        record.tell(3, Result(outcome=Outcome.STOPPED, value=0.5, reason="too slow"), exit_code=143)
        study = loaded(tmp_path)  # while the sweep runs, as a person looks at it
    states = [TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED, TrialState.RUNNING]
    assert [trial.state for trial in study.trials] == states
    assert [trial.number for trial in study.trials] == [0, 1, 2, 3]
    assert [trial.params for trial in study.trials] == values
    assert [trial.value for trial in study.trials] == [0.25, None, 0.5, None]
    assert study.trials[0].intermediate_values == {10: 0.5, 20: 0.25}
    assert study.direction is optuna.study.StudyDirection.MINIMIZE and study.best_trial.number == 0
    attributes = [trial.user_attrs for trial in study.trials]
    assert [entry["folder"] for entry in attributes] == [str(tmp_path / str(number)) for number in range(1, 5)]
    assert [entry.get("exit_code") for entry in attributes] == [0, 139, 143, None]
    assert [entry.get("reason") for entry in attributes] == [None, "it crashed", "too slow", None]


def test_a_study_to_maximise_is_one_for_optuna(tmp_path: pathlib.Path) -> None:
    with opened(tmp_path, dataclasses.replace(STUDY, goal=Goal.MAXIMIZE)):
        assert loaded(tmp_path).direction is optuna.study.StudyDirection.MAXIMIZE


def test_there_are_no_more_trials_than_combinations(tmp_path: pathlib.Path) -> None:
    with opened(tmp_path, dataclasses.replace(STUDY, parameters=(BATCH,), algorithm=Algorithm.GRID)) as record:
        assert asked(record, 2) == [{"batch": 16.0}, {"batch": 32.0}]
        assert record.ask() is None
        assert len(record.trials()) == 2


def test_a_trial_that_a_person_enqueued_with_optuna_runs_first(tmp_path: pathlib.Path) -> None:
    with opened(tmp_path) as record:
        asked(record, 1)
        with optuna_output.silenced():
            loaded(tmp_path).enqueue_trial({"rate": 0.02, "units": 7})
        assert len(record.trials()) == 1
        second, third = asked(record, 2)
    assert (second["rate"], second["units"]) == (0.02, 7) and set(second) >= {"batch", "model"}
    assert third["rate"] != 0.02


def test_a_resumed_trial_keeps_its_values_and_reports(tmp_path: pathlib.Path) -> None:
    with opened(tmp_path) as first:
        values = asked(first, 1)
        first.report(1, CURVE[:1])
    with opened(tmp_path) as second:
        resumed = second.resume(1)
        assert resumed.assignment == values[0] and resumed.evaluations[0].value == 0.5
        second.report(1, CURVE)
        second.tell(1, DONE, exit_code=0)
        (trial,) = second.trials()
        assert (trial.outcome, trial.evaluations) == (Outcome.DONE, CURVE)
    assert len(loaded(tmp_path).trials) == 1


def test_a_trial_that_is_done_in_the_end_has_no_reason_of_an_earlier_end(tmp_path: pathlib.Path) -> None:
    with opened(tmp_path) as first:
        asked(first, 1)
        first.tell(1, Result(outcome=Outcome.FAILED, reason="it crashed"), log_tail=["last"])
    content = (tmp_path / journal.FILE).read_bytes().splitlines(keepends=True)
    (tmp_path / journal.FILE).write_bytes(b"".join(content[:-1]))  # the kill came just before the last line
    with opened(tmp_path) as second:
        second.resume(1)
        second.tell(1, DONE)
        (trial,) = second.trials()
    assert (trial.outcome, trial.reason, trial.log_tail) == (Outcome.DONE, "", ())


@pytest.mark.parametrize(("measurement", "value"), [(Measurement.LAST, 0.5), (Measurement.BEST, 0.25)])
def test_a_stopped_trial_has_the_value_that_the_study_measures(
    tmp_path: pathlib.Path, measurement: Measurement, value: float
) -> None:
    curve = (*CURVE, Evaluation(step=30, value=0.5, secs=3.0))
    with opened(tmp_path, dataclasses.replace(STUDY, measurement=measurement)) as record:
        asked(record, 1)
        record.report(1, curve)
        record.tell(1, Result(outcome=Outcome.STOPPED, value=value, evaluations=curve, reason="too slow"))
        assert record.trials()[0].value == value


@pytest.mark.parametrize("by_time", [False, True])
def test_a_trial_is_pruned_by_the_rule_of_the_study(tmp_path: pathlib.Path, by_time: bool) -> None:
    rule = MedianStopping(use_elapsed_duration=by_time)
    with opened(tmp_path, dataclasses.replace(STUDY, stopping=rule)) as record:
        asked(record, 5)
        bad = [Evaluation(step=15, value=9.0, secs=5.0)]
        for number in (1, 2, 3):
            record.report(number, CURVE)
            assert record.reason_to_prune(number) is None
            record.tell(number, DONE)
        record.report(4, bad)
        assert record.reason_to_prune(4) == "its best is worse than the median of 3 trials"
        record.report(5, [Evaluation(step=15, value=0.3, secs=5.0)])
        assert record.reason_to_prune(5) is None


def test_without_a_stopping_rule_no_trial_is_pruned(tmp_path: pathlib.Path) -> None:
    with opened(tmp_path) as record:
        asked(record, 4)
        for number in (1, 2, 3):
            record.report(number, CURVE)
            record.tell(number, DONE)
        record.report(4, [Evaluation(step=20, value=9.0, secs=1.0)])
        assert record.reason_to_prune(4) is None


def test_counts_and_stopping_rules_may_change(tmp_path: pathlib.Path) -> None:
    with opened(tmp_path) as first:
        asked(first, 1)
        first.tell(1, DONE)
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
        (
            {"parameters": (RATE, UNITS, BATCH)},
            None,
            None,
            "model is no longer searched; layers is no longer searched",
        ),
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
    tmp_path: pathlib.Path, study: dict[str, Any], argv: tuple[str, ...] | None, seed: int | None, difference: str
) -> None:
    with opened(tmp_path) as first:
        asked(first, 1)
        first.tell(1, DONE)
    with pytest.raises(UsageError) as caught:
        opened(tmp_path, dataclasses.replace(STUDY, **study), argv or ("--train_steps=5",), seed)
    assert f"{tmp_path} holds another study ({difference})" in str(caught.value)
    assert "choose another --output_dir" in str(caught.value)
    with opened(tmp_path):
        pass


def test_before_anything_was_reported_the_flags_may_be_corrected(tmp_path: pathlib.Path) -> None:
    with opened(tmp_path) as first:
        values = asked(first, 1)
    with opened(tmp_path, argv=("--train_steps=6",)) as again:
        assert again.resume(1).assignment == values[0]
        again.tell(1, DONE)
    with pytest.raises(UsageError, match="flags of the task: --train_steps=6 before"):
        opened(tmp_path)


def test_importance_needs_a_few_trials_and_tells_what_mattered(tmp_path: pathlib.Path) -> None:
    with opened(tmp_path, dataclasses.replace(STUDY, algorithm=Algorithm.RANDOM)) as record:
        assert record.importance() == {}
        for number in range(1, 31):
            (values,) = asked(record, 1)
            record.tell(number, Result(outcome=Outcome.DONE, value=abs(0.01 - float(values["rate"]))))
        importance = record.importance()
    assert set(importance) >= {"rate", "units"} and importance["rate"] > importance["units"]
    assert sum(importance.values()) == pytest.approx(1)


def test_a_journal_that_ends_anywhere_can_be_continued_with_the_same_values(tmp_path: pathlib.Path) -> None:
    with opened(tmp_path) as first:
        values = []
        for number in (1, 2):
            values += asked(first, 1)
            first.report(number, CURVE)
            first.tell(number, DONE)
        values += asked(first, 1)
    content = (tmp_path / journal.FILE).read_bytes()
    for size in range(0, len(content), 251):
        (tmp_path / journal.FILE).write_bytes(content[:size])
        with opened(tmp_path) as again:
            known = again.trials()
            assert [trial.number for trial in known] == list(range(1, len(known) + 1))
            for trial in known:
                assert trial.outcome or again.resume(trial.number).assignment == values[trial.number - 1]
            asked(again, 3 - len(known))
            assert [trial.assignment for trial in again.trials()] == values


def test_a_study_in_the_earlier_format_is_continued(tmp_path: pathlib.Path) -> None:
    """It entered each trial in one line, and nothing of folders and exit codes."""
    source = pathlib.Path(__file__).with_name("earlier_format.journal")
    (tmp_path / journal.FILE).write_bytes(source.read_bytes())
    x = Parameter(name="x", kind=Kind.DOUBLE, minimum=0.0, maximum=1.0)
    study = Study(goal=Goal.MINIMIZE, metric="cost", parameters=(x,), max_trials=8, max_parallel_trials=2)
    with opened(tmp_path, study, argv=("--acts=2:exit:7,4:hang",), seed=1) as record:
        before = record.trials()
        done, failed = Outcome.DONE, Outcome.FAILED
        assert [trial.outcome for trial in before] == [done, failed, done, None, done, done]
        assert before[1].reason == "it ended with 7: fake_trial: bad luck 7" and len(before[2].evaluations) == 3
        assert record.resume(4).assignment == before[3].assignment
        record.tell(4, DONE, exit_code=0)
        assert len(asked(record, 1)) == 1
    trials = loaded(tmp_path).trials
    assert [trial.number for trial in trials] == list(range(7))
    assert trials[3].user_attrs["folder"] == str(tmp_path / "4")
