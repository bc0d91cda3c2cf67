"""What Kubernetes' own controllers do with an Indexed Job.

Follows pkg/controller/job of Kubernetes 1.32: `syncJob` and `manageJob` (job_controller.go), names and indexes
(indexed_job_utils.go), `matchPodFailurePolicy` (pod_failure_policy.go), and pkg/controller/ttlafterfinished. Successors
do not wait here for the ten seconds and more that they wait there.
"""

from __future__ import annotations

from typing import Any

from tests.control_plane.resources import JOBS, PODS, Manifest
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
    suffix,
)

_INDEX = "batch.kubernetes.io/job-completion-index"
_NO_LIMIT = 2**31 - 1
_LONGEST_HEAD = 58  # of a name before its random part, MaxGeneratedNameLength


def reconcile(store: Store) -> None:
    for job in store.listed(JOBS):
        if condition(job, "Complete") or condition(job, "Failed"):
            _expire(store, job)
        else:
            _sync(store, job)


def _sync(store: Store, job: Manifest) -> None:
    status = job.setdefault("status", {})
    status.setdefault("startTime", now())
    counted = status.setdefault("_counted", {})  # failures by index, where the real one keeps annotations of pods
    pods = [pod for pod in store.listed(PODS, job["metadata"]["namespace"]) if is_owned(pod, job)]
    failure = _past_deadline(job)
    for pod in pods:
        if pod["status"]["phase"] == "Failed" and pod["metadata"]["uid"] not in status.setdefault("_seen", []):
            status["_seen"].append(pod["metadata"]["uid"])
            failure = failure or _count(job, pod, counted)
    done = {_index(pod) for pod in pods if pod["status"]["phase"] == "Succeeded"}
    active = [pod for pod in pods if pod["status"]["phase"] in ("Pending", "Running")]
    if failure:
        reason, message = failure
        set_condition(job, "Failed", reason, message)
        for pod in active:
            store.delete(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"])
    elif len(done) == job["spec"].get("completions", 1):
        status["completionTime"] = now()
        set_condition(job, "Complete", "CompletionsReached", "Reached expected number of succeeded pods")
    elif not job["spec"].get("suspend"):
        _make_pods(store, job, {_index(pod) for pod in active} | done)
    failed = sum(pod["status"]["phase"] == "Failed" for pod in pods)
    status |= {"active": len(active) if not failure else 0, "succeeded": len(done), "failed": failed}
    status["ready"] = sum(pod["status"]["phase"] == "Running" for pod in pods)
    store.replace(JOBS, job)


def _make_pods(store: Store, job: Manifest, there: set[int]) -> None:
    for index in range(job["spec"].get("completions", 1)):
        if index not in there:
            try:
                store.create(PODS, job["metadata"]["namespace"], owned(job, _pod(job, index)))
            except Refusal as refusal:
                store.event(job, "FailedCreate", f"Error creating: {refusal.message}", "Warning")
                return


def _pod(job: Manifest, index: int) -> Manifest:
    """Of `getNewPodTemplate...` and `addCompletionIndex...`."""
    name, template = job["metadata"]["name"], copied(job["spec"]["template"])
    labels = template.setdefault("metadata", {}).setdefault("labels", {})
    labels |= {"batch.kubernetes.io/job-name": name, "job-name": name, _INDEX: str(index)}
    labels["batch.kubernetes.io/controller-uid"] = job["metadata"]["uid"]
    head = f"{name[: _LONGEST_HEAD - len(f'-{index}-')]}-{index}-"  # podGenerateNameWithIndex
    metadata = {"name": f"{head}{suffix()}", "labels": labels, "annotations": {_INDEX: str(index)}}
    spec = template["spec"]
    spec.setdefault("hostname", f"{name}-{index}")
    for container in spec["containers"]:
        container.setdefault("env", []).append({"name": "JOB_COMPLETION_INDEX", "value": str(index)})
    return {"metadata": metadata, "spec": spec, "status": {"phase": "Pending"}}


def _count(job: Manifest, pod: Manifest, counted: dict[str, int]) -> tuple[str, str] | None:
    """Reason and message, where this pod's failure is the job's."""
    spec, name = job["spec"], pod["metadata"]["name"]
    action, rule = _action(spec.get("podFailurePolicy", {}).get("rules", ()), pod)
    if action == "FailJob":
        code = _exit_codes(pod).get(rule["onExitCodes"].get("containerName"), "?")
        namespace = pod["metadata"]["namespace"]
        message = (
            f"Container {rule['onExitCodes'].get('containerName')} for pod {namespace}/{name} failed with exit code"
        )
        return "PodFailurePolicy", f"{message} {code} matching FailJob rule at index {rule['at']}"
    if action == "Ignore":
        return None
    index = str(_index(pod))
    counted[index] = counted.get(index, 0) + 1
    per_index = spec.get("backoffLimitPerIndex")
    if per_index is not None and (action == "FailIndex" or counted[index] > per_index):
        most, failed = spec.get("maxFailedIndexes", _NO_LIMIT), 1
        if failed > most:
            return "MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes"
        return "FailedIndexes", "Job has failed indexes"
    if sum(counted.values()) > spec.get("backoffLimit", 6 if per_index is None else _NO_LIMIT):
        return "BackoffLimitExceeded", "Job has reached the specified backoff limit"
    return None


def _action(rules: Any, pod: Manifest) -> tuple[str, Manifest]:
    """Of the first rule that matches; Count where none does."""
    for at, rule in enumerate(rules):
        if codes := rule.get("onExitCodes"):
            for container, code in _exit_codes(pod).items():
                named = codes.get("containerName") in (None, container)
                if code and named and (code in codes["values"]) == (codes["operator"] == "In"):
                    return rule["action"], rule | {"at": at}
        for wanted in rule.get("onPodConditions", ()):
            if condition(pod, wanted["type"]):
                return rule["action"], rule | {"at": at}
    return "Count", {}


def _exit_codes(pod: Manifest) -> dict[str, int]:
    statuses = pod["status"].get("containerStatuses", ())
    ended = [(entry["name"], entry["state"].get("terminated")) for entry in statuses]
    return {name: state["exitCode"] for name, state in ended if state}


def _past_deadline(job: Manifest) -> tuple[str, str] | None:
    longest = job["spec"].get("activeDeadlineSeconds")
    if longest is not None and age_secs(job["status"]["startTime"]) >= longest:
        return "DeadlineExceeded", "Job was active longer than specified deadline"
    return None


def _expire(store: Store, job: Manifest) -> None:
    kept = job["spec"].get("ttlSecondsAfterFinished")
    ended = max(entry["lastTransitionTime"] for entry in job["status"]["conditions"])
    if kept is not None and age_secs(ended) >= kept:
        store.delete(JOBS, job["metadata"]["namespace"], job["metadata"]["name"])


def _index(pod: Manifest) -> int:
    return int(pod["metadata"]["annotations"][_INDEX])
