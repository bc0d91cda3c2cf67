"""The processes of a job on this machine, on loopback, in tf.estimator or in ours; and how fast they train."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence

ROOT = pathlib.Path(__file__).resolve().parents[1]
JOBS = {"chief": 1, "worker": 1, "ps": 1}
PATIENCE_SECS = 600


def addresses(jobs: Mapping[str, int]) -> dict[str, list[str]]:
    """Free loopback addresses, as many for each job as it has processes."""
    with contextlib.ExitStack() as stack:
        ends = {job: [stack.enter_context(socket.socket()) for _ in range(count)] for job, count in jobs.items()}
        for end in (end for ends in ends.values() for end in ends):
            end.bind(("127.0.0.1", 0))
        return {job: [f"127.0.0.1:{end.getsockname()[1]}" for end in ends] for job, ends in ends.items() if ends}


@contextlib.contextmanager
def cluster(
    python: str, arguments: Sequence[str], jobs: Mapping[str, int] = JOBS
) -> Iterator[dict[str, list[subprocess.Popen[bytes]]]]:
    """The processes of a job, handed out by task type; all are ended at the close."""
    spec, command = addresses(jobs), [python, "-m", "benchmarks.cluster_member", *arguments]
    started: dict[str, list[subprocess.Popen[bytes]]] = {job: [] for job in spec}
    try:
        for job, index in ((job, index) for job, ends in spec.items() for index in range(len(ends))):
            environ = {"TF_CONFIG": json.dumps({"cluster": spec, "task": {"type": job, "index": index}})}
            process = subprocess.Popen(
                command,
                env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT), **environ},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            started[job].append(process)
        yield started
    finally:
        for process in (process for processes in started.values() for process in processes):
            process.kill()
            process.wait()


def rate(
    python: str, csv: str, workload: tuple[int, int, int], push_every: int = 1, jobs: Mapping[str, int] = JOBS
) -> float:
    """Steps per second between the checkpoint in the middle and the one at the end.

    Args:
      python: the interpreter that has the package.
      csv: of sequences.
      workload: units of the LSTM, the size of a batch, and steps.
      push_every: steps between two pushes to the parameter servers, for ours.
      jobs: how many processes have which task.
    """
    size, batch_size, steps = workload
    with tempfile.TemporaryDirectory() as home:
        arguments = [f"--model_dir={home}", f"--csv={csv}", f"--steps={steps}", f"--size={size}"]
        arguments += [f"--batch_size={batch_size}", f"--push_every={push_every}"]
        with cluster(python, arguments, jobs) as processes:
            chief = processes["chief"][0]
            deadline = time.time() + PATIENCE_SECS
            while len(saved := saves(home)) < 3 or saved[-1][0] < steps:
                if chief.poll() or time.time() > deadline:
                    raise RuntimeError(f"The chief of {python} ended with {chief.poll()}, with checkpoints at {saved}")
                time.sleep(0.1)
        (first, began), (last, ended) = saved[-2:]
        return (last - first) / (ended - began)


def saves(home: str) -> list[tuple[int, float]]:
    """Steps of the checkpoints so far, and when they were written."""
    files = pathlib.Path(home).glob("model.ckpt-*.index")
    return sorted((int(file.stem.split("-")[1]), file.stat().st_mtime) for file in files)
