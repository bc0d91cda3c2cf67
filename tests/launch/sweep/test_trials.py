"""One trial: its process, and what its exit means."""

from __future__ import annotations

import json
import math
import pathlib

import pytest

from trainer.job import layout
from trainer.launch.study.parameter import Kind, Parameter
from trainer.launch.study.study import Goal, Measurement, Study
from trainer.launch.sweep import trials
from trainer.launch.sweep.evaluations import Evaluation
from trainer.launch.sweep.trial_records import Outcome, Result
from trainer.launch.sweep.trials import Cause, Exit, ExitAction

STUDY = Study(
    goal=Goal.MINIMIZE,
    metric="rmse",
    parameters=(
        Parameter(name="first_layer_size", spelled="first-layer-size", kind=Kind.INTEGER, minimum=1, maximum=256),
        Parameter(name="train_batch_size", kind=Kind.DISCRETE, values=(64.0, 128.0)),
        Parameter(name="optimizer", kind=Kind.CATEGORICAL, values=("adam", "sgd")),
    ),
)
REPORTED = [Evaluation(step=10, value=0.5, secs=1.0), Evaluation(step=20, value=0.7, secs=2.0)]


def test_a_trial_is_started_as_a_cloud_starts_it(tmp_path: pathlib.Path) -> None:
    values = {"first_layer_size": 8, "train_batch_size": 128.0, "optimizer": "sgd"}
    plan = trials.plan(STUDY, 7, values, ["--train_steps=5"], tmp_path, {"PATH": "/bin", "TF_CONFIG": "old"})
    assert plan.argv == (
        f"--output_dir={tmp_path}",
        "--train_steps=5",
        "--first-layer-size=8",
        "--train_batch_size=128",
        "--optimizer=sgd",
    )
    assert plan.environ["CLOUD_ML_TRIAL_ID"] == "7"
    assert plan.environ["CLOUD_ML_HP_METRIC_TAG"] == "rmse"
    assert plan.environ["PATH"] == "/bin"
    assert json.loads(plan.environ["TF_CONFIG"])["task"]["trial"] == "7"
    assert layout.from_environment(str(tmp_path), plan.environ).root == str(plan.folder)
    assert plan.environ["CLOUD_ML_HP_METRIC_FILE"] == str(plan.metrics)
    assert plan.log.parent == plan.metrics.parent == plan.folder


def classified(end: Exit, *, reported: bool = True, measurement: Measurement = Measurement.LAST) -> Result | ExitAction:
    study = Study(goal=STUDY.goal, metric=STUDY.metric, parameters=STUDY.parameters, measurement=measurement)
    return trials.classify_exit(study, end, max_restarts=2, nothing_reported_yet=not reported)


def test_a_trial_that_ends_well_has_its_last_or_best_value() -> None:
    end = Exit(code=0, reported=REPORTED)
    assert classified(end) == Result(outcome=Outcome.DONE, value=0.7, evaluations=tuple(REPORTED))
    best = classified(end, measurement=Measurement.BEST)
    assert isinstance(best, Result) and best.value == 0.5


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (Exit(code=0, reported=[]), "it ended with 0 and reported no rmse"),
        (
            Exit(code=0, reported=[*REPORTED, Evaluation(step=30, value=math.nan, secs=3.0)]),
            "rmse is nan at step 30",
        ),
        (Exit(code=0, reported=[Evaluation(step=3, value=math.inf, secs=0.0)]), "rmse is inf at step 3"),
        (Exit(code=1, reported=REPORTED, log_tail=["a", "ValueError: b"]), "it ended with 1: ValueError: b"),
        (Exit(code=1, reported=[]), "it ended with 1, and its log is empty"),
        (Exit(code=139, reported=[], log_tail=["x"]), "it was killed by SIGSEGV: x"),
        (Exit(code=137, reported=[], log_tail=["x"]), "it was killed by SIGKILL: x"),
        (Exit(code=2, reported=[], log_tail=["trainer.task: bad."]), "it ended with 2: trainer.task: bad."),
        (Exit(code=143, reported=[], restarts=2, log_tail=["saved"]), "it ended with 143: saved"),
        (Exit(code=0, reported=REPORTED, cause=Cause.TIMEOUT, why="60 s"), "it did not end within 60 s"),
    ],
)
def test_a_trial_that_fails_says_why(end: Exit, reason: str) -> None:
    result = classified(end)
    assert isinstance(result, Result)
    assert (result.outcome, result.value, result.reason) == (Outcome.FAILED, None, reason)


@pytest.mark.parametrize("code", [0, 143, 137])
def test_a_pruned_trial_is_stopped_and_keeps_its_value(code: int) -> None:
    result = classified(Exit(code=code, reported=REPORTED, cause=Cause.PRUNED, why="no hope"))
    assert result == Result(outcome=Outcome.STOPPED, value=0.7, evaluations=tuple(REPORTED), reason="no hope")


def test_some_exits_are_not_results() -> None:
    assert classified(Exit(code=143, reported=[], restarts=1)) is ExitAction.RESTART
    assert classified(Exit(code=143, reported=[], cause=Cause.STUDY_ENDS)) is ExitAction.SUSPEND
    assert classified(Exit(code=0, reported=REPORTED, cause=Cause.STUDY_ENDS)) is ExitAction.SUSPEND
    assert classified(Exit(code=2, reported=[]), reported=False) is ExitAction.REFUSE
