"""What the JobSet controller does with a JobSet, and Kubeflow Trainer v2 with a TrainJob, which becomes one.

Follows `reconcile`, `constructJob` and `createHeadlessSvcIfNecessary` (pkg/controllers/jobset_controller.go) and
`executeFailurePolicy` (failure_policy.go) of kubernetes-sigs/jobset; `Trainer` (jobset/builder.go) and
`EnforceMLPolicy` (plainml/plainml.go) among the plugins of kubeflow/trainer.
"""

from __future__ import annotations

from tests.control_plane.resources import JOB_SETS, JOBS, RUNTIMES, SERVICES, TRAIN_JOBS, Manifest
from tests.control_plane.store import Store, age_secs, condition, copied, is_owned, owned, set_condition

_LABEL = "jobset.sigs.k8s.io/"
_ANCESTOR = "trainer.kubeflow.org/trainjob-ancestor-step"


def reconcile(store: Store) -> None:
    for train_job in store.listed(TRAIN_JOBS):
        _sync_train_job(store, train_job)
    for job_set in store.listed(JOB_SETS):
        _sync_job_set(store, job_set)


def _sync_job_set(store: Store, job_set: Manifest) -> None:
    metadata, spec = job_set["metadata"], job_set["spec"]
    if condition(job_set, "Completed") or condition(job_set, "Failed"):
        kept = spec.get("ttlSecondsAfterFinished")
        if kept is not None and age_secs(job_set["status"]["conditions"][-1]["lastTransitionTime"]) >= kept:
            store.delete(JOB_SETS, metadata["namespace"], metadata["name"])
        return
    status = job_set.setdefault("status", {"restarts": 0})
    children = [job for job in store.listed(JOBS, metadata["namespace"]) if is_owned(job, job_set)]
    failed = [job["metadata"]["name"] for job in children if condition(job, "Failed")]
    wanted = sum(job.get("replicas", 1) for job in spec["replicatedJobs"])
    if failed and status["restarts"] < spec.get("failurePolicy", {}).get("maxRestarts", 0):
        status["restarts"] += 1
        for job in children:
            store.delete(JOBS, metadata["namespace"], job["metadata"]["name"])
    elif failed:
        reason = "ReachedMaxRestarts" if "failurePolicy" in spec else "FailedJobs"
        set_condition(
            job_set, "Failed", reason, f"jobset failed due to one or more job failures (first failed job: {failed[0]})"
        )
    elif len([job for job in children if condition(job, "Complete")]) == wanted:
        set_condition(job_set, "Completed", "AllJobsCompleted", "jobset completed successfully")
    else:
        _make_children(store, job_set, {job["metadata"]["name"] for job in children})
    store.replace(JOB_SETS, job_set)


def _make_children(store: Store, job_set: Manifest, there: set[str]) -> None:
    metadata, spec = job_set["metadata"], job_set["spec"]
    network = spec.get("network", {})
    subdomain = network.get("subdomain") or metadata["name"]
    if network.get("enableDNSHostnames", True) and not store.find(SERVICES, metadata["namespace"], subdomain):
        selector = {f"{_LABEL}jobset-name": metadata["name"]}
        service = {"clusterIP": "None", "publishNotReadyAddresses": network.get("publishNotReadyAddresses", True)}
        value = {"metadata": {"name": subdomain}, "spec": service | {"selector": selector}}
        store.create(SERVICES, metadata["namespace"], owned(job_set, value))
    for replicated in spec["replicatedJobs"]:
        for index in range(replicated.get("replicas", 1)):
            name = f"{metadata['name']}-{replicated['name']}-{index}"
            if name not in there:
                child = _child(job_set, replicated, name, index, subdomain)
                store.create(JOBS, metadata["namespace"], owned(job_set, child))


def _child(job_set: Manifest, replicated: Manifest, name: str, index: int, subdomain: str) -> Manifest:
    template = copied(replicated["template"])
    labels = {
        f"{_LABEL}jobset-name": job_set["metadata"]["name"],
        f"{_LABEL}replicatedjob-name": replicated["name"],
        f"{_LABEL}job-index": str(index),
        f"{_LABEL}restart-attempt": str(job_set["status"]["restarts"]),
    }
    spec = template["spec"]
    pods = spec["template"].setdefault("metadata", {})
    pods["labels"] = pods.get("labels", {}) | labels
    spec["template"]["spec"]["subdomain"] = subdomain
    own = template.get("metadata", {}).get("labels", {})
    return {"metadata": {"name": name, "labels": own | labels}, "spec": spec}


def _sync_train_job(store: Store, train_job: Manifest) -> None:
    metadata = train_job["metadata"]
    namespace, name = metadata["namespace"], metadata["name"]
    job_set = store.find(JOB_SETS, namespace, name)
    if job_set is None and not train_job.get("status", {}).get("conditions"):
        store.create(JOB_SETS, namespace, owned(train_job, _job_set(store, train_job)))
        return
    for ended, shown in (("Completed", "Complete"), ("Failed", "Failed")):
        if job_set is not None and condition(job_set, ended) and not condition(train_job, shown):
            message = job_set["status"]["conditions"][-1]["message"]
            set_condition(train_job, shown, job_set["status"]["conditions"][-1]["reason"], message)
            store.replace(TRAIN_JOBS, train_job)


def _job_set(store: Store, train_job: Manifest) -> Manifest:
    metadata = train_job["metadata"]
    runtime = store.get(RUNTIMES, metadata["namespace"], train_job["spec"]["runtimeRef"]["name"])
    spec = copied(runtime["spec"]["template"]["spec"])
    nodes = train_job["spec"].get("trainer", {}).get("numNodes") or runtime["spec"].get("mlPolicy", {}).get(
        "numNodes", 1
    )
    for replicated in spec["replicatedJobs"]:
        replicated["replicas"] = 1
        if replicated["template"].get("metadata", {}).get("labels", {}).get(_ANCESTOR) == "trainer":
            replicated["template"]["spec"] |= {"parallelism": nodes, "completions": nodes}
    return {"metadata": {"name": metadata["name"], "labels": metadata.get("labels", {})}, "spec": spec}
