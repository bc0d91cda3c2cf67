"""What the API server, and the operators' webhooks, refuse of an object.

Names: apimachinery's `IsDNS1035Label` (Services, TFJobs) and `IsDNS1123Label` (others); Services' ports:
`ValidateService` in pkg/apis/core/validation; an Indexed Job's names: `ValidateJobCreate` in pkg/apis/batch/validation;
TFJobs: `validateTFJob` of the training operator's webhook; TrainJobs: the runtime has to exist
(pkg/webhooks/trainjob_webhook.go); JobSets: `ValidateCreate` in pkg/webhooks/jobset_webhook.go; Experiments:
`ValidateExperiment` in pkg/webhook/v1beta1/experiment/validator.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.control_plane.resources import (
    EVENTS,
    EXPERIMENTS,
    JOB_SETS,
    JOBS,
    PODS,
    SERVICES,
    TF_JOBS,
    TRAIN_JOBS,
    Manifest,
    Resource,
)
from tests.control_plane.store import Refusal, Store
from trainer.launch.kubernetes import schemas

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SERVICE_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LONGEST_NAME = 63
_LONGEST_EXPERIMENT_NAME = 40


def admit(store: Store, resource: Resource, value: Manifest) -> None:
    """Raises Refusal with what is wrong with the object."""
    name = str(value["metadata"].get("name") or "")
    if resource == EVENTS:
        return
    if resource == PODS:
        _require(resource, name, len(name) <= 253, "metadata.name", "must be no more than 253 characters")
        _pod(resource, name, value)
    else:
        _named(resource, name)
    rules: dict[Resource, Callable[[Store, str, Manifest], None]] = {
        SERVICES: _service,
        JOBS: _job,
        TF_JOBS: _tf_job,
        JOB_SETS: _job_set,
        TRAIN_JOBS: _train_job,
        EXPERIMENTS: _experiment,
    }
    if resource in rules:
        _fields(resource, name, value)
        rules[resource](store, name, value)


def _fields(resource: Resource, name: str, value: Manifest) -> None:
    """What the schema says of an object that a person sent; strict, as kubectl asks for it."""
    if "ownerReferences" in value["metadata"]:
        return
    typed = value | {"apiVersion": resource.group_version, "kind": resource.kind}
    for finding in schemas.schema_errors(typed):
        field = ".".join(map(str, finding.where)) if isinstance(finding.where, tuple) else str(finding.where)
        _require(resource, name, False, field, f"unknown field or wrong type: {finding.got}")


def changed(resource: Resource, before: Manifest, after: Manifest) -> None:
    """Raises Refusal where a field is changed that cannot be: `ValidateJobUpdate`, and the operators' likewise."""
    fixed = {JOBS: ("template", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "selector")}
    for field in fixed.get(resource, ()):
        same = before["spec"].get(field) == after.get("spec", {}).get(field)
        _require(resource, before["metadata"]["name"], same, f"spec.{field}", "field is immutable")


def _named(resource: Resource, name: str) -> None:
    pattern = _SERVICE_LABEL if resource in (SERVICES, TF_JOBS) else _LABEL
    fits = pattern.fullmatch(name) is not None and len(name) <= _LONGEST_NAME
    _require(resource, name, fits, "metadata.name", "a lowercase RFC label must be no more than 63 characters")


def _pod(resource: Resource, name: str, value: Manifest) -> None:
    spec = value["spec"]
    for label in (spec.get("hostname"), spec.get("subdomain")):
        fits = label is None or len(label) <= _LONGEST_NAME
        _require(resource, name, fits, "spec.hostname", "must be no more than 63 characters")
    volumes = [entry["name"] for entry in spec.get("volumes", ())]
    _require(resource, name, len(set(volumes)) == len(volumes), "spec.volumes", "Duplicate value")
    for container in spec["containers"]:
        ports = [
            (port.get("protocol", "TCP"), port.get("name")) for port in container.get("ports", ()) if "name" in port
        ]
        _require(resource, name, len(set(ports)) == len(ports), "spec.containers[0].ports", "Duplicate value")
        mounted = [mount["mountPath"] for mount in container.get("volumeMounts", ())]
        where = "spec.containers[0].volumeMounts"
        _require(resource, name, len(set(mounted)) == len(mounted), where, "must be unique")
        _require(
            resource, name, {m["name"] for m in container.get("volumeMounts", ())} <= set(volumes), where, "Not found"
        )


