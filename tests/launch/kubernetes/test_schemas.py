"""The schemas of the operators: what a manifest may hold, and what is said of what it may not."""

from __future__ import annotations

from typing import Any

import pytest

from trainer.job.findings import Level
from trainer.launch.kubernetes import schemas

CONTAINER = {"name": "tensorflow", "image": "example/img:1"}
POD: dict[str, Any] = {"spec": {"containers": [CONTAINER]}}


def tf_job(**spec: Any) -> dict[str, Any]:
    replicas = {"Chief": {"replicas": 1, "template": POD}}
    return {
        "apiVersion": "kubeflow.org/v1",
        "kind": "TFJob",
        "metadata": {"name": "a"},
        "spec": {"tfReplicaSpecs": replicas} | spec,
    }


def job(**spec: Any) -> dict[str, Any]:
    return other("batch/v1", "Job", **({"template": POD} | spec))


def other(api_version: str, kind: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}, "spec": spec}


def with_cpu(amount: Any) -> dict[str, Any]:
    container = CONTAINER | {"resources": {"limits": {"cpu": amount}}}
    return tf_job(tfReplicaSpecs={"Chief": {"template": {"spec": {"containers": [container]}}}})


@pytest.mark.parametrize(
    ("manifest", "where", "told"),
    [
        (tf_job(cleanPodPolicy="All"), "spec.cleanPodPolicy", "Move it to spec.runPolicy."),
        (tf_job(tfReplicaSpec={}), "spec.tfReplicaSpec", "Did you mean tfReplicaSpecs?"),
        (
            tf_job(tfReplicaSpecs={"Chief": {"replica": 1, "template": POD}}),
            "spec.tfReplicaSpecs.Chief.replica",
            "no such field. Accepted: replicas, restartPolicy, template. Did you mean replicas?",
        ),
        (
            tf_job(runPolicy={"backoffLimit": 1 << 31}),
            "spec.runPolicy.backoffLimit",
            "2147483648. Accepted: from -2147483648 up to 2147483647. Correct it.",
        ),
        (
            with_cpu(0.5),
            "spec.tfReplicaSpecs.Chief.template.spec.containers[0].resources.limits.cpu",
            "0.5. Accepted: a whole number, or text in quotes. Correct the type.",
        ),
        (job(completionMode="indexed"), "spec.completionMode", "NonIndexed. Did you mean Indexed?"),
        (
            job(podFailurePolicy={"rules": [{"action": "Fail"}]}),
            "spec.podFailurePolicy.rules[0].action",
            "'Fail'. Accepted: Count, FailIndex, FailJob, Ignore. Did you mean FailJob?",
        ),
        (
            job(template={"spec": {}}),
            "spec.template.spec.containers",
            "nothing. Accepted: containers, which is required. Add it.",
        ),
        (job(restartPolicy="Never"), "spec.restartPolicy", "Move it to spec.template.spec."),
        (
            other("jobset.x-k8s.io/v1alpha2", "JobSet", successPolicy={"operator": "Some"}),
            "spec.successPolicy.operator",
            "'Some'. Accepted: All, Any. Use one of them.",
        ),
        (
            other("trainer.kubeflow.org/v1alpha1", "TrainJob", runtimeRef={"name": "a"}, numNodes=2),
            "spec.numNodes",
            "Move it to spec.trainer.",
        ),
        (
            other("kubeflow.org/v1beta1", "Experiment", maxTrials=3),
            "spec.maxTrials",
            "Did you mean maxTrialCount?",
        ),
        (
            other("kubeflow.org/v1beta1", "Experiment", parameters=[{"name": "a", "feasibleSpace": {"min": 5}}]),
            "spec.parameters[0].feasibleSpace.min",
            "5. Accepted: text, in quotes. Correct the type.",
        ),
        (
            other("v1", "Service", ports=[{"name": "a"}]),
            "spec.ports[0].port",
            "nothing. Accepted: port, which is required. Add it.",
        ),
    ],
)
def test_what_the_schema_does_not_accept_is_said_with_its_place(
    manifest: dict[str, Any], where: str, told: str
) -> None:
    (finding,) = map(str, schemas.schema_errors(manifest))
    assert finding.startswith(f"{where}: ") and finding.endswith(told), finding


@pytest.mark.parametrize("entry", schemas.kinds())
def test_of_every_kind_name_and_labels_are_known_and_other_fields_are_not(entry: str) -> None:
    version, _, kind = entry.partition(" ")
    sound = {"apiVersion": version, "kind": kind, "metadata": {"name": "a", "labels": {"a": "b"}}}
    found = [finding for finding in schemas.schema_errors(sound) if finding.got != "nothing"]
    assert found == []
    (finding,) = schemas.schema_errors({**sound, "metadata": {"lables": {}}})
    assert str(finding).endswith("Did you mean labels?")


def test_a_field_of_a_newer_release_is_noted_and_what_is_not_known_at_all_is_left_alone() -> None:
    (finding,) = schemas.schema_errors(job(quantumBits=3))
    assert finding.level is Level.NOTE and str(finding).endswith(
        "kubectl refuses it, unless the cluster's release is newer."
    )
    assert schemas.schema_errors({"apiVersion": "example.org/v1", "kind": "TFJob", "quux": 1}) == []
    (finding,) = schemas.schema_errors({**tf_job(tfReplicaSpec={}), "apiVersion": "kubeflow.org/v2"})
    assert finding.where == ("spec", "tfReplicaSpec")
