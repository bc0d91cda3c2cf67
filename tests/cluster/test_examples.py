"""Every example is short, and runs as its first lines say: alone, on workers in step, and on parameter servers."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import Start
from tests.deadlines import JOB_SECS
from tests.launched import ROOT

pytestmark = pytest.mark.process

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
BETTER_THAN = {
    "classification": ("accuracy", 0.8),
    "images": ("accuracy", 0.6),
    "paper": ("rmse", 0.2),
    "text": ("accuracy", 0.7),
    "wide_and_deep": ("accuracy", 0.7),
}
STEPS = {"classification": 100, "images": 220, "paper": 100, "text": 100, "wide_and_deep": 100}
"""Enough to be better than that, and no more: on a cluster they cost."""
every_example = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)


def task_of(path: Path, directory: Path) -> list[str]:
    """Its own command, with a directory of the test's and fewer steps."""
    command = next(re.finditer(r"python -m trainer.task (.*)", path.read_text()))[1].split()
    kept = [flag for flag in command if flag.startswith(("--problem=", "--exporter="))]
    return [*kept, f"--output_dir={directory}", f"--train_steps={STEPS[path.stem]}", "--seed=1", "--eval_delay_secs=0"]


def check(path: Path, directory: Path) -> None:
    summary: dict[str, Any] = json.loads((directory / "summary.json").read_text())
    metric, limit = BETTER_THAN[path.stem]
    value = summary["metrics"][metric]
    assert value < limit if metric == "rmse" else value > limit, summary["metrics"]
    assert summary["export_dir"] is not None
    assert all(name.startswith(tuple(f"{each}_" for each in summary["metrics"])) for name in summary["baselines"])


@every_example
def test_an_example_is_one_short_file(path: Path) -> None:
    assert 30 <= len(path.read_text().splitlines()) <= 80


@every_example
def test_an_example_runs_in_one_process(path: Path, forking_python: Path, tmp_path: Path) -> None:
    drawn = "--report" if "plots=" in path.read_text() else "--noreport"
    command = [forking_python, "-m", "trainer.task", drawn, *task_of(path, tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=JOB_SECS, check=False)
    assert done.returncode == 0, done.stderr
    check(path, tmp_path)
    assert f"this run ({path.stem})" in done.stdout
    assert (tmp_path / "report.html").exists() == (drawn == "--report"), done.stderr


@pytest.mark.parametrize("peers", ["sync", "ps"])
@every_example
def test_an_example_runs_on_a_cluster(path: Path, peers: str, start: Start, tmp_path: Path) -> None:
    shape = ["--worker=1"]
    if peers == "ps":  # how many workers there are, and who evaluates, does not depend on the example
        shape = ["--worker=2", "--ps=1", "--evaluator=1"] if path.stem == "classification" else [*shape, "--ps=1"]
    start(*shape, task=task_of(path, tmp_path)).completes()
    check(path, tmp_path)
