"""The tuner's file as the sweep reads it."""

from __future__ import annotations

import json
import math
import pathlib

import pytest

from trainer.estimator.saving.tuner import TunerFile
from trainer.launch.study.study import Goal, Measurement
from trainer.launch.sweep import evaluations
from trainer.launch.sweep.evaluations import Evaluation


def line(value: object, step: object = "10", trial: str = "3", tag: str = "rmse", timestamp: object = 1060.0) -> str:
    return json.dumps({tag: value, "checkpoint_path": "", "global_step": step, "timestamp": timestamp, "trial": trial})


def read(directory: pathlib.Path, text: str) -> list[Evaluation]:
    path = directory / "output.metrics"
    path.write_text(text)
    return evaluations.read(path, metric="rmse", trial="3", started_at=1000.0)


def test_what_the_trainer_writes_is_read(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "output.metrics"
    tuner = TunerFile(path=str(path), trial="3", tag="rmse", metric="rmse")
    tuner.append(0.25, 100, "a")
    tuner.append(0.125, 200, "b")
    read_back = evaluations.read(path, metric="rmse", trial="3", started_at=0.0)
    assert [(entry.step, entry.value) for entry in read_back] == [(100, 0.25), (200, 0.125)]
    assert read_back[0].secs > 1.6e9


@pytest.mark.parametrize(
    "rubbish",
    [
        "",
        "\n\n",
        '{"rmse": "0.',
        "[1, 2]",
        "null",
        line("0.5", trial="4"),
        line("0.5", tag="mae"),
        line(None),
        line([1]),
        line("0.5", step="x"),
        line("0.5", step="1e999"),
        "\x00\xff",
    ],
)
def test_lines_that_say_nothing_of_this_trial_are_passed_over(tmp_path: pathlib.Path, rubbish: str) -> None:
    assert read(tmp_path, rubbish) == []
    assert len(read(tmp_path, f"{rubbish}\n{line('0.5')}\n")) == 1


def test_of_several_lines_of_a_step_the_last_counts_and_steps_are_in_order(tmp_path: pathlib.Path) -> None:
    kept = read(tmp_path, "\n".join([line("3", step="20"), line("1"), line("2", timestamp=999.0)]))
    assert kept == [Evaluation(step=10, value=2.0, secs=0.0), Evaluation(step=20, value=3.0, secs=60.0)]


def test_no_file_is_no_evaluation(tmp_path: pathlib.Path) -> None:
    assert evaluations.read(tmp_path / "none", metric="rmse", trial="3", started_at=0.0) == []


CURVE = [Evaluation(step=step, value=value, secs=0.0) for step, value in ((1, 3.0), (2, math.nan), (3, 1.0), (4, 2.0))]


@pytest.mark.parametrize(
    ("measurement", "goal", "step"),
    [
        (Measurement.LAST, Goal.MINIMIZE, 4),
        (Measurement.BEST, Goal.MINIMIZE, 3),
        (Measurement.BEST, Goal.MAXIMIZE, 1),
    ],
)
def test_the_result_is_the_last_or_the_best(measurement: Measurement, goal: Goal, step: int) -> None:
    counted = evaluations.result(CURVE, measurement, goal)
    assert counted is not None and counted.step == step
    assert evaluations.result([], measurement, goal) is None


def test_of_nothing_but_nan_the_result_is_nan() -> None:
    counted = evaluations.result(CURVE[1:2], Measurement.BEST, Goal.MINIMIZE)
    assert counted is not None and math.isnan(counted.value)