def _service(store: Store, name: str, value: Manifest) -> None:
    ports = value["spec"].get("ports", [])
    numbers = [(port.get("protocol", "TCP"), port["port"]) for port in ports]
    _require(SERVICES, name, len(set(numbers)) == len(numbers), "spec.ports", f"Duplicate value: {numbers[-1:]}")
    names = [port.get("name") for port in ports]
    _require(SERVICES, name, len(set(names)) == len(names), "spec.ports[1].name", "Duplicate value")
    _require(SERVICES, name, len(ports) < 2 or all(names), "spec.ports[0].name", "Required value")


def _job(store: Store, name: str, value: Manifest) -> None:
    spec = value["spec"]
    pod = spec["template"]["spec"]
    never = pod.get("restartPolicy") == "Never"
    _require(
        JOBS, name, pod.get("restartPolicy") in ("Never", "OnFailure"), "spec.template.spec.restartPolicy", "Required"
    )
    _require(JOBS, name, never or "podFailurePolicy" not in spec, "spec.template.spec.restartPolicy", "only Never")
    if spec.get("completionMode") == "Indexed":
        last = f"{name}-{spec['completions'] - 1}"
        _require(
            JOBS, name, len(last) <= _LONGEST_NAME, "metadata.name", f"will not able to create pod with hostname {last}"
        )
    else:
        _require(
            JOBS, name, "backoffLimitPerIndex" not in spec, "spec.backoffLimitPerIndex", "requires indexed completion"
        )


def _tf_job(store: Store, name: str, value: Manifest) -> None:
    replicas = value["spec"].get("tfReplicaSpecs") or {}
    _require(TF_JOBS, name, bool(replicas), "spec.tfReplicaSpecs", "must be specified")
    for kind, replica in replicas.items():
        where = f"spec.tfReplicaSpecs[{kind}]"
        _require(TF_JOBS, name, kind in ("Chief", "Master", "Worker", "PS", "Evaluator"), where, "not supported")
        names = [container["name"] for container in replica["template"]["spec"]["containers"]]
        _require(TF_JOBS, name, "tensorflow" in names, where, "must have at least one container with name tensorflow")


def _job_set(store: Store, name: str, value: Manifest) -> None:
    for job in value["spec"]["replicatedJobs"]:
        count, spec = job.get("replicas", 1), job["template"]["spec"]
        child = f"{name}-{job['name']}-{count - 1}"
        _require(JOB_SETS, name, len(child) <= _LONGEST_NAME, "metadata.name", f"job name {child} is too long")
        pod = f"{child}-{spec.get('completions', 1) - 1}-abcde"
        _require(JOB_SETS, name, len(pod) <= _LONGEST_NAME, "metadata.name", f"pod name {pod} is too long")


def _train_job(store: Store, name: str, value: Manifest) -> None:
    from tests.control_plane.resources import RUNTIMES

    runtime = value["spec"]["runtimeRef"]["name"]
    there = store.find(RUNTIMES, value["metadata"]["namespace"], runtime) is not None
    _require(TRAIN_JOBS, name, there, "spec.runtimeRef", f'TrainingRuntime.trainer.kubeflow.org "{runtime}" not found')


def _experiment(store: Store, name: str, value: Manifest) -> None:
    spec = value["spec"]
    _require(EXPERIMENTS, name, len(name) <= _LONGEST_EXPERIMENT_NAME, "metadata.name", "at most 40 characters")
    counts = spec.get("parallelTrialCount", 3) <= spec["maxTrialCount"]
    _require(EXPERIMENTS, name, counts, "spec.parallelTrialCount", "should be less than or equal to spec.maxTrialCount")


def _require(resource: Resource, name: str, holds: bool, field: str, why: str) -> None:
    if not holds:
        message = f'{resource.kind}.{resource.group or "v1"} "{name}" is invalid: {field}: Invalid value: {why}'
        raise Refusal(422, "Invalid", message)
