"""What Kubernetes would refuse of a batch/v1 Job, or do with it that nobody wants. JobSets are made of such jobs."""

from __future__ import annotations

from collections.abc import Iterator

from trainer.job.findings import Finding, Path, short
from trainer.launch.files.schema import whole
from trainer.launch.kubernetes import names
from trainer.launch.kubernetes.pod_rules import pod, runs_task
from trainer.launch.kubernetes.restart_rules import restarts
from trainer.launch.kubernetes.tables import Table, listed, table


def job_spec(spec: Table, path: Path, host: str, suffix: str = "") -> Iterator[Finding]:
    """Rules of a batch/v1 JobSpec whose pods are processes of one job.

    Args:
      spec: of the job.
      path: of the spec.
      host: what the pods' names begin with, before their index.
      suffix: what comes behind the index in names that count.
    """
    completions, parallelism = whole(spec.get("completions", 1)), whole(spec.get("parallelism", 1))
    pods = table(spec.get("template"))
    is_ours = runs_task(pods)  # other programs may do with their pods what they like
    if completions is None or completions < 1:
        accept, do = "1 or more", "Set it to the number of processes"
        yield Finding(where=(*path, "completions"), got=short(spec.get("completions")), accept=accept, do=do)
    elif is_ours and completions > 1 and spec.get("completionMode") != "Indexed":
        accept, do = "Indexed, so that each pod knows which process it is", "Write completionMode: Indexed"
        yield Finding(where=(*path, "completionMode"), got=short(spec.get("completionMode")), accept=accept, do=do)
    if is_ours and completions and completions != parallelism:
        got = f"{parallelism} at a time of {completions} processes, which wait for each other"
        do = f"Write parallelism: {completions}"
        yield Finding(where=(*path, "parallelism"), got=got, accept="all at once", do=do)
    if completions and host:
        last = f"{host}-{completions - 1}{suffix}"
        yield from names.too_long(last, f"the last pod's name, {last}")
    for count in ("backoffLimit", "backoffLimitPerIndex", "activeDeadlineSeconds", "ttlSecondsAfterFinished"):
        yield from not_negative(spec, count, path)
    yield from restarts(spec, path)
    yield from _replicas(table(pods.get("spec")), completions, (*path, "template", "spec"))
    yield from pod(pods, (*path, "template"), container=None, has_evaluator=_has_evaluator(pods))


def _replicas(pod: Table, completions: int | None, path: Path) -> Iterator[Finding]:
    """Whether the variables that say who is who count as many processes as there are pods."""
    for index, container in enumerate(listed(pod.get("containers"))):
        for number, entry in enumerate(listed(table(container).get("env"))):
            if table(entry).get("name") != "TRAINER_REPLICAS":
                continue
            text = str(table(entry).get("value"))
            counts = [part.partition("=")[2] for part in text.split(",")]
            total = sum(int(count) for count in counts if count.isdecimal())
            if not all(count.isdecimal() for count in counts) or total != completions:
                at = (*path, "containers", index, "env", number, "value")
                do = f"Write numbers whose sum is {completions}, or completions: {total}"
                yield Finding(where=at, got=text, accept=f"the {completions} processes of completions", do=do)


def _has_evaluator(pods: Table) -> bool:
    containers = listed(table(pods.get("spec")).get("containers"))
    entries = [entry for container in containers for entry in listed(table(container).get("env"))]
    return any("evaluator=1" in str(table(entry).get("value")) for entry in entries)


def not_negative(fields: Table, name: str, path: Path) -> Iterator[Finding]:
    """A finding where the field is there and is no whole number from 0 up.

    Args:
      fields: of an object.
      name: of the field.
      path: of the object.
    """
    value = fields.get(name)
    if value is not None and (whole(value) is None or int(str(value)) < 0):
        yield Finding(where=(*path, name), got=short(value), accept="a whole number from 0 up", do="Correct it")
