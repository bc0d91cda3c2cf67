"""What Kubernetes or Kubeflow's operators would refuse of a manifest, or do with it that nobody wants: by field.

Fields and types come from the schemas of the API; here are rules that no schema knows, such as those of the operator's
webhook for TFJob v1 (validateTFJob): a DNS-1035 name, a container called `tensorflow` with an image in each replica,
one Chief or Master.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from typing import Any

from trainer.job.findings import Finding, Level, Path, Where, short, unknown
from trainer.launch.files.schema import whole
from trainer.launch.kubernetes import names, schemas
from trainer.launch.kubernetes.job_rules import job_spec
from trainer.launch.kubernetes.job_set_rules import references
from trainer.launch.kubernetes.katib_rules import experiment
from trainer.launch.kubernetes.manifests import NODE, TRAINER_LABEL
from trainer.launch.kubernetes.pod_rules import labels, ports
from trainer.launch.kubernetes.pods import INSTANCE_LABEL
from trainer.launch.kubernetes.tables import Table, listed, table
from trainer.launch.kubernetes.tf_job_rules import tf_job

_RFC_1035 = "a letter, then lower-case letters, digits and dashes"
# Longest name, what else it has to be, and that in words; of other kinds a subdomain.
_NAMES: dict[str, tuple[int, Callable[[str], bool], str]] = {
    **dict.fromkeys(("TFJob", "JobSet", "TrainJob", "Service"), (names.LONGEST_LABEL, names.is_dns_1035, _RFC_1035)),
    "Job": (names.LONGEST_LABEL, names.is_subdomain, "lower-case letters, digits, dashes and dots"),
    "Namespace": (names.LONGEST_LABEL, names.is_label, "lower-case letters, digits and dashes"),
    "Experiment": (40, names.is_dns_1035, _RFC_1035),  # ValidateExperiment
}
_RANDOM = "-abcde"  # what Kubernetes adds to the name of a pod


def document(value: Table) -> list[Finding]:
    """Everything wrong with one manifest; of kinds that this package does not write, as far as their schema says."""
    rules: dict[str, Callable[[Table], Iterator[Finding]]] = {
        "TFJob": tf_job,
        "Job": _job,
        "JobSet": _job_set,
        "TrainingRuntime": _runtime,
        "ClusterTrainingRuntime": _runtime,
        "TrainJob": _train_job,
        "Experiment": lambda value: experiment(value, document),
    }
    kind = str(value.get("kind"))
    if kind == "List" and value.get("apiVersion") == "v1":
        return list(_items(listed(value.get("items"))))
    versions = {name: version for version, _, name in (entry.partition(" ") for entry in schemas.kinds())}
    findings = list(_metadata(value))
    if kind not in versions:
        return [*findings, unknown(("kind",), "kind", kind, versions, decides="The cluster")]
    findings += _version(value.get("apiVersion"), versions[kind], kind)
    findings += rules[kind](value) if kind in rules else ()
    return _without_echoes([*findings, *_not_said(schemas.schema_errors(value), findings)])


def _items(items: list[Any]) -> Iterator[Finding]:
    """What is wrong with each manifest of a List."""
    for index, item in enumerate(items):
        for finding in document(table(item)):
            assert isinstance(finding.where, tuple), "a field"
            yield dataclasses.replace(finding, where=("items", index, *finding.where))


def _not_said(findings: list[Finding], before: list[Finding]) -> list[Finding]:
    """Those about fields in which a rule found nothing: its words fit better."""
    said = {
        finding.where[:end] for finding in before if isinstance(finding.where, tuple) for end in _ends(finding.where)
    }
    return [finding for finding in findings if finding.where not in said]


def _ends(path: Path) -> range:
    return range(1, len(path) + 1)


def _without_echoes(findings: list[Finding]) -> list[Finding]:
    """A name that is too long is so in labels too, and in what is made of it, of which the longest counts."""
    about_name = [finding for finding in findings if finding.where == ("metadata", "name")]
    if not about_name:
        return findings
    others = [finding for finding in findings if finding not in about_name]
    return [about_name[-1], *(finding for finding in others if not _is_label_of_name(finding.where))]


def _is_label_of_name(where: Where) -> bool:
    return isinstance(where, tuple) and where[-1:] == (INSTANCE_LABEL,)


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
    metadata, kind = table(value.get("metadata")), str(value.get("kind"))
    name = str(metadata.get("name") or "")
    longest, accepted, accept = _NAMES.get(kind, (names.LONGEST_SUBDOMAIN, names.is_subdomain, names.SUBDOMAIN))
    if not (accepted(name) and len(name) <= longest) and not metadata.get("generateName"):
        better = re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-0123456789")[:longest]
        do = f"Set --name={better or 'trainer'}"
        if accepted(name[:longest].rstrip("-")):
            do = f"Set a --name that is {len(name) - longest} characters shorter"
        got = short(name) if name else "no name"
        yield Finding(where=("metadata", "name"), got=got, accept=f"{accept}, up to {longest}", do=do)
    namespace = metadata.get("namespace")
    if namespace is not None and not names.is_label(str(namespace)):
        accept, do = "lower-case letters, digits and dashes", "kubectl get namespaces shows them"
        yield Finding(where=("metadata", "namespace"), got=short(namespace), accept=accept, do=do)
    yield from labels(table(metadata.get("labels")), ("metadata", "labels"))
    if kind == "Service":
        yield from ports(listed(table(value.get("spec")).get("ports")), ("spec", "ports"), "port")


def _name(value: Table) -> str:
    return str(table(value.get("metadata")).get("name") or "")


def _job(value: Table) -> Iterator[Finding]:
    yield from job_spec(table(value.get("spec")), ("spec",), _name(value))


def _job_set(value: Table) -> Iterator[Finding]:
    yield from _replicated(table(value.get("spec")), ("spec",), _name(value))


def _runtime(value: Table) -> Iterator[Finding]:
    """Its jobs get their names from the TrainJob, whose rule counts them."""
    path: Path = ("spec", "template", "spec")
    spec = table(table(table(value.get("spec")).get("template")).get("spec"))
    yield from _replicated(spec, path, "")
    for index, raw in enumerate(listed(spec.get("replicatedJobs"))):
        template = table(table(raw).get("template"))
        step = table(table(template.get("metadata")).get("labels")).get(TRAINER_LABEL)
        if step and table(raw).get("replicas", 1) != 1:
            at = (*path, "replicatedJobs", index, "replicas")
            yield Finding(
                where=at,
                got=short(table(raw)["replicas"]),
                accept="1, of whose job numNodes are the pods",
                do="Drop it",
            )
        pods = table(table(table(template.get("spec")).get("template")).get("spec"))
        found = [table(entry).get("name") for entry in listed(pods.get("containers"))]
        if step == "trainer" and NODE not in found:  # validateReplicatedJobs
            at = (*path, "replicatedJobs", index, "template", "spec", "template", "spec", "containers")
            do = f"Write name: {NODE}"
            yield Finding(where=at, got=f"containers {found}", accept=f"one called {NODE!r}", do=do)


def _replicated(spec: Table, path: Path, name: str) -> Iterator[Finding]:
    """Of JobSet's webhook (ValidateCreate): pods are called JOBSET-JOB-REPLICA-INDEX-XXXXX, and that is a host name."""
    jobs = listed(spec.get("replicatedJobs"))
    if not jobs:
        yield Finding(where=(*path, "replicatedJobs"), got="no jobs", accept="one", do="Write replicatedJobs")
    for index, raw in enumerate(jobs):
        job, at = table(raw), (*path, "replicatedJobs", index, "template", "spec")
        last = (whole(job.get("replicas", 1)) or 1) - 1
        host = f"{name}-{job.get('name')}-{last}" if name else ""
        filled = _filled(table(table(job.get("template")).get("spec")), _claims(spec))
        yield from job_spec(filled, at, host, suffix=_RANDOM)
    yield from references(spec, path)


def _claims(spec: Table) -> list[str]:
    """Names of the volumes that a JobSet makes claims for, and adds to its pods (volumeClaimPolicies)."""
    policies = [table(policy) for policy in listed(spec.get("volumeClaimPolicies"))]
    templates = [each for policy in policies for each in listed(policy.get("templates"))]
    return [str(table(table(template).get("metadata")).get("name")) for template in templates]


def _filled(spec: Table, claims: list[str]) -> Table:
    """A job of a JobSet with what its webhook fills in (Default), and its controller adds."""
    template = table(spec.get("template"))
    pod = {"restartPolicy": "OnFailure", **table(template.get("spec"))}
    own = listed(pod.get("volumes"))
    more = [name for name in claims if name not in [table(volume).get("name") for volume in own]]
    pod["volumes"] = [*own, *({"name": name, "persistentVolumeClaim": {"claimName": name}} for name in more)]
    pods = {**template, "spec": pod}
    return {"completionMode": "Indexed", **spec, "template": pods}


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
    elif name := _name(value):
        last = f"{name}-{NODE}-0-{count - 1}{_RANDOM}"
        yield from names.too_long(last, f"the last pod's name, {last}")
