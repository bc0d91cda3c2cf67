"""Jobs of several processes on this machine: parameter servers, and training in step."""

from __future__ import annotations

import sys

from benchmarks import cluster_processes
from benchmarks.race.contenders.task import Figures, Task


def parameter_servers(task: Task) -> Figures:
    """A chief, a worker and a parameter server of the package that this interpreter has."""
    size = task["units"], task["batch_size"], task["steps"]
    return Figures(rate=cluster_processes.rate(sys.executable, task["csv"], size, task.get("push_every", 1)))


def in_step(task: Task) -> Figures:
    """A chief and workers that train in step."""
    size = task["units"], task["batch_size"], task["steps"]
    jobs = {"chief": 1, "worker": task["workers"]}
    return Figures(rate=cluster_processes.rate(sys.executable, task["csv"], size, 1, jobs))
