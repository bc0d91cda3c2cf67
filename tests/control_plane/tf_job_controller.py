"""What Kubeflow's training operator does with a TFJob.

Follows the operator's v1: `ReconcileJobs` and `DeletePodsAndServices` (pkg/controller.v1/common/job.go),
`ReconcilePods` (common/pod.go), `CreateNewService` (common/service.go), `genClusterSpec` (tensorflow/tensorflow.go),
`UpdateJobStatus` (tensorflow/tfjob_controller.go), the defaults of tensorflow_defaults.go, and `IsRetryableExitCode`
(pkg/util/train).
"""

from __future__ import annotations

import json

from tests.control_plane.resources import PODS, SERVICES, TF_JOBS, Manifest
from tests.control_plane.store import (
    Refusal,
    Store,
    age_secs,
    condition,
    copied,
    is_owned,
    now,
    owned,
    set_condition,
)

_CONTAINER, _PORT_NAME, _PORT = "tensorflow", "tfjob-port", 2222
_CHIEFS = ("Chief", "Master")
_ORDER = ("Chief", "Evaluator", "Master", "PS", "Worker")
_LABEL = "training.kubeflow.org/"


def reconcile(store: Store) -> None:
    for job in store.listed(TF_JOBS):
        _set_defaults(job)
        _sync(store, job)


def _set_defaults(job: Manifest) -> None:
    """The port that TF_CONFIG speaks of is the one with that name; where there is none, it is added."""
    policy = job["spec"].setdefault("runPolicy", {})
    policy.setdefault("cleanPodPolicy", "None")
    for replica in job["spec"]["tfReplicaSpecs"].values():
        replica.setdefault("replicas", 1)
        replica.setdefault("restartPolicy", "Never")
        ports = _container(replica).setdefault("ports", [])
        if not any(port.get("name") == _PORT_NAME for port in ports):
            ports.append({"name": _PORT_NAME, "containerPort": _PORT})


def _sync(store: Store, job: Manifest) -> None:
    namespace = job["metadata"]["namespace"]
    pods = [pod for pod in store.listed(PODS, namespace) if is_owned(pod, job)]
    status, policy = job.setdefault("status", {}), job["spec"]["runPolicy"]
    if condition(job, "Succeeded") or condition(job, "Failed"):
        _clean(store, policy["cleanPodPolicy"], pods)
        _expire(store, job)
        return
    if "startTime" not in status:
        status["startTime"] = now()
        set_condition(job, "Created", "TFJobCreated", f"TFJob {job['metadata']['name']} is created.")
    before = sum(entry.get("failed", 0) for entry in status.get("replicaStatuses", {}).values())
    failed = sum(pod["status"]["phase"] == "Failed" for pod in pods)
    # `exceedsBackoffLimit`: its queue counts no retries, so that only a limit of 0 is ever exceeded.
    limit, name = policy.get("backoffLimit"), job["metadata"]["name"]
    exceeded = limit is not None and failed > before and limit < 1
    past = policy.get("activeDeadlineSeconds")
    if exceeded or (past is not None and age_secs(status["startTime"]) >= past):
        why = (
            "it has reached the specified backoff limit" if exceeded else "it was active longer than specified deadline"
        )
        _clean(store, "All", pods)
        set_condition(job, "Failed", "TFJobFailed", f"Job {name} has failed because {why}")
    else:
        _reconcile_replicas(store, job, pods)
    store.replace(TF_JOBS, job)


def _reconcile_replicas(store: Store, job: Manifest, pods: list[Manifest]) -> None:
    status = job["status"]
    status["replicaStatuses"] = {kind: {} for kind in job["spec"]["tfReplicaSpecs"]}
    was_restarting = condition(job, "Restarting")
    for kind, replica in job["spec"]["tfReplicaSpecs"].items():
        for index in range(replica["replicas"]):
            name = f"{job['metadata']['name']}-{kind.lower()}-{index}"
            found = next((pod for pod in pods if pod["metadata"]["name"] == name), None)
            _make(store, job, kind, index)
            if found is not None:
                _look(store, job, kind, found)
    for kind in _ORDER:
        if kind in job["spec"]["tfReplicaSpecs"]:
            _conclude(job, kind, restarting=was_restarting or condition(job, "Restarting"))


def _look(store: Store, job: Manifest, kind: str, pod: Manifest) -> None:
    counts, phase = job["status"]["replicaStatuses"][kind], pod["status"]["phase"]
    name = {"Running": "active", "Succeeded": "succeeded", "Failed": "failed"}.get(phase)
    if name:
        counts[name] = counts.get(name, 0) + 1
    policy = job["spec"]["tfReplicaSpecs"][kind]["restartPolicy"]
    if phase != "Failed":
        return
    code = pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"]
    if policy in ("OnFailure", "Always") or (policy == "ExitCode" and code >= 128):
        store.remove(PODS, pod)
        message = f"job {job['metadata']['name']} is restarting because {kind} replica(s) failed."
        store.event(job, "TFJobRestarting", message, "Warning")
        set_condition(job, "Restarting", "TFJobRestarting", message)


