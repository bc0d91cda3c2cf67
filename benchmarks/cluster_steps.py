"""Steps per second of the course's job on a parameter-server cluster, beside tf.estimator 2.15 under the same one.

    python -m benchmarks.cluster_steps [--reference_python=PYTHON_WITH_2.15] [--rounds=2]

A chief, a worker and a parameter server, a process each, on loopback. tf.estimator's chief trains too; ours only
coordinates. The rate is that of the second half of a run, between two checkpoints.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence

from benchmarks import environments
from benchmarks.sines import waves, write_csv

JOBS = {"chief": 1, "worker": 1, "ps": 1}
PATIENCE_SECS = 300
WORKLOADS = {"LSTM(3), batch 20": (3, 20, 4_000), "LSTM(128), batch 256": (128, 256, 400)}


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
                env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": os.getcwd(), **environ},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            started[job].append(process)
        yield started
    finally:
        for process in (process for processes in started.values() for process in processes):
            process.kill()
            process.wait()


def rate(python: str, csv: str, workload: tuple[int, int, int], push_every: int) -> float:
    """Steps per second between the checkpoint in the middle and the one at the end."""
    size, batch_size, steps = workload
    steps *= min(push_every, 10)
    with tempfile.TemporaryDirectory() as home:
        arguments = [f"--model_dir={home}", f"--csv={csv}", f"--steps={steps}", f"--size={size}"]
        arguments += [f"--batch_size={batch_size}", f"--push_every={push_every}"]
        with cluster(python, arguments) as processes:
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference_python", help="an interpreter that has tensorflow-cpu==2.15.1")
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        python = environments.interpreter("reference", args.reference_python)
        csv = pathlib.Path(home, "train.csv")
        write_csv(csv, waves(20_000, 1))
        print("| job | tf.estimator 2.15 | `push_every=1` | × | `push_every=100` | × |\n|---|---|---|---|---|---|")
        for name, workload in WORKLOADS.items():
            rounds = [
                (
                    rate(python, str(csv), workload, 1),
                    rate(sys.executable, str(csv), workload, 1),
                    rate(sys.executable, str(csv), workload, 100),
                )
                for _ in range(args.rounds)
            ]
            theirs, ours, downpour = (statistics.median(column) for column in zip(*rounds, strict=True))
            figures = f"{theirs:,.0f} | {ours:,.0f} | {ours / theirs:.1f} | {downpour:,.0f} | {downpour / theirs:.1f}"
            print(f"| {name} | {figures} |")


if __name__ == "__main__":
    main()
