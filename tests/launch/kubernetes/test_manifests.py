"""Manifests for Kubernetes: golden files, the official models, and that pods learn from them who they are."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from kubernetes import client as official

from tests.conftest import Golden
from tests.launch.vertex_requests import ROOT
from trainer.job.cluster import from_environment
from trainer.job.errors import FindingsError, UsageError
from trainer.launch.files import render
from trainer.launch.kubernetes import plan as kubernetes_plan
from trainer.launch.kubernetes import rules as kubernetes_rules
from trainer.launch.kubernetes import submit
from trainer.launch.kubernetes.options import KubernetesOptions, Spot, Workload

IMAGE = "us-docker.pkg.dev/my-project/train/trainer:1.0"
ARGV = ["--train_steps=1000"]
ONE = KubernetesOptions(image=IMAGE, output_dir="gs://my-bucket/runs/a")
FULL = KubernetesOptions(
    name="forecast",
    namespace="training",
    image=IMAGE,
    output_dir="gs://my-bucket/runs/a",
    worker=2,
    ps=1,
    evaluator=1,
    cpu="4",
    memory="8Gi",
    timeout_secs=86400,
    ttl_secs=3600,
    spot=Spot.GKE,
    node_selector=("pool=training",),
    toleration=("dedicated=training:NoSchedule", "gone:NoExecute"),
    service_account="trainer",
    pull_secret=("registry",),
    env=("TF_CPP_MIN_LOG_LEVEL=2", "GOOGLE_APPLICATION_CREDENTIALS=/var/secrets/google/key.json"),
    secret_env=("API_KEY=my-secret/key",),
    secret_file=("google=/var/secrets/google",),
    volume=("data=/mnt/data",),
    label=("team=forecast",),
    priority_class="batch-low",
    queue="forecasts",
)
STUDY = str(ROOT / "tests" / "launch" / "vertex_sweep.yaml")
OPTIONS = {
    "one": ONE,
    **{
        kind.value: dataclasses.replace(FULL, kind=kind, ttl_secs=None if kind is Workload.TRAINJOB else FULL.ttl_secs)
        for kind in Workload
    },
    "gpu": dataclasses.replace(ONE, kind=Workload.TFJOB, worker=1, ps=1, gpu=2, spot=Spot.EKS),
    "study_job": dataclasses.replace(ONE, name="study", worker=1, evaluator=1, config=STUDY),
    "study_tfjob": dataclasses.replace(ONE, name="study", kind=Workload.TFJOB, worker=1, config=STUDY),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_each_manifest_is_as_in_its_golden_file(name: str, golden: Golden) -> None:
    manifests = kubernetes_plan.prepare(OPTIONS[name], ARGV).manifests
    golden(f"kubernetes/{name}.yaml", render.text(manifests, render.Format.YAML))


def unknown_fields(value: Any, kind: str, path: str = "") -> Iterator[str]:
    """Fields that a model of the official client does not have, and values of other types; the client is silent."""
    kind = kind.replace("List[", "list[").replace("Dict[", "dict(")
    if kind.startswith("list["):
        assert isinstance(value, list), f"{path} is no list"
        for index, item in enumerate(value):
            yield from unknown_fields(item, kind[5:-1], f"{path}[{index}]")
    elif kind.startswith("dict("):
        yield from (f"{path}.{key}" for key, item in value.items() if not isinstance(item, str))
    elif kind in ("str", "int", "bool"):
        wanted = {"str": str, "int": int, "bool": bool}[kind]
        if type(value) is not wanted:
            yield f"{path} is {value!r}, no {kind}"
    elif kind not in ("object", "datetime"):
        model = getattr(official, kind)
        types = {model.attribute_map[name]: type_of for name, type_of in model.openapi_types.items()}
        for key, item in value.items():
            if key not in types:
                yield f"{path}.{key}"
            else:
                yield from unknown_fields(item, types[key], f"{path}.{key}")


def pod_templates(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every pod template in a manifest."""
    if isinstance(value, dict):
        if "containers" in (value.get("spec") or {}) and "kind" not in value:
            yield value
        for item in value.values():
            yield from pod_templates(item)
    elif isinstance(value, list):
        for item in value:
            yield from pod_templates(item)


@pytest.mark.parametrize("name", OPTIONS)
def test_the_official_models_know_every_field(name: str) -> None:
    kinds = {"Job": "V1Job", "Service": "V1Service"}
    for manifest in kubernetes_plan.prepare(OPTIONS[name], ARGV).manifests:
        if manifest["kind"] in kinds:
            assert list(unknown_fields(manifest, kinds[manifest["kind"]])) == []
        templates = list(pod_templates(manifest))
        assert templates or manifest["kind"] in ("Service", "TrainJob")
        for template in templates:
            assert list(unknown_fields(template, "V1PodTemplateSpec")) == []


@pytest.mark.parametrize("kind", [Workload.JOB, Workload.JOBSET, Workload.TRAINJOB])
def test_each_pod_of_an_indexed_job_finds_its_place_in_the_cluster(kind: Workload) -> None:
    manifests = kubernetes_plan.prepare(OPTIONS[kind.value], ARGV).manifests
    container = next(iter(pod_templates(manifests)))["spec"]["containers"][0]
    environ = {entry["name"]: entry.get("value", "") for entry in container["env"]}
    members = [from_environment({**environ, "JOB_COMPLETION_INDEX": str(index)}) for index in range(5)]
    assert [f"{member.task_type} {member.task_id}" for member in members] == [
        *("chief 0", "worker 0", "worker 1", "ps 0", "evaluator 0")
    ]
    host = {"job": "forecast-3.forecast", "jobset": "forecast-node-0-3.forecast"}
    assert members[0].jobs["ps"][0] == f"{host.get(kind.value, host['jobset'])}:2222"


