"""Experiments that Katib would refuse, or run in another way than they look."""

from __future__ import annotations

import copy
import pathlib
from typing import Any

import pytest
import yaml

from trainer.job.findings import Level
from trainer.launch.kubernetes import rules as kubernetes_rules

SOUND: dict[str, Any] = yaml.safe_load("""
apiVersion: kubeflow.org/v1beta1
kind: Experiment
metadata: {name: search}
spec:
  objective: {type: minimize, objectiveMetricName: loss}
  algorithm: {algorithmName: random}
  parallelTrialCount: 3
  maxTrialCount: 12
  maxFailedTrialCount: 3
  parameters:
  - {name: epochs, parameterType: int, feasibleSpace: {min: "5", max: "20"}}
  - {name: rate, parameterType: double, feasibleSpace: {min: "0.1", max: "0.5", distribution: logUniform}}
  - {name: kind, parameterType: categorical, feasibleSpace: {list: [a, b]}}
  - {name: size, parameterType: discrete, feasibleSpace: {list: ["1", "2.5"]}}
  metricsCollectorSpec:
    collector: {kind: File}
    source: {fileSystemPath: {path: /var/log/katib/metrics.log, kind: File, format: TEXT}}
  trialTemplate:
    primaryContainerName: main
    trialParameters:
    - {name: epochs, reference: epochs}
    - {name: rate, reference: rate}
    - {name: kind, reference: kind}
    - {name: size, reference: size}
    - {name: trial, reference: "${trialSpec.Name}"}
    trialSpec:
      apiVersion: batch/v1
      kind: Job
      spec:
        template:
          spec:
            restartPolicy: Never
            containers:
            - name: main
              image: example/img:1
              command: [python, train.py]
              args:
              - --epochs=${trialParameters.epochs}
              - --rate=${trialParameters.rate}
              - --kind=${trialParameters.kind}
              - --size=${trialParameters.size}
              - --name=${trialParameters.trial}
""")
TEMPLATE = "spec.trialTemplate"
CONTAINER = f"{TEMPLATE}.trialSpec.spec.template.spec.containers.0"


def changed(path: str, value: Any) -> dict[str, Any]:
    """The sound Experiment with another value at a path; ... removes it."""
    manifest = copy.deepcopy(SOUND)
    at: Any = manifest
    *steps, last = [int(step) if step.isdecimal() else step for step in path.split(".")]
    for step in steps:
        at = at[step]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return manifest


