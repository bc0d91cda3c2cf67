"""Forks of the fork server: results of processes of their own, and crashes that hit nobody else."""

from __future__ import annotations

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.deadlines import JOB_SECS
from trainer.launch.cluster import tasks
from trainer.launch.study.parameter import Kind, Parameter
from trainer.launch.study.study import Goal, Study
from trainer.launch.sweep import trials
from trainer.launch.sweep.warm_pool import Ended, Started, TrialProcesses

pytestmark = pytest.mark.process
ROOT = pathlib.Path(__file__).parent.parent
STUDY = Study(
    goal=Goal.MINIMIZE,
    metric="rmse",
    parameters=(Parameter(name="lstm_units", kind=Kind.INTEGER, minimum=1, maximum=9),),
)
TASK = ["--model=linear", "--train_steps=40", "--train_batch_size=20", "--exporter=", "--noreport"]


def environment() -> dict[str, str]:
    return tasks.environment({**os.environ, "PYTHONPATH": str(ROOT)}, threads=1)


@pytest.fixture
def environ() -> dict[str, str]:
    return environment()


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrialProcesses]:
    """One server, since it takes seconds to start; each test hears of all ends of its own trials."""
    log = tmp_path_factory.mktemp("server") / "warm.log"
    with TrialProcesses("trainer.task", environment(), log, fresh=False) as opened:
        yield opened


def plan(directory: pathlib.Path, number: int, environ: Mapping[str, str], *more: str) -> trials.Plan:
    return trials.plan(STUDY, number, {"lstm_units": 2}, [*TASK, *more], directory, environ)


def ends(processes: TrialProcesses, *plans: trials.Plan) -> dict[str, int]:
    """Exit codes by name, once all of these have ended."""
    for entry in plans:
        processes.start(entry.name, entry.argv, entry.environ, entry.log)
    codes: dict[str, int] = {}
    deadline = time.monotonic() + JOB_SECS
    while not {entry.name for entry in plans} <= set(codes):
        assert time.monotonic() < deadline
        for event in processes.events(1.0):
            if isinstance(event, Ended):
                codes[event.name] = event.code
    return codes


def metrics(entry: trials.Plan) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((entry.folder / "summary.json").read_text())["metrics"]
    return values


def test_a_fork_gives_what_a_process_of_its_own_gives(
    processes: TrialProcesses, tmp_path: pathlib.Path, environ: dict[str, str]
) -> None:
    forked = [plan(tmp_path / "forked", number, environ, "--seed=4", "--model=dnn") for number in (1, 2)]
    alone = plan(tmp_path / "alone", 1, environ, "--seed=4", "--model=dnn")
    assert ends(processes, *forked) == {"1": 0, "2": 0}, forked[0].log.read_text()
    command = [sys.executable, "-m", "trainer.task", *alone.argv]
    subprocess.run(command, env=dict(alone.environ), check=True, capture_output=True, timeout=JOB_SECS)
    assert metrics(forked[0]) == metrics(forked[1]) == metrics(alone)
    assert forked[0].metrics.read_text().count("\n") == 1


def test_forks_without_a_seed_have_randomness_of_their_own(
    processes: TrialProcesses, tmp_path: pathlib.Path, environ: dict[str, str]
) -> None:
    forked = [plan(tmp_path, number, environ) for number in (1, 2)]
    assert ends(processes, *forked) == {"1": 0, "2": 0}
    assert metrics(forked[0])["rmse"] != metrics(forked[1])["rmse"]


def test_a_fork_that_is_killed_leaves_the_others_alone(
    processes: TrialProcesses, tmp_path: pathlib.Path, environ: dict[str, str]
) -> None:
    first, second = (plan(tmp_path, number, environ) for number in (1, 2))
    processes.start(first.name, first.argv, first.environ, first.log)
    while not any(isinstance(event, Started) for event in processes.events(1.0)):
        pass
    processes.kill(first.name)
    assert ends(processes, second) == {"1": 137, "2": 0}


def test_a_wrong_flag_ends_a_fork_with_2_and_its_log_says_why(
    processes: TrialProcesses, tmp_path: pathlib.Path, environ: dict[str, str]
) -> None:
    wrong = plan(tmp_path, 1, environ, "--train_steps=x")
    assert ends(processes, wrong) == {"1": 2}
    assert "trainer.task: --train_steps=x. Accepted: a whole number" in wrong.log.read_text()


def test_a_killed_study_of_real_trials_resumes_from_their_checkpoints(
    tmp_path: pathlib.Path, environ: dict[str, str]
) -> None:
    (tmp_path / "study.yaml").write_text(
        "trainingInput: {hyperparameters: {goal: MINIMIZE, hyperparameterMetricTag: rmse, maxTrials: 2, params: "
        "[{parameterName: learning_rate, type: DOUBLE, minValue: 0.001, maxValue: 0.1, scaleType: UNIT_LOG_SCALE}]}}"
    )
    flags = ["--config=study.yaml", "--output_dir=study", "--seed=3", "--"]
    # So many saves and evaluations that the kill comes between them.
    task = [
        *("--model=linear", "--train_steps=100", "--train_batch_size=20", "--save_checkpoints_steps=10"),
        *("--min_eval_frequency=0", "--noreport"),
    ]
    command = [sys.executable, "-m", "trainer.launch", "sweep", *flags, *task, "--exporter=final"]
    first = subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    watchdog = threading.Timer(JOB_SECS, first.kill)
    watchdog.start()
    reported = tmp_path / "study" / "1" / trials.METRICS
    while first.poll() is None and not reported.exists():
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    watchdog.cancel()
    begun = reported.read_text().splitlines()
    assert begun and not (tmp_path / "study" / "1" / "summary.json").exists()
    second = subprocess.run(
        command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=JOB_SECS, check=False
    )
    assert second.returncode == 0, second.stdout + second.stderr
    assert "continuing: 0 of 2 trials have ended; resuming trial 1" in second.stdout
    lines = reported.read_text().splitlines()
    assert lines[: len(begun)] == begun
    steps = [int(json.loads(line)["global_step"]) for line in lines]
    assert steps == sorted(set(steps)) and steps[-1] == 100
    best = re.search(r"best +trial (\d)", second.stdout)
    assert best and f"study/{best[1]}/export/final/" in second.stdout
