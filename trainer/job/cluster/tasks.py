"""The processes of a job, and which of them this is."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

from trainer.job import addresses
from trainer.job.errors import UsageError

CHIEF, MASTER, WORKER, PS, EVALUATOR = "chief", "master", "worker", "ps", "evaluator"
JOB_TYPES = (CHIEF, WORKER, PS, EVALUATOR)

Jobs = Mapping[str, Mapping[int, str]]
Naming = Callable[[str, "int | None"], str]


class ClusterError(UsageError, ValueError):
    """The environment describes no cluster that can work."""


def tf_config_path(job: str, index: int | None) -> str:
    """How errors call a job, or one of its addresses, that TF_CONFIG lists."""
    return f"TF_CONFIG: cluster.{job}" + ("" if index is None else f"[{index}]")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cluster:
    """The processes of a job, and this one's place among them. Checked when built.

    Attributes:
      jobs: `host:port` by index, by job type (chief, worker, ps, evaluator); empty for a local run. Indexes may have
        gaps, as in Kubeflow's sparse form, which names to a process only those that it talks to.
      task_type: what this process is; `worker` in a local run that names none.
      task_id: its index among its type.
      trial: the trial of a study that the cluster belongs to; None where it names none.
      settings: what TF_CONFIG says of the run beside its processes: model_dir, service, session_master and
        eval_session_master, of which a Session would make something.
      master: whether the chief is called `master`, which evaluates too, even where an evaluator is listed.
      name_of: how the place of a job or of an address is called in errors.
    """

    jobs: Jobs = dataclasses.field(default_factory=dict)
    task_type: str = WORKER
    task_id: int = 0
    trial: str | None = None
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    master: bool = False
    name_of: Naming = dataclasses.field(default=tf_config_path, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "jobs", {job: dict(self.jobs[job]) for job in JOB_TYPES if self.jobs.get(job)})
        _check_jobs(self.jobs, self.name_of)
        _check_task(self)

    @property
    def is_evaluator(self) -> bool:
        """Whether this process evaluates, outside of the cluster."""
        return self.task_type == EVALUATOR

    @property
    def is_chief(self) -> bool:
        """Whether this process is the one that saves; so it is where there is no cluster."""
        return self.task_type == CHIEF or not self.jobs

    @property
    def is_local(self) -> bool:
        """Whether this process trains alone: there is no cluster, or none but a chief in it, which is this process."""
        return not self.is_evaluator and sum(len(nodes) for nodes in self._training.values()) <= 1

    @property
    def has_evaluator(self) -> bool:
        """Whether an evaluator is listed, or this is one, so that the chief need not evaluate."""
        return not self.master and (self.is_evaluator or EVALUATOR in self.jobs)

    @property
    def num_ps_replicas(self) -> int:
        """Parameter servers; 0 for an evaluator, who is outside."""
        return 0 if self.is_evaluator else len(self._training.get(PS, {}))

    @property
    def num_worker_replicas(self) -> int:
        """Workers plus chief; 1 in a local run, 0 for an evaluator, who is outside."""
        if self.is_evaluator:
            return 0
        return len(self._training.get(CHIEF, {})) + len(self._training.get(WORKER, {})) or 1

    @property
    def global_id_in_cluster(self) -> int | None:
        """Index among all: the chief, then workers, then ps; None for an evaluator."""
        if self.is_evaluator:
            return None
        before = 0
        for job in (CHIEF, WORKER, PS):
            if job == self.task_type:
                break
            before += max(self._training.get(job, {}), default=-1) + 1
        return before + self.task_id if self.jobs else 0

    @property
    def cluster_spec(self) -> dict[str, list[str] | dict[int, str]]:
        """What `tf.train.ClusterSpec` takes: the training processes; empty for an evaluator, who is outside."""
        return {} if self.is_evaluator else {job: _listed(nodes) for job, nodes in self._training.items()}

    @property
    def model_dir(self) -> str | None:
        """Where TF_CONFIG wants the results; None where it does not say."""
        return self.settings.get("model_dir")

    @property
    def session_address(self) -> str:
        """Of a Session in this process; empty where it trains alone, and for an evaluator."""
        nodes = {} if self.is_local or self.is_evaluator else self.jobs.get(self.task_type, {})
        return f"grpc://{nodes[self.task_id]}" if self.task_id in nodes else ""

    def to_tf_config(self) -> str:
        """TF_CONFIG, as JSON, from which `from_environment` makes this cluster again."""
        rename = {CHIEF: MASTER} if self.master else {}
        task: dict[str, Any] = {"type": rename.get(self.task_type, self.task_type), "index": self.task_id}
        if self.trial is not None:
            task["trial"] = self.trial
        cluster = {rename.get(job, job): _listed(nodes) for job, nodes in self.jobs.items()}
        return json.dumps({**({"cluster": cluster} if cluster else {}), "task": task, **self.settings})

    @property
    def _training(self) -> dict[str, Mapping[int, str]]:
        return {job: nodes for job, nodes in self.jobs.items() if job != EVALUATOR}


def _check_jobs(jobs: Jobs, name_of: Naming) -> None:
    """Exactly one chief, of index 0; no address twice."""
    if not jobs:
        return
    chiefs = jobs.get(CHIEF, {})
    if len(chiefs) != 1 or 0 not in chiefs:
        got = f"{len(chiefs)} chiefs" if len(chiefs) != 1 else f"a chief of index {next(iter(chiefs))}"
        raise ClusterError(
            f"{name_of(CHIEF, None)}: the cluster has {got}", "exactly one chief, of index 0", "List one address there"
        )
    seen: dict[str, str] = {}
    for job, nodes in jobs.items():
        for index, address in nodes.items():
            place = name_of(job, index)
            key = addresses.canonical(address)
            if key in seen:
                raise ClusterError(
                    f"{place} is {address!r}, as is {seen[key]}",
                    "an address of its own for each process",
                    "Change the host or the port of one",
                )
            seen[key] = place


def _check_task(cluster: Cluster) -> None:
    source = cluster.name_of(CHIEF, None).partition(":")[0]
    kind, index = cluster.task_type, cluster.task_id
    if not cluster.jobs:
        if kind not in (WORKER, CHIEF) or index != 0:
            raise ClusterError(
                f"{source}: task is {kind} {index}, but there is no cluster",
                "worker 0 or chief 0 in a local run",
                "List the processes in cluster, or drop task",
            )
    elif kind == EVALUATOR:
        if index != 0:
            raise ClusterError(f"{source}: task is evaluator {index}", "one evaluator, of index 0", "Start one only")
    elif index not in cluster.jobs.get(kind, {}):
        known = ", ".join(map(str, cluster.jobs.get(kind, {}))) or "none"
        raise ClusterError(
            f"{source}: task is {kind} {index}, which is not in the cluster",
            f"an index of {cluster.name_of(kind, None)}: {known}",
            "Correct the index, or list the process in cluster",
        )


def _listed(nodes: Mapping[int, str]) -> list[str] | dict[int, str]:
    """A list where the indexes have no gap, else the sparse form."""
    if sorted(nodes) == list(range(len(nodes))):
        return [nodes[index] for index in sorted(nodes)]
    return dict(nodes)
