"""What Kubeflow's operator would refuse of a TFJob (v1), or do with it that nobody wants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from trainer.job.findings import Finding, Path, short
from trainer.job.spelling import suggestion
from trainer.launch.files.schema import whole
from trainer.launch.kubernetes import names
from trainer.launch.kubernetes.job_rules import not_negative
from trainer.launch.kubernetes.manifests import TF_JOB_PORT
from trainer.launch.kubernetes.pod_rules import pod, runs_task
from trainer.launch.kubernetes.pods import CONTAINER
from trainer.launch.kubernetes.tables import Table, listed, table

_REPLICA_TYPES = ("Chief", "Worker", "PS", "Evaluator", "Master")
_RESTART_POLICIES = ("ExitCode", "OnFailure", "Never", "Always")
_CLEAN_POLICIES = ("None", "Running", "All")
_MANAGERS = ("kubeflow.org/training-operator", "kueue.x-k8s.io/multikueue")  # validateManagedBy
_DEFAULT_PORT = 2222


def tf_job(value: Table) -> Iterator[Finding]:
    """Rules of its webhook (validateTFJob) and of its controller."""
    spec = table(value.get("spec"))
    yield from _run_policy(table(spec.get("runPolicy")), ("spec", "runPolicy"))
    replicas, path = table(spec.get("tfReplicaSpecs")), ("spec", "tfReplicaSpecs")
    if not replicas:
        accept, do = "a mapping of Chief, Worker, PS, Evaluator", "Write spec.tfReplicaSpecs"
        yield Finding(where=path, got="no replicas", accept=accept, do=do)
        return
    kinds = {str(name): str(name).lower() for name in replicas}
    yield from _who(kinds, replicas, path)
    yield from _host_names(str(table(value.get("metadata")).get("name") or ""), replicas)
    if table(spec.get("runPolicy")).get("backoffLimit") == 0:
        accept, do = "nothing, since the operator counts no restarts under ExitCode", "Drop it"
        got = "0, with which the job ends when a pod exits with 143 (state saved)"
        yield Finding(where=("spec", "runPolicy", "backoffLimit"), got=got, accept=accept, do=do)
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
    # The operator does without one; the task does not.
    is_ours = any(runs_task(table(table(replica).get("template"))) for replica in replicas.values())
    if len(chiefs) > 1 or (is_ours and not chiefs):
        got = f"{' and '.join(chiefs)} together" if chiefs else "no Chief"
        do = "Drop Master, its old name" if chiefs else "Add a Chief with replicas: 1"
        yield Finding(where=path, got=got, accept="exactly one Chief", do=do)
    if is_ours and "ps" in kinds.values() and "worker" not in kinds.values():
        do = "Add a Worker, or drop PS"
        yield Finding(where=(*path, "PS"), got="parameter servers without workers", accept="with Workers", do=do)


def _host_names(name: str, replicas: Table) -> Iterator[Finding]:
    """Each pod, and the Service of the same name, is called JOB-TYPE-INDEX: GenGeneralName."""
    counts = {str(kind).lower(): whole(table(replica).get("replicas", 1)) or 1 for kind, replica in replicas.items()}
    longest = max((f"{name}-{kind}-{count - 1}" for kind, count in counts.items()), key=len)
    yield from names.too_long(longest, f"the name of a pod and of its Service, {longest}")


def _replica(replica: Table, path: Path, *, has_evaluator: bool) -> Iterator[Finding]:
    policy = replica.get("restartPolicy")
    if policy is not None and policy not in _RESTART_POLICIES:
        do = suggestion(str(policy), _RESTART_POLICIES, "Write ExitCode")
        accept = ", ".join(_RESTART_POLICIES)
        yield Finding(where=(*path, "restartPolicy"), got=short(policy), accept=accept, do=do)
    elif policy in (None, "Never") and runs_task(table(replica.get("template"))):
        accept = "ExitCode, which restarts a pod after 143 (state saved) and not after 2"
        got = "no restart of a preempted pod"
        yield Finding(where=(*path, "restartPolicy"), got=got, accept=accept, do="Write restartPolicy: ExitCode")
    pods = table(replica.get("template"))
    yield from pod(pods, (*path, "template"), container=CONTAINER, has_evaluator=has_evaluator)
    yield from _ports(table(pods.get("spec")), (*path, "template", "spec"))
    inner = table(pods.get("spec")).get("restartPolicy")
    if inner is not None:
        at = (*path, "template", "spec", "restartPolicy")
        accept = "nothing here: the operator takes it from the replica"
        yield Finding(where=at, got=short(inner), accept=accept, do=f"Move it to {'.'.join(map(str, path))}")


def _ports(spec: Table, path: Path) -> Iterator[Finding]:
    """Of the container's ports the operator makes a Service, with tfjob-port where it is missing, on 2222."""
    for index, raw in enumerate(listed(spec.get("containers"))):
        ports = [table(entry) for entry in listed(table(raw).get("ports"))]
        if table(raw).get("name") != CONTAINER or any(port.get("name") == TF_JOB_PORT for port in ports):
            continue
        at = (*path, "containers", index, "ports")
        for number, port in enumerate(ports):
            if port.get("containerPort") == _DEFAULT_PORT:
                got = f"{port.get('name')}, beside which the operator adds {TF_JOB_PORT}, with the same number"
                do = f"Write name: {TF_JOB_PORT}"
                accept = f"a port called {TF_JOB_PORT}, which is the one in TF_CONFIG"
                yield Finding(where=(*at, number, "name"), got=got, accept=accept, do=do)


def _run_policy(policy: Table, path: Path) -> Iterator[Finding]:
    clean = policy.get("cleanPodPolicy")
    if clean is not None and clean not in _CLEAN_POLICIES:
        do = suggestion(str(clean), _CLEAN_POLICIES, "Write None")
        yield Finding(where=(*path, "cleanPodPolicy"), got=short(clean), accept=", ".join(_CLEAN_POLICIES), do=do)
    manager = policy.get("managedBy")
    if manager is not None and manager not in _MANAGERS:
        do = suggestion(str(manager), _MANAGERS, "Drop it")
        yield Finding(where=(*path, "managedBy"), got=short(manager), accept=", ".join(_MANAGERS), do=do)
    for name in ("ttlSecondsAfterFinished", "activeDeadlineSeconds", "backoffLimit"):
        yield from not_negative(policy, name, path)