def _conclude(job: Manifest, kind: str, *, restarting: bool) -> None:
    counts, name = job["status"]["replicaStatuses"][kind], job["metadata"]["name"]
    decides = kind in _CHIEFS or (kind == "Worker" and not set(_CHIEFS) & set(job["spec"]["tfReplicaSpecs"]))
    if decides and counts.get("active"):
        set_condition(job, "Running", "TFJobRunning", f"TFJob {name} is running.")
    if decides and counts.get("succeeded", 0) == job["spec"]["tfReplicaSpecs"][kind]["replicas"]:
        job["status"]["completionTime"] = now()
        set_condition(job, "Running", "TFJobRunning", f"TFJob {name} is running.", "False")
        set_condition(job, "Succeeded", "TFJobSucceeded", f"TFJob {name} successfully completed.")
    elif counts.get("failed") and not restarting:
        message = f"TFJob {name} has failed because {counts['failed']} {kind} replica(s) failed."
        set_condition(job, "Failed", "TFJobFailed", message)


def _make(store: Store, job: Manifest, kind: str, index: int) -> None:
    """A pod, and a Service of the same name with every port of the container."""
    namespace, replica = job["metadata"]["namespace"], job["spec"]["tfReplicaSpecs"][kind]
    name = f"{job['metadata']['name']}-{kind.lower()}-{index}"
    labels = {f"{_LABEL}job-name": job["metadata"]["name"], f"{_LABEL}operator-name": "tfjob-controller"}
    labels |= {f"{_LABEL}replica-type": kind.lower(), f"{_LABEL}replica-index": str(index)}
    template = copied(replica["template"])
    spec = template["spec"] | {"restartPolicy": {"ExitCode": "Never"}.get(replica["restartPolicy"], "Always")}
    if sum(entry["replicas"] for entry in job["spec"]["tfReplicaSpecs"].values()) > 1:
        config = {"cluster": _cluster(job), "task": {"type": kind.lower(), "index": index}, "environment": "cloud"}
        _container(template | {"template": template}).setdefault("env", []).append(
            {"name": "TF_CONFIG", "value": json.dumps(config)}
        )
    metadata = {"name": name, "labels": template.get("metadata", {}).get("labels", {}) | labels}
    pod = {"metadata": metadata, "spec": spec, "status": {"phase": "Pending"}}
    ports = [{"name": port["name"], "port": port["containerPort"]} for port in _container(replica)["ports"]]
    service = {
        "metadata": {"name": name, "labels": labels},
        "spec": {"clusterIP": "None", "selector": labels, "ports": ports},
    }
    try:
        if store.find(PODS, namespace, name) is None:
            store.create(PODS, namespace, owned(job, pod))
        if store.find(SERVICES, namespace, name) is None:
            store.create(SERVICES, namespace, owned(job, service))
    except Refusal as refusal:
        store.event(job, "FailedCreateService", f"Error creating: {refusal.message}", "Warning")


def _cluster(job: Manifest) -> dict[str, list[str]]:
    """Without evaluators, which are no part of the training cluster."""
    name, namespace = job["metadata"]["name"], job["metadata"]["namespace"]
    cluster = {}
    for kind, replica in job["spec"]["tfReplicaSpecs"].items():
        port = next(port["containerPort"] for port in _container(replica)["ports"] if port.get("name") == _PORT_NAME)
        hosts = [f"{name}-{kind.lower()}-{index}.{namespace}.svc:{port}" for index in range(replica["replicas"])]
        if kind != "Evaluator":
            cluster[kind.lower()] = hosts
    return cluster


def _container(replica: Manifest) -> Manifest:
    return next(entry for entry in replica["template"]["spec"]["containers"] if entry["name"] == _CONTAINER)


def _clean(store: Store, policy: str, pods: list[Manifest]) -> None:
    for pod in pods:
        if policy == "None" or (policy == "Running" and pod["status"]["phase"] not in ("Running", "Pending")):
            continue
        store.delete(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"])
        if store.find(SERVICES, pod["metadata"]["namespace"], pod["metadata"]["name"]):
            store.delete(SERVICES, pod["metadata"]["namespace"], pod["metadata"]["name"])


def _expire(store: Store, job: Manifest) -> None:
    kept = job["spec"]["runPolicy"].get("ttlSecondsAfterFinished")
    if kept is not None and age_secs(job["status"].get("completionTime") or now()) >= kept:
        store.delete(TF_JOBS, job["metadata"]["namespace"], job["metadata"]["name"])
