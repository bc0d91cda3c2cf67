"""Manifests of other programs, as the operators' own examples write them: what clusters take is not refused."""

from __future__ import annotations

import pathlib

import pytest

from trainer.job.findings import Finding, Level
from trainer.launch import validate

JOB_SET = """
apiVersion: jobset.x-k8s.io/v1alpha2
kind: JobSet
metadata: {name: theirs}
spec:
%s
  replicatedJobs:
  - name: workers
    template:
      spec:
        template:
          spec:
            restartPolicy: Never
            containers:
            - {name: main, image: busybox%s}
%s
"""
CLAIMS = """
  volumeClaimPolicies:
  - templates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"""
UNNAMED_RULE = """
  failurePolicy:
    rules:
    - {action: FailJobSet, onJobFailureReasons: [PodFailurePolicy]}
"""
EMPTY_CONDITIONS = """
        podFailurePolicy:
          rules:
          - {action: FailJob, onPodConditions: [], onExitCodes: {containerName: main, operator: In, values: [1]}}
"""
WORKERS = """
apiVersion: kubeflow.org/v1
kind: TFJob
metadata: {name: theirs}
spec:
  tfReplicaSpecs:
    Worker:
      replicas: 2
      restartPolicy: OnFailure
      template:
        %s
        spec:
          containers:
          - {name: tensorflow, image: theirs/mnist, %s}
"""
QUEUE = """
apiVersion: batch/v1
kind: Job
metadata: {name: theirs}
spec:
  completions: 8
  parallelism: 2
  template:
    spec:
      restartPolicy: OnFailure
      containers:
      - {name: main, image: busybox, command: [work]}
"""
SEARCH_OF_STRUCTURES = """
apiVersion: kubeflow.org/v1beta1
kind: Experiment
metadata: {name: theirs}
spec:
  objective: {type: maximize, objectiveMetricName: accuracy}
  algorithm: {algorithmName: enas}
  nasConfig:
    graphConfig: {numLayers: 1, inputSizes: [32, 32, 3], outputSizes: [10]}
    operations: [{operationType: convolution, parameters: []}]
  trialTemplate: {configMap: {configMapName: t, configMapNamespace: n, templatePath: p}}
"""


def found_in(text: str, directory: pathlib.Path) -> list[Finding]:
    path = directory / "manifest.yaml"
    path.write_text(text)
    _, findings = validate.check(str(path), validate.formats())
    return [finding for finding in findings if finding.level is Level.ERROR]


@pytest.mark.parametrize(
    "text",
    [
        JOB_SET % ("", "", ""),
        JOB_SET % (CLAIMS, ", volumeMounts: [{name: data, mountPath: /data}]", ""),
        JOB_SET % (UNNAMED_RULE, "", ""),
        JOB_SET % ("", "", EMPTY_CONDITIONS),
        JOB_SET % ("", "", "") + "---\n# kind: Secret\n",
        WORKERS % ("", "command: [python, mnist.py]"),
        (WORKERS % ("", "command: [python, mnist.py]")).replace("OnFailure", "Never"),
        QUEUE,
        SEARCH_OF_STRUCTURES,
    ],
    ids=[
        "plain",
        "claims",
        "unnamed rule",
        "empty conditions",
        "comments at the end",
        "no chief",
        "no restart",
        "queue",
        "structures",
    ],
)
def test_what_a_cluster_takes_is_accepted(text: str, tmp_path: pathlib.Path) -> None:
    assert found_in(text, tmp_path) == []


def test_a_job_of_this_package_needs_a_chief_and_a_directory_whoever_wrote_it(tmp_path: pathlib.Path) -> None:
    labelled = "metadata: {labels: {app.kubernetes.io/name: trainer}}"
    for text in (WORKERS % ("", "args: [--train_steps=10]"), WORKERS % (labelled, "args: []")):
        said = "\n".join(map(str, found_in(text, tmp_path)))
        assert "no Chief. Accepted: exactly one Chief" in said and "no output directory" in said


def test_a_mount_without_its_volume_is_still_found(tmp_path: pathlib.Path) -> None:
    (finding,) = found_in(JOB_SET % (CLAIMS, ", volumeMounts: [{name: dat, mountPath: /data}]", ""), tmp_path)
    assert finding.got.endswith("'dat'") and "data" in str(finding.accept)


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("  coordinator: {replicatedJob: worker}", "coordinator.replicatedJob: 'worker'. Accepted: workers. Did you"),
        ("  successPolicy: {operator: All, targetReplicatedJobs: [a]}", "targetReplicatedJobs[0]: 'a'. Accepted: work"),
        (UNNAMED_RULE[:-2] + ", targetReplicatedJobs: [b]}", "rules[0].targetReplicatedJobs[0]: 'b'. Accepted: work"),
    ],
)
def test_references_to_jobs_that_there_are_none_of_are_found(field: str, told: str, tmp_path: pathlib.Path) -> None:
    assert told in "\n".join(map(str, found_in(JOB_SET % (field, "", ""), tmp_path)))


def test_a_job_can_only_wait_for_one_that_comes_before_it(tmp_path: pathlib.Path) -> None:
    text = (JOB_SET % ("", "", "")).rstrip() + "\n    dependsOn: [{name: workers, status: Complete}]\n"
    (finding,) = found_in(text, tmp_path)
    assert "dependsOn[0].name: 'workers'. Accepted: nothing: no job comes before it" in str(finding)


def test_whom_the_operator_does_not_know_cannot_manage_its_jobs(tmp_path: pathlib.Path) -> None:
    text = (WORKERS % ("", "command: [a]")).replace("spec:\n", "spec:\n  runPolicy: {managedBy: other}\n", 1)
    assert "managedBy: 'other'. Accepted: kubeflow.org/training-operator" in str(found_in(text, tmp_path)[0])
