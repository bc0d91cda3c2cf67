"""What a job on Kubernetes says of itself: names of kinds, states as words, exit codes, and commands about it. Pure."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from trainer.job.errors import UsageError

Object = Mapping[str, Any]
KINDS = ("Job", "TFJob", "JobSet", "TrainJob", "Experiment")
_RESOURCES = {
    "TFJob": "tfjobs.kubeflow.org",
    "Job": "jobs.batch",
    "JobSet": "jobsets.jobset.x-k8s.io",
    "TrainJob": "trainjobs.trainer.kubeflow.org",
    "TrainingRuntime": "trainingruntimes.trainer.kubeflow.org",
    "Experiment": "experiments.kubeflow.org",
    "Service": "services",
}
# A condition that is true and ends a job, and the exit code that it means.
_ENDS = {"Succeeded": 0, "Complete": 0, "Completed": 0, "Failed": 1}
# Conditions that other words of a job's status say better, or that are about its own bookkeeping.
_ASIDE = ("Created", "SuccessCriteriaMet", "FailureTarget", "StartupPolicyCompleted")


@dataclasses.dataclass(frozen=True, kw_only=True)
class JobName:
    """How the cluster knows a job.

    Attributes:
      kind: Job, TFJob, JobSet, TrainJob or Experiment.
      name: of the job.
      namespace: where it is.
    """

    kind: str
    name: str
    namespace: str

    def __str__(self) -> str:
        return f"{self.kind.lower()}/{self.name}"


def parsed(text: str, namespace: str) -> JobName:
    """Of `tfjob/trainer`, or of `trainer`, which is a Job. Raises UsageError.

    Args:
      text: as a person types it.
      namespace: where the job is.
    """
    kind, slash, name = text.rpartition("/")
    by_word = {known.lower(): known for known in KINDS}
    by_word |= {_RESOURCES[known]: known for known in KINDS}
    if slash and kind.lower() not in by_word:
        accept = ", ".join(known.lower() for known in KINDS)
        raise UsageError(f"{kind!r} is not a kind of job", accept, "Write KIND/NAME, as tfjob/trainer")
    return JobName(kind=by_word[kind.lower()] if slash else "Job", name=name, namespace=namespace)


def resource(kind: str) -> str:
    """The kind's name in commands, with its API group: `tfjobs.kubeflow.org`."""
    return _RESOURCES.get(kind, kind.lower())


def selector(name: str) -> str:
    """The label by which a job's pods are found."""
    return f"app.kubernetes.io/instance={name}"


def state(job: Object) -> str:
    """One lower-case word: the newest true condition, or how far the job is without one."""
    if (condition := _newest(job)) is not None:
        return str(condition["type"]).lower()
    if (job.get("spec") or {}).get("suspend"):
        return "suspended"
    status = job.get("status") or {}
    return "running" if status.get("ready") else "waiting"


def described(job: Object) -> str:
    """The state, what the cluster says of it, and how many pods are how, in a line."""
    status, words = job.get("status") or {}, [state(job)]
    condition = _newest(job)
    if condition is not None and condition.get("message"):
        words.append(str(condition["message"]))
    counts = {name: status[name] for name in ("active", "ready", "succeeded", "failed") if status.get(name)}
    for kind, replicas in (status.get("replicaStatuses") or {}).items():
        counts |= {f"{kind} {name}": count for name, count in replicas.items() if isinstance(count, int) and count}
    for name in ("trials", "trialsRunning", "trialsSucceeded", "trialsFailed"):
        if status.get(name):
            counts[f"trials {name.removeprefix('trials').lower()}".strip()] = status[name]
    if counts:
        words.append(", ".join(f"{count} {name}" for name, count in counts.items()))
    return "; ".join(words)


def exit_code(job: Object) -> int | None:
    """0 or 1 of a job that has ended; None while it runs."""
    conditions = (job.get("status") or {}).get("conditions") or ()
    codes = [_ENDS[entry["type"]] for entry in conditions if entry.get("status") == "True" and entry["type"] in _ENDS]
    return max(codes, default=None)


def hints(which: JobName) -> list[str]:
    """Commands for a job."""
    where = "" if which.namespace == "default" else f" --namespace={which.namespace}"
    return [
        f"{verb + ':':<8}python -m trainer.launch {verb.rstrip(':')} kubernetes {which}{flags}{where}"
        for verb, flags in (("status", ""), ("logs", " --follow"), ("cancel", ""))
    ]


def table(listed: Sequence[Object], now: datetime.datetime) -> list[str]:
    """A line for each job under a line of headings, the newest first.

    Args:
      listed: jobs as the cluster has them.
      now: from which ages count.
    """
    rows = [("NAMESPACE", "JOB", "STATE", "AGE")]
    for job in sorted(listed, key=lambda job: str(job["metadata"].get("creationTimestamp")), reverse=True):
        metadata = job["metadata"]
        which = JobName(kind=job["kind"], name=metadata["name"], namespace=metadata["namespace"])
        rows.append((which.namespace, str(which), state(job), _age(str(metadata["creationTimestamp"]), now)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _newest(job: Object) -> Object | None:
    """The true condition that says most: one that ends the job, else the last."""
    conditions = (job.get("status") or {}).get("conditions") or ()
    true = [entry for entry in conditions if entry.get("status") == "True" and entry["type"] not in _ASIDE]
    ends = [entry for entry in true if entry["type"] in _ENDS]
    return (ends or true or [None])[-1]


def _age(moment: str, now: datetime.datetime) -> str:
    """As kubectl shows it: the largest whole unit, `45s`, `12m`, `3h` or `5d`."""
    secs = int((now - datetime.datetime.fromisoformat(moment.replace("Z", "+00:00"))).total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if secs >= size:
            return f"{secs // size}{unit}"
    return f"{max(secs, 0)}s"