def test_exit_code_143_is_not_counted_and_2_ends_the_job() -> None:
    (manifest,) = kubernetes_plan.prepare(ONE, ARGV).manifests
    rules = manifest["spec"]["podFailurePolicy"]["rules"]
    by_code = {code: rule["action"] for rule in rules for code in rule.get("onExitCodes", {}).get("values", ())}
    assert by_code == {2: "FailJob", 143: "Ignore"}
    assert manifest["spec"]["template"]["spec"]["restartPolicy"] == "Never"


def test_a_job_of_one_pod_needs_no_service_and_no_cluster() -> None:
    (manifest,) = kubernetes_plan.prepare(ONE, ARGV).manifests
    container = manifest["spec"]["template"]["spec"]["containers"][0]
    assert "env" not in container and "subdomain" not in manifest["spec"]["template"]["spec"]


def test_a_claim_whose_name_no_volume_can_have_is_mounted_under_another() -> None:
    options = dataclasses.replace(ONE, volume=("my.claim=/data", f"{'c' * 60}=/more"), output_dir="/data/run")
    (manifest,) = kubernetes_plan.prepare(options, ARGV).manifests
    volumes = manifest["spec"]["template"]["spec"]["volumes"]
    claims = {volume["name"]: volume["persistentVolumeClaim"]["claimName"] for volume in volumes}
    assert claims == {"claim-0": "my.claim", "claim-1": "c" * 60}


def test_only_the_job_itself_is_deleted_after_its_end() -> None:
    (manifest,) = kubernetes_plan.prepare(OPTIONS["jobset"], ARGV).manifests
    inner = manifest["spec"]["replicatedJobs"][0]["template"]["spec"]
    assert manifest["spec"]["ttlSecondsAfterFinished"] == 3600 and "ttlSecondsAfterFinished" not in inner
    assert inner["activeDeadlineSeconds"] == 86400


def test_gpus_go_to_those_who_train() -> None:
    (manifest,) = kubernetes_plan.prepare(OPTIONS["gpu"], ARGV).manifests
    limits = {
        role: replica["template"]["spec"]["containers"][0].get("resources", {}).get("limits", {})
        for role, replica in manifest["spec"]["tfReplicaSpecs"].items()
    }
    assert limits == {"Chief": {"nvidia.com/gpu": "2"}, "Worker": {"nvidia.com/gpu": "2"}, "PS": {}}


def test_of_trials_it_is_said_which_problem_they_train() -> None:
    (note,) = kubernetes_plan.prepare(OPTIONS["study_job"], ARGV).notes
    assert str(note).startswith("image: note: the trials run python -m trainer.task, which trains trainer.model")
    assert kubernetes_plan.prepare(OPTIONS["study_job"], [*ARGV, "--problem=trainer.model"]).notes == ()


def test_gpus_for_pods_that_do_not_train_are_refused() -> None:
    with pytest.raises(FindingsError, match=r"GPUs for 1 pods that do not train.*Accepted: --kind=tfjob"):
        kubernetes_plan.prepare(dataclasses.replace(ONE, worker=1, ps=1, gpu=1), ARGV)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"worker": -1}, "--worker=-1. Accepted: 0 or more"),
        ({"timeout_secs": 0}, "--timeout_secs=0"),
        ({"env": ("NAME",)}, "--env=NAME. Accepted: KEY=VALUE"),
        ({"secret_env": ("KEY=secret",)}, "--secret_env=KEY=secret. Accepted: NAME=SECRET/KEY"),
        ({"toleration": ("dedicated",)}, "--toleration=dedicated. Accepted: KEY=VALUE:EFFECT"),
        ({"env": ("a,b", "A=1")}, "--env=a,b. Accepted: KEY=VALUE"),
        ({"label": ("app.kubernetes.io/instance=other",)}, "which the submission sets. Accepted: labels of your own"),
        ({"label": ("kueue.x-k8s.io/queue-name=a",)}, "which --queue sets"),
        ({"label": ("training.kubeflow.org/job-name=a",)}, "which Kubeflow sets"),
        (
            {"kind": Workload.TFJOB, "max_restarts": 0},
            "--max_restarts with --kind=tfjob. Accepted: --kind=job, jobset or trainjob with it. Drop it: Kubeflow's",
        ),
        (
            {"kind": Workload.TRAINJOB, "ttl_secs": 9},
            "--ttl_secs with --kind=trainjob. Accepted: --kind=job, jobset or",
        ),
        ({"config": "a.yaml", "ttl_secs": 9}, "--ttl_secs with --config. "),
    ],
)
def test_a_wrong_option_is_refused_when_it_is_built(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        KubernetesOptions(**settings)
    assert message in str(refused.value)


def test_a_study_of_jobsets_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--config with --kind=jobset\. Accepted: --kind=job or tfjob"):
        kubernetes_plan.prepare(dataclasses.replace(ONE, kind=Workload.JOBSET, config=STUDY), ARGV)


@pytest.mark.parametrize(("text", "number"), [("4", 4), ("500m", 0.5), ("8Gi", 8 * 2**30), ("2G", 2e9), ("1.5", 1.5)])
def test_quantities_are_numbers(text: str, number: float) -> None:
    assert submit.quantity(text) == number


def test_names_in_the_golden_files_obey_the_rules() -> None:
    for options in OPTIONS.values():
        for manifest in kubernetes_plan.prepare(options, ARGV).manifests:
            assert kubernetes_rules.document(manifest) == []
            assert re.fullmatch(r"[a-z][a-z0-9-]*", manifest["metadata"]["name"])
