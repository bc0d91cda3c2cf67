"""What Katib does with an Experiment: trials from values of its space, and the pods of their jobs changed on the way.

Follows pkg/controller.v1beta1 (experiment, trial: conditions of jobs; `GetRunSpecWithHyperParameters` of
experiment/manifest) and `wrapWorkerContainer` (pkg/webhook/v1beta1/pod/utils.go), which joins command and arguments
with spaces for `sh -c`. Values are chosen at the ends and in the middle of their ranges, by no algorithm.
"""

from __future__ import annotations

import json
import posixpath

from tests.control_plane.resources import EXPERIMENTS, JOBS, TF_JOBS, TRIALS, Manifest, Resource
from tests.control_plane.store import Store, condition, hexadecimal, owned, set_condition

_KINDS: dict[str, Resource] = {"Job": JOBS, "TFJob": TF_JOBS}
_ENDS = {"Job": ("Complete", "Failed"), "TFJob": ("Succeeded", "Failed")}
_TRIAL = "katib.kubeflow.org/trial"


def reconcile(store: Store) -> None:
    for experiment in store.listed(EXPERIMENTS):
        if not condition(experiment, "Succeeded") and not condition(experiment, "Failed"):
            _sync(store, experiment)


def _sync(store: Store, experiment: Manifest) -> None:
    metadata, spec = experiment["metadata"], experiment["spec"]
    label = {"katib.kubeflow.org/experiment": metadata["name"]}
    trials = store.listed(TRIALS, metadata["namespace"], label)
    for trial in trials:
        _sync_trial(store, trial)
    ended = [trial for trial in trials if condition(trial, "Succeeded") or condition(trial, "Failed")]
    failed = sum(condition(trial, "Failed") for trial in ended)
    status = experiment.setdefault("status", {"conditions": []})
    status |= {"trials": len(trials), "trialsFailed": failed, "trialsSucceeded": len(ended) - failed}
    if failed > spec.get("maxFailedTrialCount", spec["maxTrialCount"]):
        set_condition(experiment, "Failed", "ExperimentMaxFailedTrialsReached", "Experiment has failed")
    elif len(ended) == spec["maxTrialCount"]:
        message = "Experiment has succeeded because max trial count has reached"
        set_condition(experiment, "Succeeded", "ExperimentMaxTrialsReached", message)
    else:
        running, left = len(trials) - len(ended), spec["maxTrialCount"] - len(trials)
        for number in range(min(left, spec.get("parallelTrialCount", 3) - running)):
            _make_trial(store, experiment, len(trials) + number, label)
    store.replace(EXPERIMENTS, experiment)


def _make_trial(store: Store, experiment: Manifest, number: int, label: dict[str, str]) -> None:
    metadata, template = experiment["metadata"], experiment["spec"]["trialTemplate"]
    name = f"{metadata['name']}-{hexadecimal(8)}"
    values = {entry["name"]: _value(entry, number) for entry in experiment["spec"]["parameters"]}
    text = json.dumps(template["trialSpec"])
    for parameter in template["trialParameters"]:
        value = name if parameter["reference"] == "${trialSpec.Name}" else values[parameter["reference"]]
        text = text.replace(f"${{trialParameters.{parameter['name']}}}", value)
    job = json.loads(text)
    job["metadata"] = job.get("metadata", {}) | {"name": name, "namespace": metadata["namespace"]}
    _mutate(experiment, job)
    kept = {"metadata": {"name": name, "labels": label}, "spec": {"kind": job["kind"], "values": values}}
    trial = store.create(TRIALS, metadata["namespace"], owned(experiment, kept))
    store.create(_KINDS[job["kind"]], metadata["namespace"], owned(trial, job))


def _value(parameter: Manifest, number: int) -> str:
    space = parameter["feasibleSpace"]
    if "list" in space:
        return str(space["list"][number % len(space["list"])])
    low, high = float(space["min"]), float(space["max"])
    value = low + (high - low) * (0.5, 0.0, 1.0)[number % 3]
    return str(int(value)) if parameter["parameterType"] == "int" else str(value)


def _mutate(experiment: Manifest, job: Manifest) -> None:
    """As the webhook does with the pod, here with the template that it is made from."""
    template = experiment["spec"]["trialTemplate"]
    path = experiment["spec"]["metricsCollectorSpec"]["source"]["fileSystemPath"]["path"]
    for pods in _templates(job, template.get("primaryPodLabels", {})):
        for container in pods["spec"]["containers"]:
            if container["name"] == template["primaryContainerName"]:
                words = [*container["command"], *container.get("args", ())]
                done = f"&& echo completed > {posixpath.dirname(path)}/$$$$.pid"
                is_shell = words[0] in ("sh", "bash") and words[1] == "-c"
                container["command"] = words[:2] if is_shell else ["sh", "-c"]
                container["args"] = [" ".join([*(words[2:] if is_shell else words), done])]
                mount = {"name": "metrics-volume", "mountPath": posixpath.dirname(path)}
                container.setdefault("volumeMounts", []).append(mount)
        pods["spec"].setdefault("volumes", []).append({"name": "metrics-volume", "emptyDir": {}})


def _templates(job: Manifest, labels: dict[str, str]) -> list[Manifest]:
    """Of the primary pods: those whose role the labels name, of a Job all, since its pods are alike."""
    if job["kind"] != "TFJob":
        return [job["spec"]["template"]]
    role = labels.get("training.kubeflow.org/replica-type")
    replicas = job["spec"]["tfReplicaSpecs"]
    return [replica["template"] for kind, replica in replicas.items() if role in (None, kind.lower())]


def _sync_trial(store: Store, trial: Manifest) -> None:
    kind, metadata = trial["spec"]["kind"], trial["metadata"]
    job = store.find(_KINDS[kind], metadata["namespace"], metadata["name"])
    succeeded, failed = _ENDS[kind]
    if job is None or condition(trial, "Succeeded") or condition(trial, "Failed"):
        return
    if condition(job, failed):
        set_condition(trial, "Failed", "TrialFailed", "Trial has failed")
    elif condition(job, succeeded):
        set_condition(trial, "Succeeded", "TrialSucceeded", "Trial has succeeded")
    store.replace(TRIALS, trial)
