"""The kinds that the server knows, and the answers to a client that asks which there are."""

from __future__ import annotations

import dataclasses
from typing import Any

Manifest = dict[str, Any]
_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Resource:
    """One kind, as an API group serves it."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def group_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def full_name(self) -> str:
        """`tfjobs.kubeflow.org`, as errors and commands have it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


PODS = Resource(group="", version="v1", plural="pods", kind="Pod")
SERVICES = Resource(group="", version="v1", plural="services", kind="Service")
EVENTS = Resource(group="", version="v1", plural="events", kind="Event")
NAMESPACES = Resource(group="", version="v1", plural="namespaces", kind="Namespace", namespaced=False)
QUOTAS = Resource(group="", version="v1", plural="resourcequotas", kind="ResourceQuota")
JOBS = Resource(group="batch", version="v1", plural="jobs", kind="Job")
TF_JOBS = Resource(group="kubeflow.org", version="v1", plural="tfjobs", kind="TFJob")
JOB_SETS = Resource(group="jobset.x-k8s.io", version="v1alpha2", plural="jobsets", kind="JobSet")
_TRAINER = "trainer.kubeflow.org"
TRAIN_JOBS = Resource(group=_TRAINER, version="v1alpha1", plural="trainjobs", kind="TrainJob")
RUNTIMES = Resource(group=_TRAINER, version="v1alpha1", plural="trainingruntimes", kind="TrainingRuntime")
EXPERIMENTS = Resource(group="kubeflow.org", version="v1beta1", plural="experiments", kind="Experiment")
TRIALS = Resource(group="kubeflow.org", version="v1beta1", plural="trials", kind="Trial")
CORE = (PODS, SERVICES, EVENTS, NAMESPACES, QUOTAS, JOBS)
OPERATORS = (TF_JOBS, JOB_SETS, TRAIN_JOBS, RUNTIMES, EXPERIMENTS, TRIALS)


def discovery(path: str, known: tuple[Resource, ...]) -> Manifest | None:
    """The answer to a question about groups and kinds; None where the path asks for something else."""
    if path == "/version":
        return {"major": "1", "minor": "32", "gitVersion": "v1.32.0"}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": _groups(known)}
    if path == "/openapi/v3":
        versions = {resource.group_version for resource in known}
        paths = {_prefix(version): {"serverRelativeURL": f"/openapi/v3/{_prefix(version)}"} for version in versions}
        return {"paths": paths}
    for version in {resource.group_version for resource in known}:
        of_version = [resource for resource in known if resource.group_version == version]
        if path == f"/{_prefix(version)}":
            listed = [_listed(resource) for resource in of_version]
            return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": listed}
        if path == f"/openapi/v3/{_prefix(version)}":
            return _open_api(of_version)
    return None


def _prefix(group_version: str) -> str:
    return f"apis/{group_version}" if "/" in group_version else f"api/{group_version}"


def _groups(known: tuple[Resource, ...]) -> list[Manifest]:
    groups: dict[str, list[Manifest]] = {}
    for resource in known:
        entry = {"groupVersion": resource.group_version, "version": resource.version}
        if resource.group and entry not in groups.setdefault(resource.group, []):
            groups[resource.group].append(entry)
    return [{"name": name, "versions": versions, "preferredVersion": versions[0]} for name, versions in groups.items()]


def _listed(resource: Resource) -> Manifest:
    return {
        "name": resource.plural,
        "singularName": resource.kind.lower(),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": _VERBS,
    }


def _open_api(resources: list[Resource]) -> Manifest:
    """Just enough that a client leaves the check of fields to the server, as it does with a real one."""
    paths = {}
    for resource in resources:
        place = "namespaces/{namespace}/" if resource.namespaced else ""
        kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
        parameters = [{"name": name, "in": "query"} for name in ("fieldValidation", "dryRun")]
        operation = {"x-kubernetes-group-version-kind": kind, "parameters": parameters}
        path = f"/{_prefix(resource.group_version)}/{place}{resource.plural}/{{name}}"
        paths[path] = {"patch": operation, "parameters": []}
    return {"openapi": "3.0.0", "info": {"title": "tests", "version": "1"}, "paths": paths}
