"""The course's job under every strategy: its quality, and what it leaves."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import Job, Start

pytestmark = pytest.mark.process

STEPS = 1500
TASK = [f"--train_steps={STEPS}", "--seed=1", "--min_eval_frequency=0", "--eval_delay_secs=0"]


def record(directory: Path, name: str) -> dict[str, Any]:
    return json.loads((directory / name).read_text())


def assert_complete(directory: Path, job: Job) -> float:
    """One export and one line in the tuner's file for each evaluation, and the records; returns the RMSE."""
    done, summary = record(directory, "training_done.json"), record(directory, "summary.json")
    step = done["global_step"]
    assert done == {"reason": "max_steps", "global_step": step, "checkpoint": f"model.ckpt-{step}"}
    assert step == summary["global_step"] == STEPS
    assert not (directory / "failure.json").exists()
    told = [json.loads(line) for line in (directory.parent / "metrics").read_text().splitlines()]
    assert [line["global_step"] for line in told] == sorted({line["global_step"] for line in told}, key=int)
    assert told[-1]["global_step"] == str(STEPS)
    assert float(told[-1]["rmse"]) == pytest.approx(summary["metrics"]["rmse"], rel=1e-6)
    evaluations = [line for line in job.text.splitlines() if "Evaluated step" in line]
    assert len(evaluations) == len(told) == len(os.listdir(directory / "export" / "latest"))
    assert "restart" not in job.text and "Traceback" not in job.text
    return float(summary["metrics"]["rmse"])


def run(start: Start, directory: Path, *flags: str, task: list[str] = TASK) -> Job:
    metrics = str(directory / "metrics")
    job = start(*flags, task=[f"--output_dir={directory}/run", *task], CLOUD_ML_HP_METRIC_FILE=metrics)
    job.completes()
    return job


def test_parameter_servers_workers_and_an_evaluator_finish_the_course_s_job(start: Start, tmp_path: Path) -> None:
    job = run(start, tmp_path, "--worker=2", "--ps=1", "--evaluator=1")
    assert assert_complete(tmp_path / "run", job) < 0.1
    assert not any("Evaluated step" in line for line in job.lines("chief:0"))
    assert record(tmp_path / "run", "evaluator.json")["final"]


def test_synchronous_workers_finish_the_course_s_job(start: Start, tmp_path: Path) -> None:
    job = run(start, tmp_path, "--worker=1")
    assert assert_complete(tmp_path / "run", job) < 0.1


def test_workers_that_push_seldom_finish_the_course_s_job(start: Start, tmp_path: Path) -> None:
    job = run(start, tmp_path, "--worker=2", "--ps=1", task=[*TASK, "--push_every=20"])
    assert assert_complete(tmp_path / "run", job) < 0.1


@pytest.mark.parametrize("flags", [["--worker=1"], ["--worker=1", "--ps=1"]])
def test_a_keras_model_finishes_under_every_strategy(start: Start, tmp_path: Path, flags: list[str]) -> None:
    job = run(start, tmp_path, *flags, task=[*TASK, "--model=keras_dnn"])
    assert assert_complete(tmp_path / "run", job) < 0.3
