"""The processes of a job on this machine: for each its TF_CONFIG, its command and its environment."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence

from trainer.job.cluster import CHIEF, JOB_TYPES, PS, WORKER, Cluster
from trainer.launch.cluster.options import ClusterOptions

# What an outer runner may have said of its own cluster.
_OUTER = ("CLUSTER_SPEC", "JOB_COMPLETION_INDEX", "TRAINER_REPLICAS", "TRAINER_HOST_PATTERN")
_LOOPBACK = "127.0.0.1,localhost"
_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """One process: the cluster as it sees it, and what it runs."""

    cluster: Cluster
    argv: tuple[str, ...]
    environ: Mapping[str, str]

    @property
    def role(self) -> str:
        """Its type, as TF_CONFIG has it."""
        return self.cluster.task_type

    @property
    def name(self) -> str:
        """`role:index`."""
        return f"{self.cluster.task_type}:{self.cluster.task_id}"

    @property
    def address(self) -> str | None:
        """Where it listens; None for the evaluator."""
        return self.cluster.jobs.get(self.role, {}).get(self.cluster.task_id)


def names(options: ClusterOptions) -> list[str]:
    """`role:index` of every process, the chief first."""
    return [f"{role}:{index}" for role in JOB_TYPES for index in range(options.counts[role])]


def num_addresses(options: ClusterOptions) -> int:
    """How many of them listen: all but the evaluator, to which no process connects."""
    return 1 + options.worker + options.ps


def plan(
    options: ClusterOptions,
    task_argv: Sequence[str],
    addresses: Sequence[str],
    environ: Mapping[str, str],
    cores: int,
) -> list[Task]:
    """What to start.

    Args:
      options: how many of each.
      task_argv: flags of the task, the same for all.
      addresses: one for each process that listens, chief first.
      environ: of the launcher.
      cores: of this machine, to be shared by the processes that compute.
    """
    jobs: dict[str, dict[int, str]] = {}
    remaining = iter(addresses)
    for role in (CHIEF, WORKER, PS):
        jobs[role] = {index: next(remaining) for index in range(options.counts[role])}
    flags = [*task_argv, "--separate_evaluator"] if options.evaluator else list(task_argv)
    argv = (sys.executable, "-m", options.module, *flags)
    shared = environment(environ, threads=threads(options, cores))
    tasks = []
    for name in names(options):
        role, _, index = name.partition(":")
        cluster = Cluster(jobs=jobs, task_type=role, task_id=int(index))
        tasks.append(Task(cluster=cluster, argv=argv, environ={**shared, "TF_CONFIG": cluster.to_tf_config()}))
    return tasks


def threads(options: ClusterOptions, cores: int) -> int:
    """Threads for each process, so that those that compute at the same time share the cores: workers, and the chief too
    where it trains. The ps, and an evaluator that works now and then, are not counted."""
    computing = options.worker if options.ps else options.worker + 1
    return max(cores // computing, 1)


def environment(environ: Mapping[str, str], *, threads: int) -> dict[str, str]:
    """What all processes get: the launcher's environment without a cluster around it.

    Besides: output without delay, threads where the person has not chosen, no proxy between processes of one machine.
    """
    variables = {name: value for name, value in environ.items() if name not in _OUTER}
    variables["PYTHONUNBUFFERED"] = "1"
    for name in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS"):
        variables.setdefault(name, str(threads))
    if any(variables.get(proxy) for proxy in _PROXIES):
        direct = variables.get("no_grpc_proxy") or variables.get("no_proxy")
        variables["no_grpc_proxy"] = f"{direct},{_LOOPBACK}" if direct else _LOOPBACK
    return variables
