"""One trial: its process, and what its end means."""

from __future__ import annotations

import json
import math
import pathlib

import pytest

from trainer.job import layout
from trainer.launch.study.study import Goal, Kind, Measurement, Parameter, Study
from trainer.launch.sweep import trials
from trainer.launch.sweep.evaluations import Evaluation
from trainer.launch.sweep.optimiser import Outcome, Result
from trainer.launch.sweep.trials import Cause, End, Verdict

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


def judged(end: End, *, told: bool = True, measurement: Measurement = Measurement.LAST) -> Result | Verdict:
    study = Study(goal=STUDY.goal, metric=STUDY.metric, parameters=STUDY.parameters, measurement=measurement)
    return trials.judge(study, end, max_restarts=2, nothing_reported_yet=not told)


def test_a_trial_that_ends_well_has_its_last_or_best_value() -> None:
    end = End(code=0, reported=REPORTED)
    assert judged(end) == Result(outcome=Outcome.DONE, value=0.7, evaluations=tuple(REPORTED))
    best = judged(end, measurement=Measurement.BEST)
    assert isinstance(best, Result) and best.value == 0.5


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (End(code=0, reported=[]), "it ended with 0 and reported no rmse"),
        (
            End(code=0, reported=[*REPORTED, Evaluation(step=30, value=math.nan, secs=3.0)]),
            "rmse is nan at step 30",
        ),
        (End(code=0, reported=[Evaluation(step=3, value=math.inf, secs=0.0)]), "rmse is inf at step 3"),
        (End(code=1, reported=REPORTED, log_tail=["a", "ValueError: b"]), "it ended with 1: ValueError: b"),
        (End(code=1, reported=[]), "it ended with 1, and its log is empty"),
        (End(code=139, reported=[], log_tail=["x"]), "it was killed by SIGSEGV: x"),
        (End(code=137, reported=[], log_tail=["x"]), "it was killed by SIGKILL: x"),
        (End(code=2, reported=[], log_tail=["trainer.task: bad."]), "it ended with 2: trainer.task: bad."),
        (End(code=143, reported=[], restarts=2, log_tail=["saved"]), "it ended with 143: saved"),
        (End(code=0, reported=REPORTED, cause=Cause.TIMEOUT, why="60 s"), "it did not end within 60 s"),
    ],
)
def test_a_trial_that_fails_says_why(end: End, reason: str) -> None:
    found = judged(end)
    assert isinstance(found, Result)
    assert (found.outcome, found.value, found.reason) == (Outcome.FAILED, None, reason)


@pytest.mark.parametrize("code", [0, 143, 137])
def test_a_hopeless_trial_is_stopped_and_keeps_its_value(code: int) -> None:
    found = judged(End(code=code, reported=REPORTED, cause=Cause.HOPELESS, why="no hope"))
    assert found == Result(outcome=Outcome.STOPPED, value=0.7, evaluations=tuple(REPORTED), reason="no hope")


def test_some_ends_are_no_results() -> None:
    assert judged(End(code=143, reported=[], restarts=1)) is Verdict.RESTART
    assert judged(End(code=143, reported=[], cause=Cause.STUDY_ENDS)) is Verdict.LEAVE
    assert judged(End(code=0, reported=REPORTED, cause=Cause.STUDY_ENDS)) is Verdict.LEAVE
    assert judged(End(code=2, reported=[]), told=False) is Verdict.REFUSE
