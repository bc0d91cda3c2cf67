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
        SEARCH_OF_STRUCTURES,
    ],
    ids=["plain", "claims", "unnamed rule", "empty conditions", "comments at the end", "no chief", "structures"],
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
