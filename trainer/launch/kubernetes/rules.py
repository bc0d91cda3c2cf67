"""What Kubernetes or Kubeflow's operators would refuse of a manifest, or do with it that nobody wants: by field.

Fields and types come from the schemas of the API; here are rules that no schema knows, such as those of the operator's
webhook for TFJob v1 (validateTFJob): a DNS-1035 name, a container called `tensorflow` with an image in each replica,
one Chief or Master.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping

from trainer.job.findings import Finding, Level, Path, short, unknown
from trainer.job.spelling import suggestion
from trainer.launch.files.schema import whole
from trainer.launch.kubernetes import schemas
from trainer.launch.kubernetes.pod_rules import Table, labels, listed, pod, table
from trainer.launch.kubernetes.pods import CONTAINER

_REPLICA_TYPES = ("Chief", "Worker", "PS", "Evaluator", "Master")
_RESTART_POLICIES = ("ExitCode", "OnFailure", "Never", "Always")
_CLEAN_POLICIES = ("None", "Running", "All")
_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_LONGEST_NAME = 63


def document(value: Table) -> list[Finding]:
    """Everything wrong with one manifest; of kinds that this package does not write, as far as their schema says."""
    rules: dict[str, Callable[[Table], Iterator[Finding]]] = {
        "TFJob": _tf_job,
        "Job": _job,
        "JobSet": _job_set,
        "TrainingRuntime": _runtime,
        "ClusterTrainingRuntime": _runtime,
        "TrainJob": _train_job,
        "Experiment": _experiment,
    }
    kind = str(value.get("kind"))
    versions = {name: version for version, _, name in (entry.partition(" ") for entry in schemas.kinds())}
    findings = list(_metadata(value))
    if kind not in versions:
        return [*findings, unknown(("kind",), "kind", kind, versions, decides="The cluster")]
    findings += _version(value.get("apiVersion"), versions[kind], kind)
    findings += rules[kind](value) if kind in rules else ()
    said = {finding.where for finding in findings}
    return findings + [finding for finding in schemas.schema_errors(value) if finding.where not in said]


def _version(version: object, wanted: str, kind: str) -> Iterator[Finding]:
    """Another version of the same API group may be newer than these rules; another group contradicts the kind."""
    at, (group, slash, _) = ("apiVersion",), wanted.rpartition("/")
    if isinstance(version, str) and re.fullmatch(re.escape(group + slash) + r"v\d+\w*", version):
        if version != wanted:
            got, do = f"{version} is not known here", f"It is checked as {wanted}; the cluster decides"
            yield Finding(where=at, got=got, do=do, level=Level.NOTE)
        return
    yield Finding(where=at, got=short(version), accept=f"{wanted} for {kind}", do=f"Write apiVersion: {wanted}")


def _metadata(value: Table) -> Iterator[Finding]:
    metadata = table(value.get("metadata"))
    name = str(metadata.get("name") or "")
    if not (_NAME.fullmatch(name) and len(name) <= _LONGEST_NAME) and not metadata.get("generateName"):
        better = re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-0123456789")[:_LONGEST_NAME]
        yield Finding(
            where=("metadata", "name"),
            got=short(name) if name else "no name",
            accept="a letter, then lower-case letters, digits and dashes, up to 63 (RFC 1035)",
            do=f"Set --name={better or 'trainer'}",
        )
    namespace = metadata.get("namespace")
    if namespace is not None and not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", str(namespace)):
        accept, do = "lower-case letters, digits and dashes", "kubectl get namespaces shows them"
        yield Finding(where=("metadata", "namespace"), got=short(namespace), accept=accept, do=do)
    yield from labels(table(metadata.get("labels")), ("metadata", "labels"))


def _tf_job(value: Table) -> Iterator[Finding]:
    spec = table(value.get("spec"))
    yield from _run_policy(table(spec.get("runPolicy")), ("spec", "runPolicy"))
    replicas, path = table(spec.get("tfReplicaSpecs")), ("spec", "tfReplicaSpecs")
    if not replicas:
        accept, do = "a mapping of Chief, Worker, PS, Evaluator", "Write spec.tfReplicaSpecs"
        yield Finding(where=path, got="no replicas", accept=accept, do=do)
        return
    kinds = {str(name): str(name).lower() for name in replicas}
    yield from _who(kinds, replicas, path)
    for name, replica in replicas.items():
        if kinds[str(name)] in [known.lower() for known in _REPLICA_TYPES]:
            yield from _replica(table(replica), (*path, str(name)), has_evaluator="evaluator" in kinds.values())


def _who(kinds: Mapping[str, str], replicas: Table, path: Path) -> Iterator[Finding]:
    """Types and numbers of replicas."""
    known = [name.lower() for name in _REPLICA_TYPES]
    for name, kind in kinds.items():
        count = whole(table(replicas[name]).get("replicas", 1))
        if kind not in known:
            accept = ", ".join(_REPLICA_TYPES)
            do = suggestion(name, _REPLICA_TYPES, "Use one of these")
            yield Finding(where=(*path, name), got=f"no replica type {name!r}", accept=accept, do=do)
        elif count is None or count < (1 if kind in ("chief", "master") else 0):
            got = f"{table(replicas[name]).get('replicas')} replicas"
            do = "Correct it, or drop the whole replica type"
            yield Finding(where=(*path, name, "replicas"), got=got, accept="a whole number from 1 up", do=do)
        elif kind in ("chief", "master", "evaluator") and count > 1:
            do = "Set replicas: 1, and make the others Workers"
            yield Finding(where=(*path, name, "replicas"), got=f"{count} of {name}", accept="one", do=do)
    chiefs = [name for name, kind in kinds.items() if kind in ("chief", "master")]
    if len(chiefs) != 1:
        got = f"{' and '.join(chiefs)} together" if chiefs else "no Chief"
        do = "Drop Master, its old name" if chiefs else "Add a Chief with replicas: 1"
        yield Finding(where=path, got=got, accept="exactly one Chief", do=do)
    if "ps" in kinds.values() and "worker" not in kinds.values():
        do = "Add a Worker, or drop PS"
        yield Finding(where=(*path, "PS"), got="parameter servers without workers", accept="with Workers", do=do)


def _replica(replica: Table, path: Path, *, has_evaluator: bool) -> Iterator[Finding]:
    policy = replica.get("restartPolicy")
    if policy is not None and policy not in _RESTART_POLICIES:
        do = suggestion(str(policy), _RESTART_POLICIES, "Write ExitCode")
        accept = ", ".join(_RESTART_POLICIES)
        yield Finding(where=(*path, "restartPolicy"), got=short(policy), accept=accept, do=do)
    elif policy in (None, "Never"):
        accept = "ExitCode, which restarts a pod after 143 (state saved) and not after 2"
        got = "no restart of a preempted pod"
        yield Finding(where=(*path, "restartPolicy"), got=got, accept=accept, do="Write restartPolicy: ExitCode")
    pods = table(replica.get("template"))
    yield from pod(pods, (*path, "template"), container=CONTAINER, has_evaluator=has_evaluator)
    inner = table(pods.get("spec")).get("restartPolicy")
    if inner is not None:
        at = (*path, "template", "spec", "restartPolicy")
        accept = "nothing here: the operator takes it from the replica"
        yield Finding(where=at, got=short(inner), accept=accept, do=f"Move it to {'.'.join(map(str, path))}")


def _run_policy(policy: Table, path: Path) -> Iterator[Finding]:
    clean = policy.get("cleanPodPolicy")
    if clean is not None and clean not in _CLEAN_POLICIES:
        do = suggestion(str(clean), _CLEAN_POLICIES, "Write None")
        yield Finding(where=(*path, "cleanPodPolicy"), got=short(clean), accept=", ".join(_CLEAN_POLICIES), do=do)
    for name in ("ttlSecondsAfterFinished", "activeDeadlineSeconds", "backoffLimit"):
        yield from _not_negative(policy, name, path)


def _job(value: Table) -> Iterator[Finding]:
    name = str(table(value.get("metadata")).get("name") or "")
    yield from _job_spec(table(value.get("spec")), ("spec",), name)


def _job_spec(spec: Table, path: Path, name: str = "") -> Iterator[Finding]:
    """Rules of a batch/v1 JobSpec whose pods are processes of one job."""
    completions, parallelism = whole(spec.get("completions", 1)), whole(spec.get("parallelism", 1))
    if completions is None or completions < 1:
        accept, do = "1 or more", "Set it to the number of processes"
        yield Finding(where=(*path, "completions"), got=short(spec.get("completions")), accept=accept, do=do)
    elif completions > 1 and spec.get("completionMode") != "Indexed":
        accept, do = "Indexed, so that each pod knows which process it is", "Write completionMode: Indexed"
        yield Finding(where=(*path, "completionMode"), got=short(spec.get("completionMode")), accept=accept, do=do)
    if completions and completions != parallelism:
        got = f"{parallelism} at a time of {completions} processes, which wait for each other"
        do = f"Write parallelism: {completions}"
        yield Finding(where=(*path, "parallelism"), got=got, accept="all at once", do=do)
    if completions and len(f"{name}-{completions - 1}") > _LONGEST_NAME:
        last = f"{name}-{completions - 1}"
        got = f"{last}, the last pod's host name, of {len(last)} characters"
        yield Finding(where=("metadata", "name"), got=got, accept=f"up to {_LONGEST_NAME}", do="Set a shorter --name")
    for count in ("backoffLimit", "backoffLimitPerIndex", "activeDeadlineSeconds", "ttlSecondsAfterFinished"):
        yield from _not_negative(spec, count, path)
    pods = table(spec.get("template"))
    yield from _pod_restarts(spec, table(pods.get("spec")), path)
    yield from _replicas(table(pods.get("spec")), completions, (*path, "template", "spec"))
    yield from pod(pods, (*path, "template"), container=None, has_evaluator=_has_evaluator(pods))


def _pod_restarts(spec: Table, pod: Table, path: Path) -> Iterator[Finding]:
    policy, at = pod.get("restartPolicy"), (*path, "template", "spec", "restartPolicy")
    if policy not in ("Never", "OnFailure"):
        do = "Write restartPolicy: Never"
        yield Finding(where=at, got=short(policy), accept="Never or OnFailure in a Job", do=do)
    elif spec.get("podFailurePolicy") and policy != "Never":
        do = "Write restartPolicy: Never; the Job starts pods again"
        yield Finding(where=at, got=f"{policy} together with podFailurePolicy", accept="Never", do=do)
    names = [str(table(entry).get("name")) for entry in listed(pod.get("containers"))]
    for index, rule in enumerate(listed(table(spec.get("podFailurePolicy")).get("rules"))):
        codes = table(table(rule).get("onExitCodes"))
        if codes.get("containerName") not in (None, *names):
            at = (*path, "podFailurePolicy", "rules", index, "onExitCodes", "containerName")
            do = f"Write containerName: {names[0] if names else CONTAINER}"
            yield Finding(where=at, got=short(codes["containerName"]), accept=", ".join(names), do=do)


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


def _job_set(value: Table) -> Iterator[Finding]:
    yield from _replicated(table(value.get("spec")), ("spec",))


def _runtime(value: Table) -> Iterator[Finding]:
    inner = table(table(table(value.get("spec")).get("template")).get("spec"))
    yield from _replicated(inner, ("spec", "template", "spec"))


def _replicated(spec: Table, path: Path) -> Iterator[Finding]:
    jobs = listed(spec.get("replicatedJobs"))
    if not jobs:
        yield Finding(where=(*path, "replicatedJobs"), got="no jobs", accept="one", do="Write replicatedJobs")
    for index, job in enumerate(jobs):
        at = (*path, "replicatedJobs", index, "template", "spec")
        yield from _job_spec(table(table(table(job).get("template")).get("spec")), at)


def _train_job(value: Table) -> Iterator[Finding]:
    spec = table(value.get("spec"))
    reference = table(spec.get("runtimeRef"))
    if not reference.get("name"):
        accept, do = "the name of a runtime", "Write runtimeRef: {kind: TrainingRuntime, name: ...}"
        yield Finding(where=("spec", "runtimeRef", "name"), got="no runtime", accept=accept, do=do)
    count = whole(table(spec.get("trainer")).get("numNodes", 1))
    if count is None or count < 1:
        at = ("spec", "trainer", "numNodes")
        yield Finding(where=at, got=short(count), accept="1 or more", do="Set it to the number of processes")


def _experiment(value: Table) -> Iterator[Finding]:
    template = table(table(value.get("spec")).get("trialTemplate"))
    trial, path = table(template.get("trialSpec")), ("spec", "trialTemplate")
    if not trial:
        yield Finding(where=(*path, "trialSpec"), got="no trial", accept="a TFJob or a Job", do="Write trialSpec")
        return
    named = {**trial, "metadata": {"name": "trial", **table(trial.get("metadata"))}}
    for finding in document(named):
        assert isinstance(finding.where, tuple), "a field"
        yield dataclasses.replace(finding, where=(*path, "trialSpec", *finding.where))


def _not_negative(table: Table, name: str, path: Path) -> Iterator[Finding]:
    value = table.get(name)
    if value is not None and (whole(value) is None or int(str(value)) < 0):
        yield Finding(where=(*path, name), got=short(value), accept="a whole number from 0 up", do="Correct it")
