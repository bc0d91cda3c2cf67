"""Jobs of several processes on this machine: parameter servers, and training in step."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from benchmarks import cluster_processes
from benchmarks.race.contenders.task import Figures, Task


def parameter_servers(task: Task) -> Figures:
    """A chief, a worker and a parameter server of the package that this interpreter has."""
    size = task["units"], task["batch_size"], task["steps"]
    jobs = {"chief": 1, "worker": task["workers"], "ps": 1}
    return Figures(rate=cluster_processes.rate(sys.executable, task["csv"], size, task.get("push_every", 1), jobs))


def in_step(task: Task) -> Figures:
    """A chief and workers that train in step."""
    size = task["units"], task["batch_size"], task["steps"]
    jobs = {"chief": 1, "worker": task["workers"]}
    return Figures(rate=cluster_processes.rate(sys.executable, task["csv"], size, 1, jobs))


def sums(task: Task) -> Figures:
    """Two processes that exchange what the LSTM's gradients are, and nothing else: see `benchmarks.bare_sums`."""
    units = task["units"]
    # The kernels of one input and of the state, the bias; the output layer; and the number of examples.
    values = 4 * units * (1 + units + 1) + (units + 1) + 1
    spec = {"worker": cluster_processes.addresses({"worker": 2})["worker"]}
    command = [sys.executable, "-m", "benchmarks.bare_sums", task["kind"], str(values), str(task["steps"])]
    processes = [
        subprocess.Popen(
            command,
            env={**os.environ, "TF_CONFIG": json.dumps({"cluster": spec, "task": {"type": "worker", "index": index}})},
            stdout=subprocess.PIPE,
            text=True,
        )
        for index in range(2)
    ]
    said = [process.communicate()[0] for process in processes]
    return Figures(rate=float(said[0].split()[-1]))