def test_a_sound_one_is_accepted() -> None:
    assert kubernetes_rules.document(SOUND) == []


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("metadata.name", "s" * 41, "metadata.name: 'sssss"),
        ("spec.parallelTrialCount", 13, "spec.parallelTrialCount: 13. Accepted: a whole number from 1 up, to max"),
        ("spec.maxTrialCount", 0, "spec.maxTrialCount: 0. Accepted: a whole number from 1 up."),
        ("spec.maxFailedTrialCount", -1, "spec.maxFailedTrialCount: -1. "),
        ("spec.objective.type", "minimise", "spec.objective.type: 'minimise'. Accepted: minimize or maximize. Did you"),
        ("spec.objective.objectiveMetricName", ..., "spec.objective.objectiveMetricName: no metric. "),
        ("spec.objective.additionalMetricNames", ["loss"], "additionalMetricNames: loss, which is the objective."),
        ("spec.objective.metricStrategies", [{"name": "loss", "value": "mean"}], "value: 'mean'. Accepted: min, max"),
        ("spec.algorithm", ..., "spec.algorithm.algorithmName: no algorithm. Accepted: tpe, random"),
        ("spec.resumePolicy", "Ever", "spec.resumePolicy: 'Ever'. Accepted: Never, LongRunning, FromVolume."),
        ("spec.parameters", ..., "spec.parameters: nothing to search. "),
        ("spec.parameters.0.parameterType", "integer", "parameterType: 'integer'. Accepted: double, int, categorical"),
        ("spec.parameters.0.feasibleSpace.min", ..., "feasibleSpace.min: nothing. Accepted: min, a number in quotes."),
        ("spec.parameters.0.feasibleSpace.min", "1.5", "feasibleSpace.min: '1.5'. Accepted: a whole number in quotes."),
        ("spec.parameters.1.feasibleSpace.min", "0.7", "feasibleSpace.min: 0.7, above max. Accepted: up to 0.5."),
        ("spec.parameters.1.feasibleSpace.list", ["1"], "feasibleSpace.list: a list. Accepted: min and max for double"),
        ("spec.parameters.1.feasibleSpace.distribution", "log", "Accepted: uniform, logUniform, normal, logNormal."),
        ("spec.parameters.2.feasibleSpace", {"min": "1"}, "feasibleSpace.min: '1'. Accepted: a list for categorical."),
        ("spec.parameters.3.feasibleSpace.list", ["x"], "feasibleSpace.list[0]: 'x'. Accepted: a number in quotes."),
        ("spec.parameters.3.feasibleSpace", {}, "feasibleSpace: nothing. Accepted: min and max, or list."),
        (
            "spec.metricsCollectorSpec.collector.kind",
            "Fil",
            "collector.kind: 'Fil'. Accepted: StdOut, File, TensorFlow",
        ),
        (
            "spec.metricsCollectorSpec.source.fileSystemPath.path",
            "a",
            "fileSystemPath.path: 'a'. Accepted: an absolute",
        ),
        ("spec.metricsCollectorSpec.source.fileSystemPath.kind", "Directory", "kind: 'Directory'. Accepted: File for"),
        ("spec.metricsCollectorSpec.source.fileSystemPath.format", "CSV", "format: 'CSV'. Accepted: TEXT or JSON."),
        (f"{TEMPLATE}.trialSpec", ..., "trialSpec: no trial. Accepted: a TFJob or a Job."),
        (f"{TEMPLATE}.primaryContainerName", "mian", "no container mian. Accepted: main. Did you mean main?"),
        (f"{TEMPLATE}.primaryContainerName", ..., "primaryContainerName: no container. "),
        (
            f"{TEMPLATE}.trialParameters.0.reference",
            "epoch",
            "no parameter 'epoch'. Accepted: epochs, rate, kind, size.",
        ),
        (f"{TEMPLATE}.trialParameters.0.name", "rate", "trialParameters[1]: name 'rate', reference 'rate'. Accepted: "),
        (
            f"{TEMPLATE}.trialParameters.0",
            {"name": "epochs"},
            "name 'epochs', reference ''. Accepted: both, each once.",
        ),
        (
            f"{TEMPLATE}.trialParameters.4.name",
            "other",
            "other is not used. Accepted: ${trialParameters.other} in trial",
        ),
        (f"{CONTAINER}.args.0", "--epochs=5", "trialParameters[0].name: epochs is not used."),
        (
            f"{CONTAINER}.args.4",
            "${trialParameters.trail}",
            "${trialParameters.trail}, which is none of them. Accepted: ",
        ),
        (
            f"{TEMPLATE}.trialParameters.3",
            {"name": "kind2", "reference": "a"},
            "trialParameters[3].reference: no param",
        ),
        (
            f"{TEMPLATE}.trialSpec.metadata",
            {"name": "a"},
            "trialSpec.metadata.name: 'a'. Accepted: none: Katib gives it",
        ),
        (f"{TEMPLATE}.trialSpec.kind", "JobSet", "successCondition: nothing. Accepted: a condition, for kinds other"),
        (f"{CONTAINER}.args.4", "--x=a b", "args[4]: '--x=a b', which a shell takes apart. Accepted: words quoted"),
        (f"{CONTAINER}.args.4", "--x='a'$b", "which a shell takes apart"),
        (f"{CONTAINER}.command", ["python", "-c", "print(1)"], "command[2]: 'print(1)', which a shell takes apart."),
        (f"{TEMPLATE}.primaryPodLabel", {}, "trialTemplate.primaryPodLabel: no such field. "),
        (f"{CONTAINER}.arg", [], "trialSpec.spec.template.spec.containers[0].arg: no such field. "),
    ],
)
def test_a_wrong_one_is_refused_at_its_field(path: str, value: Any, told: str) -> None:
    found = [
        str(finding) for finding in kubernetes_rules.document(changed(path, value)) if finding.level is Level.ERROR
    ]
    assert any(told in line for line in found), "\n".join(found)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"{CONTAINER}.args.4", "'--x=a b;c' "),
        (f"{CONTAINER}.command", ["sh", "-c"]),
        ("spec.metricsCollectorSpec", {"collector": {"kind": "Push"}}),
        ("spec.maxTrialCount", ...),
    ],
)
def test_what_katib_takes_is_accepted(path: str, value: Any) -> None:
    found = kubernetes_rules.document(changed(path, value))
    assert [str(finding) for finding in found if "trial" not in str(finding)] == []


def test_what_only_the_cluster_knows_is_noted() -> None:
    (no_command,) = kubernetes_rules.document(changed(f"{CONTAINER}.command", ...))[:1]
    assert no_command.level is Level.NOTE and "asks the image's registry for its entry point" in no_command.got
    (algorithm,) = kubernetes_rules.document(changed("spec.algorithm.algorithmName", "simulated-annealing"))
    assert algorithm.level is Level.NOTE and "Katib's configuration in the cluster decides" in str(algorithm)


def test_a_trial_in_a_config_map_is_left_to_the_cluster(tmp_path: pathlib.Path) -> None:
    reference = {"configMapName": "a", "configMapNamespace": "b", "templatePath": "c"}
    template = {"configMap": reference, "primaryContainerName": "main"}
    assert kubernetes_rules.document(changed(TEMPLATE, template)) == []
