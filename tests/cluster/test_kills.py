"""kill -9 of each process of a job, in the middle, and a pause of all: what goes on, and where the job arrives."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import EVERY, Job, Start
from tests.deadlines import ANSWER_SECS, JOB_SECS
from trainer.launch.cluster.ports import Reservation

pytestmark = pytest.mark.process

IN_FLIGHT = 50
"""Steps of one call, the most that the death of a worker can repeat."""
HEARTBEAT_SECS = 10.0
"""After which TensorFlow takes a process of a synchronous job for lost that it has not heard of."""


def task(directory: Path, steps: int, **flags: Any) -> list[str]:
    chosen = {
        "model": "linear",
        "save_checkpoints_steps": 200,
        "min_eval_frequency": 600,
        "eval_delay_secs": 0,
        "seed": 1,
    }
    return [
        f"--output_dir={directory}/run",
        f"--train_steps={steps}",
        "--exporter=",
        *(f"--{name}={value}" for name, value in (chosen | flags).items()),
    ]


def done(directory: Path) -> dict[str, Any]:
    return json.loads((directory / "run" / "training_done.json").read_text())


def secs(job: Job, event: str) -> float:
    """When the launcher saw something, on its clock."""
    found = re.search(rf"^launch +\| +([\d.]+) s  {event}", job.text, re.MULTILINE)
    assert found, job.text
    return float(found[1])


def assert_quiet(job: Job) -> None:
    """What matters of a lost peer is said in lines of our own."""
    assert "Traceback" not in job.text
    assert not re.search(r"grpc|rendezvous|[EWI]0000", job.text, re.IGNORECASE), job.text


def assert_trained(directory: Path, steps: int, slack: int = 0) -> None:
    record = done(directory)
    assert record["reason"] == "max_steps"
    assert steps <= record["global_step"] <= steps + slack
    assert record["checkpoint"] == f"model.ckpt-{record['global_step']}"
    summary = json.loads((directory / "run" / "summary.json").read_text())
    assert summary["metrics"]["global_step"] == record["global_step"]
    assert summary["metrics"]["rmse"] < 0.2
    assert not (directory / "run" / "failure.json").exists()


def test_a_job_goes_on_when_a_worker_and_the_evaluator_are_killed(start: Start, tmp_path: Path) -> None:
    steps = 2500
    flags = ["--worker=2", "--ps=1", "--evaluator=1"]
    flags_of_task = task(tmp_path, steps, save_checkpoints_steps=250, min_eval_frequency=0)
    job = start(*flags, task=flags_of_task, fresh="chief")  # who notices has to silence its own TensorFlow
    job.until(r"chief:0 .*step \d+/")
    job.kill("worker:1")
    job.until("evaluator:0 .*Evaluated step")
    job.kill("evaluator:0")
    job.until("evaluator:0 restarted")
    job.completes()
    assert_trained(tmp_path, steps, slack=IN_FLIGHT)
    assert "worker:1 restarted" in job.text and not re.search(r"(chief|ps|worker):0 (restarted|was killed)", job.text)
    assert len(re.findall("Worker 1 does not answer", job.text)) == 1
    for lifetime in job.text.split("evaluator:0 restarted"):  # what the kill kept from being recorded is made again
        evaluated = re.findall(r"Evaluated step ([\d,]+)", lifetime)
        assert len(evaluated) == len(set(evaluated))
    evaluated = re.findall(r"Evaluated step ([\d,]+)", job.text)
    assert int(evaluated[-1].replace(",", "")) == done(tmp_path)["global_step"]
    assert_quiet(job)


def test_a_job_goes_on_from_its_last_checkpoint_when_a_ps_and_then_the_chief_are_killed(
    start: Start, tmp_path: Path
) -> None:
    steps = 2000
    job = start("--worker=1", "--ps=1", task=task(tmp_path, steps))
    job.until("chief:0 .*Evaluated step")
    job.kill("ps:0")
    job.until("chief:0 ended with 143")
    assert secs(job, "chief:0 ended with 143") - secs(job, "ps:0 was killed by SIGKILL") < ANSWER_SECS
    gone = [line for line in job.lines("chief:0") if "parameter server" in line]
    assert len(gone) == 1 and "is gone. Start the job again: it resumes from the last checkpoint." in gone[0], gone
    evaluated = job.until(r"chief:0 .*Evaluated step ([\d,]+)")
    assert int(evaluated[1].replace(",", "")) > 200
    job.kill("chief:0")
    job.completes()
    assert_trained(tmp_path, steps)
    assert_quiet(job)


@pytest.mark.parametrize("victim", ["worker:0", "chief:0"])
def test_the_others_of_a_synchronous_job_wait_for_one_that_is_killed(start: Start, tmp_path: Path, victim: str) -> None:
    steps = 3000
    job = start("--worker=1", task=task(tmp_path, steps, save_checkpoints_steps=1000))
    job.until("chief:0 .*Evaluated step 1,000")
    for file in (tmp_path / "run").glob("model.ckpt-*"):  # no process can go on from what is on disk
        file.unlink()
    job.kill(victim)
    job.completes()
    survivor = "chief:0" if victim == "worker:0" else "worker:0"
    assert re.findall(r"(\S+) restarted", job.text) == [victim]
    said = "\n".join(line.partition(" I ")[2] for line in job.lines(survivor))
    # Said once, but on a machine that stalls for longer than a heartbeat may take: see the test of a suspended one.
    assert "Another process of the synchronous job is gone" in said, said
    assert "Waiting up to 600 s for the process of the job that is gone to be started again." in said
    resumed = re.search(r"^Going on at step (\d+), which processes of the job had in memory\.$", said, re.MULTILINE)
    assert resumed and int(resumed[1]) > 0, said
    assert_trained(tmp_path, steps)
    assert_quiet(job)


def test_a_synchronous_job_goes_on_when_its_machine_was_suspended(start: Start, tmp_path: Path) -> None:
    steps = 3000
    job = start("--worker=1", task=task(tmp_path, steps, save_checkpoints_steps=1000), fresh=EVERY)
    job.until("chief:0 .*Evaluated step 1,000")
    with job.suspended():
        time.sleep(HEARTBEAT_SECS * 1.5)
    job.completes()
    assert "restarted" not in job.text and "was killed" not in job.text
    # Most often each takes the other for lost. They go on at what is in memory or on disk, whichever is newer.
    _, _, after = "\n".join(job.lines("chief:0")).partition("Another process of the synchronous job is gone")
    assert all(int(step.replace(",", "")) > 1000 for step in re.findall(r"step ([\d,]+)/", after)), after
    assert_trained(tmp_path, steps)
    assert_quiet(job)


@pytest.mark.parametrize("peers", [{"ps": 1, "worker": 1}, {"worker": 1}], ids=["ps", "sync"])
def test_a_chief_that_was_killed_after_the_last_step_ends_its_job_without_the_others(
    start: Start, forking_python: Path, tmp_path: Path, peers: dict[str, int]
) -> None:
    flags = task(tmp_path, 200)
    start(*(f"--{name}={count}" for name, count in peers.items()), task=flags).completes()
    (tmp_path / "run" / "summary.json").unlink()  # as where it is killed before it could write it
    with Reservation(1 + len(peers), random.Random()) as held:
        nodes = {name: [address] for name, address in zip(["chief", *peers], held.addresses, strict=True)}
        config = json.dumps({"cluster": nodes, "task": {"type": "chief", "index": 0}})
        argv, environ = (
            [forking_python, "-m", "trainer.task", "--noreport", *flags],
            {**os.environ, "TF_CONFIG": config},
        )
        back = subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=JOB_SECS, check=False)
    assert back.returncode == 0, back.stderr
    assert "Training is skipped: max_steps is 200" in back.stderr
    assert_trained(tmp_path, 200)
