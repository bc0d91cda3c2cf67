"""What Kubernetes would refuse of how a Job restarts pods: validateJobSpec and validatePodFailurePolicy of batch/v1."""

from __future__ import annotations

from collections.abc import Iterator

from trainer.job.findings import Finding, Path, short
from trainer.launch.files.schema import whole
from trainer.launch.kubernetes.pods import CONTAINER
from trainer.launch.kubernetes.tables import Table, listed, table


def restarts(spec: Table, path: Path) -> Iterator[Finding]:
    """What is wrong with a JobSpec's restarts: of the pods, of each index, and by exit code.

    Args:
      spec: of the job.
      path: of the spec.
    """
    pod = table(table(spec.get("template")).get("spec"))
    policy, at = pod.get("restartPolicy"), (*path, "template", "spec", "restartPolicy")
    with_pods = [name for name in ("podFailurePolicy", "backoffLimitPerIndex") if spec.get(name) is not None]
    if policy not in ("Never", "OnFailure"):
        do = "Write restartPolicy: Never"
        yield Finding(where=at, got=short(policy), accept="Never or OnFailure in a Job", do=do)
    elif with_pods and policy != "Never":
        do = "Write restartPolicy: Never; the Job starts pods again"
        yield Finding(where=at, got=f"{policy} together with {with_pods[0]}", accept="Never", do=do)
    yield from _indexes(spec, path)
    replacement = spec.get("podReplacementPolicy", "Failed")
    if spec.get("podFailurePolicy") and replacement != "Failed":
        got, do = f"{replacement} together with podFailurePolicy", "Write podReplacementPolicy: Failed"
        yield Finding(where=(*path, "podReplacementPolicy"), got=got, accept="Failed", do=do)
    found = [str(table(entry).get("name")) for entry in listed(pod.get("containers"))]
    for index, rule in enumerate(listed(table(spec.get("podFailurePolicy")).get("rules"))):
        yield from _rule(table(rule), (*path, "podFailurePolicy", "rules", index), found, spec)


def _indexes(spec: Table, path: Path) -> Iterator[Finding]:
    per_index, most = spec.get("backoffLimitPerIndex"), whole(spec.get("maxFailedIndexes"))
    if per_index is not None and spec.get("completionMode") != "Indexed":
        do = "Write completionMode: Indexed"
        yield Finding(where=(*path, "backoffLimitPerIndex"), got="a Job without indexes", accept="Indexed", do=do)
    if most is not None and per_index is None:
        accept, do = "with backoffLimitPerIndex", "Write backoffLimitPerIndex"
        yield Finding(where=(*path, "maxFailedIndexes"), got=str(most), accept=accept, do=do)
    completions = whole(spec.get("completions"))
    if most is not None and completions is not None and most > completions:
        accept = f"up to {completions}, the completions"
        yield Finding(where=(*path, "maxFailedIndexes"), got=str(most), accept=accept, do="Correct it")


def _rule(rule: Table, path: Path, containers: list[str], spec: Table) -> Iterator[Finding]:
    """Of a podFailurePolicy."""
    codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions") or None
    if (codes is None) == (conditions is None):
        got = "both onExitCodes and onPodConditions" if codes is not None else "neither exit codes nor conditions"
        yield Finding(where=path, got=got, accept="one of the two", do="Write two rules" if codes else "Write one")
    if rule.get("action") == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
        accept, do = "FailJob, Ignore or Count without backoffLimitPerIndex", "Write backoffLimitPerIndex"
        yield Finding(where=(*path, "action"), got="FailIndex", accept=accept, do=do)
    name, at = table(codes).get("containerName"), (*path, "onExitCodes")
    if name not in (None, *containers):
        do = f"Write containerName: {containers[0] if containers else CONTAINER}"
        yield Finding(where=(*at, "containerName"), got=short(name), accept=", ".join(containers), do=do)
    values = [value for value in listed(table(codes).get("values")) if isinstance(value, int)]
    if codes is not None and (not values or values != sorted(set(values))):
        do = "Write them in order"
        yield Finding(where=(*at, "values"), got=short(values), accept="codes in order, each once", do=do)
    elif table(codes).get("operator") == "In" and 0 in values:
        yield Finding(where=(*at, "values"), got="0, which is no failure", accept="from 1 up", do="Drop it")
