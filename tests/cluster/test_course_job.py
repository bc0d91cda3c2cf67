"""The course's job under every strategy: its quality, which is that of one process, and what it leaves.

Plain gradient descent at a rate at which the last steps do not jump: batches of 100 and of 300 examples end within one
per cent of each other in one process, so that five per cent would be a difference that comes from the strategy.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import Job, Start
from tests.deadlines import JOB_SECS
from tests.launched import ROOT
from trainer.formats.settings import ForecastData
from trainer.job import records

pytestmark = pytest.mark.process

STEPS = 400
TASK = [f"--train_steps={STEPS}", "--optimizer=sgd", "--seed=1", "--min_eval_frequency=0", "--eval_delay_secs=0"]
RATES = {"lstm": 0.1, "keras_dnn": 0.02}


def record(directory: Path, name: str) -> dict[str, Any]:
    return records.parsed((directory / name).read_bytes(), name, {})


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


def run(start: Start, directory: Path, *flags: str, task: list[str]) -> Job:
    metrics = str(directory / "metrics")
    job = start(*flags, task=[f"--output_dir={directory}/run", *task], CLOUD_ML_HP_METRIC_FILE=metrics)
    job.completes()
    return job


def task_of(model: str) -> list[str]:
    return [*TASK, f"--model={model}", f"--learning_rate={RATES[model]}"]


@pytest.fixture(scope="module")
def local_rmse(forking_python: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """Of one process, by model."""
    found = {}
    for model in RATES:
        directory = tmp_path_factory.mktemp(model)
        command = [forking_python, "-m", "trainer.task", f"--output_dir={directory}", "--noreport", *task_of(model)]
        subprocess.run(command, cwd=ROOT, capture_output=True, timeout=JOB_SECS, check=True)
        found[model] = float(record(directory, "summary.json")["metrics"]["rmse"])
    return found


@pytest.mark.parametrize(
    ("model", "flags", "batches_per_step"),
    [
        ("lstm", ["--worker=1"], 2),
        ("keras_dnn", ["--worker=2", "--ps=1", "--evaluator=1"], 1),
    ],
)
def test_the_quality_of_every_strategy_is_that_of_one_process(
    start: Start, tmp_path: Path, local_rmse: dict[str, float], model: str, flags: list[str], batches_per_step: int
) -> None:
    job = run(start, tmp_path, *flags, task=task_of(model))
    assert assert_complete(tmp_path / "run", job) == pytest.approx(local_rmse[model], rel=0.05)
    summary = record(tmp_path / "run", "summary.json")
    batch = ForecastData.train_batch_size
    assert summary["examples_per_sec"] == pytest.approx(summary["steps_per_sec"] * batch * batches_per_step)
    if "--evaluator=1" in flags:
        assert not any("Evaluated step" in line for line in job.lines("chief:0"))
        assert record(tmp_path / "run", "evaluator.json")["final"]


def test_workers_that_push_seldom_finish_the_course_s_job(start: Start, tmp_path: Path) -> None:
    task = [*TASK, "--model=linear", "--optimizer=adam", "--learning_rate=0.01", "--push_every=20"]
    job = run(start, tmp_path, "--worker=2", "--ps=1", task=task)
    assert assert_complete(tmp_path / "run", job) < 0.2
