"""Wrong manifests: refused offline, each with its field and the fix. Kubeflow's schema lets most of them through."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest

from tests.launch.kubernetes.test_manifests import ARGV, FULL, ONE, OPTIONS
from trainer.job.errors import FindingsError
from trainer.job.findings import Level
from trainer.launch.kubernetes import plan as kubernetes_plan
from trainer.launch.kubernetes import rules as kubernetes_rules

CHIEF = "spec.tfReplicaSpecs.Chief"
CONTAINER = f"{CHIEF}.template.spec.containers.0"
POD = "spec.template.spec"
RULE = "spec.podFailurePolicy.rules.0"


def changed(name: str, path: str, value: Any) -> dict[str, Any]:
    """A copy of a sound manifest with another value at a path; ... removes it."""
    manifest = copy.deepcopy(kubernetes_plan.prepare(OPTIONS[name], ARGV).manifests[-1])
    at: Any = manifest
    *steps, last = [int(step) if step.isdecimal() else step for step in path.split(".")]
    for step in steps:
        at = at[step]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return manifest


WRONG = [
    # the operator's webhook
    ("tfjob", "metadata.name", "1-forecast", "metadata.name: '1-forecast'", "Set --name=forecast"),
    ("tfjob", "metadata.name", "Forecast_Job", "metadata.name: 'Forecast_Job'", "Set --name=forecast-job"),
    ("tfjob", f"{CONTAINER}.name", "trainer", "a container called 'trainer'", "Write name: tensorflow"),
    ("tfjob", f"{CONTAINER}.image", ..., "containers[0].image: no image", "Set --image"),
    ("tfjob", f"{CHIEF}.template.spec.containers", [], "containers: no container", "Write containers"),
    ("tfjob", "spec.tfReplicaSpecs.Master", {"replicas": 1}, "Chief and Master together", "Drop Master"),
    ("tfjob", "spec.tfReplicaSpecs", {}, "tfReplicaSpecs: no replicas", "Write spec.tfReplicaSpecs"),
    # what its schema lets through
    ("tfjob", f"{CHIEF}.replicas", 2, "Chief.replicas: 2 of Chief. Accepted: one", "make the others Workers"),
    ("tfjob", CHIEF, ..., "tfReplicaSpecs: no Chief", "Add a Chief with replicas: 1"),
    ("tfjob", "spec.tfReplicaSpecs.Evaluator.replicas", 3, "3 of Evaluator. Accepted: one", "Set replicas: 1"),
    ("tfjob", "spec.tfReplicaSpecs.Worker.replicas", -2, "Worker.replicas: -2 replicas", "drop the whole replica type"),
    ("tfjob", "spec.tfReplicaSpecs.Worker", ..., "parameter servers without workers", "Add a Worker"),
    ("tfjob", "spec.tfReplicaSpecs.Wroker", {"replicas": 1}, "no replica type 'Wroker'", "Did you mean Worker?"),
    ("tfjob", f"{CHIEF}.restartPolicy", "OnFail", "restartPolicy: 'OnFail'", "Did you mean OnFailure?"),
    ("tfjob", f"{CHIEF}.restartPolicy", "Never", "no restart of a preempted pod", "Write restartPolicy: ExitCode"),
    (
        "tfjob",
        f"{CHIEF}.template.spec.restartPolicy",
        "Always",
        "the operator takes it",
        "Move it to spec.tfReplicaSpecs",
    ),
    ("tfjob", "spec.runPolicy.cleanPodPolicy", "Nothing", "cleanPodPolicy: 'Nothing'", "Write None"),
    ("tfjob", "spec.runPolicy.backoffLimit", -1, "backoffLimit: -1", "Correct it"),
    ("tfjob", "apiVersion", "batch/v1", "apiVersion: 'batch/v1'", "Write apiVersion: kubeflow.org/v1"),
    # pods
    ("tfjob", f"{CONTAINER}.image", "https://Registry/x", "image: 'https://Registry/x'", "Correct --image"),
    ("tfjob", f"{CONTAINER}.resources.limits.memory", "8GB", "memory: 8GB. Accepted: a quantity", "Correct --memory"),
    ("tfjob", f"{CONTAINER}.env.0.name", "TF_CONFIG", "TF_CONFIG, the same for every pod", "Drop it"),
    ("tfjob", f"{CONTAINER}.env.0.name", "1 NAME", "env[0].name: '1 NAME'", "Correct --env"),
    (
        "tfjob",
        f"{CONTAINER}.env.0",
        {"name": "DB_PASSWORD", "value": "x"},
        "DB_PASSWORD with its value in the manifest",
        "--secret_env=DB_PASSWORD=SECRET/KEY",
    ),
    (
        "tfjob",
        f"{CONTAINER}.args.0",
        "--output_dir=/home/me",
        "--output_dir=/home/me is on one machine",
        "in a bucket",
    ),
    (
        "tfjob",
        f"{CONTAINER}.args.1",
        "--train_step=5",
        "Unknown flag --train_step",
        "Did you mean --train_steps=5?",
    ),
    ("tfjob", f"{CONTAINER}.volumeMounts.0.mountPath", "mnt", "mountPath: 'mnt'", "Write it as /mnt/data"),
    ("tfjob", f"{CHIEF}.template.spec.volumes", [], "volumeMounts[0].name: 'claim-data'", "Add the volume"),
    (
        "tfjob",
        f"{CHIEF}.template.spec.tolerations.0.effect",
        "NoScheduling",
        "'NoScheduling'",
        "Did you mean NoSchedule?",
    ),
    ("tfjob", "metadata.labels", {"team": "A team!"}, "labels.team: team=A team!", "Correct --label"),
    ("tfjob", "metadata.namespace", "My Space", "metadata.namespace: 'My Space'", "kubectl get namespaces"),
    (
        "tfjob",
        f"{CONTAINER}.ports.0.name",
        "training",
        "training, beside which the operator adds tfjob-port, with the same number",
        "Write name: tfjob-port",
    ),
    ("tfjob", f"{CONTAINER}.ports.0.containerPort", 70000, "containerPort: 70000", "Correct --port"),
    ("tfjob", f"{CONTAINER}.ports.0.name", "Port_1", "ports[0].name: 'Port_1'", "Rename it"),
    ("tfjob", "spec.runPolicy.backoffLimit", 0, "ends when a pod exits with 143", "Drop it"),
    (
        "tfjob",
        "metadata.name",
        "f" * 52,
        "-evaluator-0, has 64 characters",
        "Set a --name that is 1 characters shorter",
    ),
    ("study_job", "metadata.name", "f" * 41, "metadata.name: 'ffff", "Set a --name that is 1 characters shorter"),
    (
        "tfjob",
        f"{CONTAINER}.resources.limits",
        {"gpu": "1"},
        "no resource 'gpu'. Accepted: cpu, memory",
        "Set --gpu_resource",
    ),
    ("tfjob", f"{CONTAINER}.resources.limits", {"a.b/gpu": "0.5"}, "a.b/gpu: 0.5", "Correct --gpu_resource"),
    ("tfjob", f"{CHIEF}.template.spec.nodeSelector", {"pool": "a b"}, "pool=a b", "Correct --node_selector"),
    ("tfjob", f"{CHIEF}.template.spec.serviceAccountName", "My_SA", "serviceAccountName: 'My_SA'", "--service_account"),
    ("tfjob", f"{CHIEF}.template.spec.priorityClassName", "A b", "priorityClassName: 'A b'", "--priority_class"),
    ("tfjob", f"{CHIEF}.template.spec.imagePullSecrets.0.name", "a/b", "name: 'a/b'", "Correct --pull_secret"),
    ("tfjob", f"{CONTAINER}.env.2.valueFrom.secretKeyRef.name", "A", "secretKeyRef.name: 'A'", "Correct --secret_env"),
    ("tfjob", f"{CONTAINER}.env.2.valueFrom.secretKeyRef.key", "a/b", "secretKeyRef.key: 'a/b'", "--secret_env"),
    ("tfjob", f"{CHIEF}.template.spec.tolerations.0.key", "a b", "a b=true", "Correct --toleration"),
    ("tfjob", f"{CHIEF}.template.spec.tolerations.0.value", "a b", "=a b", "Correct --toleration"),
    ("tfjob", f"{CHIEF}.template.spec.volumes.0.name", "a.b", "volumes[0].name: 'a.b'", "Rename it"),
    (
        "tfjob",
        f"{CHIEF}.template.spec.volumes.0.persistentVolumeClaim.claimName",
        "My claim",
        "claimName: 'My claim'",
        "Correct --volume",
    ),
    (
        "tfjob",
        f"{CONTAINER}.volumeMounts.1.mountPath",
        "/mnt/data",
        "a second volume on /mnt/data. Accepted: each path once",
        "Mount it elsewhere",
    ),
    (
        "tfjob",
        f"{CONTAINER}.args.0",
        "--output_dir=gs://a/b",
        "--output_dir is in gs://a, which is not the name of a bucket",
        "Correct --output_dir",
    ),
    (
        "tfjob",
        f"{CONTAINER}.args.0",
        "--output_dir=/mnt/other/run",
        "is on one machine only. Accepted: gs://bucket/..., or a mounted volume below /gcs/ or /mnt/data",
        "Name a directory",
    ),
    # Indexed Jobs, JobSets, TrainJobs, studies
    ("job", "spec.completionMode", "NonIndexed", "completionMode: 'NonIndexed'", "Write completionMode: Indexed"),
    ("job", "spec.parallelism", 2, "2 at a time of 5 processes, which wait for each other", "Write parallelism: 5"),
    ("job", "spec.completions", 6, "the 6 processes of completions", "or completions: 5"),
    ("job", f"{POD}.restartPolicy", "Always", "restartPolicy: 'Always'", "Write restartPolicy: Never"),
    (
        "job",
        f"{POD}.restartPolicy",
        "OnFailure",
        "OnFailure together with podFailurePolicy",
        "the Job starts pods again",
    ),
    ("job", f"{POD}.containers.0.name", "main", "containerName: 'tensorflow'. Accepted: main", "containerName: main"),
    ("job", "metadata.name", "f" * 63, "-4, has 65 characters", "Set a --name that is 2 characters shorter"),
    ("job", "spec.podReplacementPolicy", "TerminatingOrFailed", "TerminatingOrFailed together with podFail", "Write"),
    ("job", "spec.maxFailedIndexes", 9, "maxFailedIndexes: 9. Accepted: up to 5", "Correct it"),
    ("job", "spec.backoffLimitPerIndex", ..., "maxFailedIndexes: 0. Accepted: with backoffLimitPerIndex", "Write"),
    ("job", f"{RULE}.onExitCodes.values", [3, 2], "values: [3, 2]. Accepted: codes in order", "Write them in order"),
    ("job", f"{RULE}.onExitCodes.values", [0, 2], "values: 0, which is no failure", "Drop it"),
    ("job", f"{RULE}.onExitCodes", ..., "rules[0]: neither exit codes nor conditions", "Write one"),
    (
        "job",
        f"{RULE}.onPodConditions",
        [{"type": "Ready"}],
        "rules[0]: both onExitCodes and onPodConditions",
        "Write two rules",
    ),
    (
        "jobset",
        "spec.successPolicy",
        {"operator": "All", "targetReplicatedJobs": ["nodes"]},
        "targetReplicatedJobs[0]: 'nodes'. Accepted: node",
        "Did you mean node?",
    ),
    ("jobset", "metadata.name", "f" * 49, "-node-0-4-abcde, has 64 characters", "that is 1 characters shorter"),
    ("jobset", "spec.replicatedJobs", [], "replicatedJobs: no jobs", "Write replicatedJobs"),
    ("trainjob", "spec.runtimeRef", {}, "runtimeRef.name: no runtime", "Write runtimeRef"),
    ("trainjob", "metadata.name", "f" * 50, "-node-0-4-abcde, has 65 characters", "that is 2 characters shorter"),
    ("trainjob", "spec.trainer.numNodes", 0, "numNodes: 0", "Set it to the number of processes"),
    ("study_job", "spec.trialTemplate.trialSpec", ..., "trialTemplate.trialSpec: no trial", "Write trialSpec"),
    (
        "study_tfjob",
        "spec.trialTemplate.trialSpec.spec.tfReplicaSpecs.Chief.replicas",
        2,
        "trialSpec.spec.tfReplicaSpecs.Chief.replicas: 2 of Chief",
        "Set replicas: 1",
    ),
]


@pytest.mark.parametrize(
    ("name", "path", "value", "told", "fix"), WRONG, ids=[f"{row[0]} {row[1]}={row[2]}"[:70] for row in WRONG]
)
def test_a_wrong_manifest_is_refused_with_its_field_and_the_fix(
    name: str, path: str, value: Any, told: str, fix: str
) -> None:
    found = [str(finding) for finding in kubernetes_rules.document(changed(name, path, value))]
    assert any(told in line and fix in line.rpartition("Accepted: ")[2] for line in found), "\n".join(found)


def test_a_name_that_is_too_long_is_said_once_with_how_much_it_has_to_lose() -> None:
    with pytest.raises(FindingsError) as refused:
        kubernetes_plan.prepare(dataclasses.replace(OPTIONS["tfjob"], name="f" * 70), ARGV)
    (line,) = str(refused.value).splitlines()[1:]
    assert line.endswith(
        "-evaluator-0, has 82 characters. Accepted: up to 63. Set a --name that is 19 characters shorter."
    )


@pytest.mark.parametrize(
    ("changes", "argv", "told"),
    [
        ({"image": None}, ARGV, "image: no image"),
        ({"output_dir": None}, ARGV, "no output directory"),
        ({"output_dir": "output"}, ARGV, "--output_dir=output is on one machine only"),
        ({"cpu": "four"}, ARGV, "cpu: four. Accepted: a quantity"),
        ({"name": "My Job"}, ARGV, "metadata.name: 'My Job'"),
        ({"env": ("API_TOKEN=abc",)}, ARGV, "API_TOKEN with its value in the manifest"),
        ({"queue": "a b"}, ARGV, "queue-name=a b. Accepted: letters, digits, '-', '_' and '.', up to 63, strings"),
        ({"volume": ("a=/m", "b=/m")}, ARGV, "a second volume on /m"),
        ({"grace_secs": 20}, ARGV, "20 s from SIGTERM to SIGKILL, and a task that takes up to 25 s to save"),
        (
            {"grace_secs": 60},
            [*ARGV, "--grace_secs=60"],
            "takes up to 60 s to save. Accepted: more than",
        ),
        ({}, ["--separate_evaluator"], "--separate_evaluator in a job without an evaluator"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_sent(changes: dict[str, Any], argv: list[str], told: str) -> None:
    with pytest.raises(FindingsError) as refused:
        kubernetes_plan.prepare(dataclasses.replace(ONE, **changes), argv)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"apiVersion": "kubeflow.org/v2beta1"},
            "apiVersion: note: kubeflow.org/v2beta1 is not known here. It is checked",
        ),
        ({"kind": "TFJobs"}, "kind: note: the kind 'TFJobs' is not known here. Did you mean TFJob?"),
        ({"kind": "Quux"}, "kind: note: the kind 'Quux' is not known here. The cluster decides whether there is one."),
    ],
)
def test_what_is_only_unknown_here_is_noted_and_left_to_the_cluster(changes: dict[str, str], told: str) -> None:
    manifest = kubernetes_plan.prepare(OPTIONS["tfjob"], ARGV).manifests[-1]
    (note,) = kubernetes_rules.document({**manifest, **changes})
    assert note.level is Level.NOTE and str(note).startswith(told)


def test_what_jobset_fills_in_may_be_left_out() -> None:
    manifest = changed("jobset", "spec.failurePolicy", ...)
    job = manifest["spec"]["replicatedJobs"][0]["template"]["spec"]
    for name in ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "maxFailedIndexes"):
        del job[name]
    del job["template"]["spec"]["restartPolicy"]
    assert kubernetes_rules.document(manifest) == []


def test_a_runtime_has_one_replica_and_a_container_called_node() -> None:
    runtime = kubernetes_plan.prepare(OPTIONS["trainjob"], ARGV).manifests[0]
    (job,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    job["replicas"] = 2
    job["template"]["spec"]["template"]["spec"]["containers"][0]["name"] = "main"
    found = [str(finding) for finding in kubernetes_rules.document(runtime)]
    assert any("replicatedJobs[0].replicas: 2. Accepted: 1, of whose job" in line for line in found)
    assert any("containers ['main']. Accepted: one called 'node'. Write name: node." in line for line in found)


def test_the_manifests_of_a_list_are_checked_one_by_one() -> None:
    items = kubernetes_plan.prepare(OPTIONS["job"], ARGV).manifests
    whole = {"apiVersion": "v1", "kind": "List", "items": items}
    assert kubernetes_rules.document(whole) == []
    (finding,) = kubernetes_rules.document({**whole, "items": [items[0], {**items[1], "specs": {}}]})
    assert str(finding).startswith("items[1].specs: no such field. ") and str(finding).endswith("Did you mean spec?")


def test_of_a_config_map_metadata_and_fields_are_checked() -> None:
    assert kubernetes_rules.document({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}) == []
    found = kubernetes_rules.document({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "A"}, "dat": {}})
    assert [finding.where for finding in found] == [("metadata", "name"), ("dat",)]


@pytest.mark.parametrize("value", [None, 3, "text", [], {"spec": 3}, {"containers": "none"}])
def test_rubbish_in_any_place_is_reported_and_never_a_crash(value: Any) -> None:
    for name in ("tfjob", "job", "jobset", "trainjob", "study_job"):
        sound = kubernetes_plan.prepare(OPTIONS[name], ARGV).manifests[-1]
        assert kubernetes_rules.document({**sound, "spec": value})
        for key in sound["spec"]:
            kubernetes_rules.document({**sound, "spec": {**sound["spec"], key: value}})
    assert FULL.num_pods == 5
