"""Wrong requests to Vertex AI: refused offline, each with its field and the fix."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest

from tests.launch import vertex_requests
from trainer.job.errors import FindingsError, UsageError
from trainer.job.findings import Level
from trainer.launch.submission.options import ServiceOptions
from trainer.launch.vertex import rules as vertex_rules
from trainer.launch.vertex import submit as submit_vertex
from trainer.launch.vertex.options import Provisioning, VertexOptions

_ALL = vertex_requests.OPTIONS


def pools(request: dict[str, Any]) -> list[dict[str, Any]]:
    spec = request.get("jobSpec") or request["trialJobSpec"]
    found: list[dict[str, Any]] = spec["workerPoolSpecs"]
    return found


def changed(name: str, path: str, value: Any) -> dict[str, Any]:
    """A copy of a sound request with another value at a path of keys and indexes; ... removes it."""
    request = copy.deepcopy(vertex_requests.submission(name).request)
    at: Any = request
    *steps, last = [int(step) if step.isdecimal() else step for step in path.split(".")]
    for step in steps:
        at = at[step]
    if value is ...:
        del at[last]
    elif isinstance(at, list) and last == len(at):
        at.append(value)
    else:
        at[last] = value
    return request


ARGS = "jobSpec.workerPoolSpecs.0.pythonPackageSpec.args"
# In a request: what is changed, then field, what is said of it, and the fix.
WRONG_REQUESTS = [
    ("cluster", "jobSpec.workerPoolSpecs.0.replicaCount", 2, "[0].replicaCount: 2 chiefs. Accepted: exactly one", "1"),
    ("cluster", "jobSpec.workerPoolSpecs.0", {}, "workerPoolSpecs[0]: no chief", "Put the chief at index 0"),
    ("cluster", "jobSpec.workerPoolSpecs.1.replicaCount", -1, "[1].replicaCount: -1 replicas of worker", "write {}"),
    ("cluster", "jobSpec.workerPoolSpecs.1.replicaCount", "many", "[1].replicaCount: 'many'", "Correct the type"),
    ("cluster", "jobSpec.workerPoolSpecs.3.replicaCount", 2, "2 evaluators. Accepted: one", "Set replicaCount to 1"),
    ("cluster", "jobSpec.workerPoolSpecs.1", {}, "parameter servers without workers", "Add workers (--worker=1)"),
    ("cluster", "jobSpec.workerPoolSpecs.4", {"replicaCount": 1}, "5 pools", "Drop the others"),
    # the evaluator in pool 1: its flag says that there is one, its place that it is a worker
    ("evaluator_alone", "jobSpec.workerPoolSpecs.3", ..., "without an evaluator", "whose place is worker pool 3"),
    ("one", "jobSpec.workerPoolSpecs.0.evaluator", True, "[0].evaluator: no such field", "Remove it"),
    ("one", "jobSpec.workerPoolSpec", [], "jobSpec.workerPoolSpec: no such field", "Did you mean workerPoolSpecs?"),
    (
        "one",
        "jobSpec.workerPoolSpecs.0.machineSpec.machineType",
        "n1-standrad-4",
        "note: the machine type 'n1-standrad-4' is not known here",
        "Did you mean n1-standard-4?",
    ),
    (
        "one",
        "jobSpec.workerPoolSpecs.0.machineSpec.machineType",
        "big",
        "'big' is not a machine type",
        "machine-types list",
    ),
    ("one", "jobSpec.workerPoolSpecs.0.machineSpec", ..., "no machine type", "Set --machine=n1-standard-4"),
    (
        "gpu",
        "jobSpec.workerPoolSpecs.1.machineSpec.acceleratorType",
        "t4",
        "'t4' is not an accelerator",
        "AcceleratorType",
    ),
    (
        "gpu",
        "jobSpec.workerPoolSpecs.1.machineSpec.acceleratorType",
        "NVIDIA_TESLA_T5",
        "note: the acc",
        "mean NVIDIA_TESLA_T4?",
    ),
    (
        "gpu",
        "jobSpec.workerPoolSpecs.1.machineSpec.acceleratorCount",
        3,
        "3 NVIDIA_TESLA_T4",
        "--accelerator=TYPE:COUNT",
    ),
    (
        "gpu",
        "jobSpec.workerPoolSpecs.1.machineSpec.acceleratorType",
        ...,
        "accelerators without a type",
        "Set the type too",
    ),
    (
        "gpu",
        "jobSpec.workerPoolSpecs.1.machineSpec.machineType",
        "n2-standard-8",
        "TESLA_T4 in a n2-",
        "Change --machine",
    ),
    ("gpu", "jobSpec.workerPoolSpecs.0.machineSpec.acceleratorCount", 4, "a2-highgpu-1g with 4", "A100:1"),
    ("cluster", "jobSpec.workerPoolSpecs.0.diskSpec.bootDiskType", "ssd", "note: the disk type 'ssd'", "mean pd-ssd?"),
    ("cluster", "jobSpec.workerPoolSpecs.0.diskSpec.bootDiskSizeGb", 20, "20 GB. Accepted: 100", "--disk=pd-ssd:100"),
    (
        "one",
        "jobSpec.workerPoolSpecs.0.containerSpec",
        {"imageUri": "a/b:1"},
        "both an image and a package",
        "Set --image",
    ),
    ("one", "jobSpec.workerPoolSpecs.0.pythonPackageSpec", ..., "nothing to run", "Set --image"),
    ("gpu", "jobSpec.workerPoolSpecs.0.containerSpec.imageUri", "https://a/b", "'https://a/b'", "Correct --image"),
    (
        "one",
        "jobSpec.workerPoolSpecs.0.pythonPackageSpec.executorImageUri",
        "a/tf-cpu.2-17.py310:latest",
        "3.10",
        "py311",
    ),
    ("one", "jobSpec.workerPoolSpecs.0.pythonPackageSpec.packageUris", [], "0 packages", "--staging for this source"),
    (
        "one",
        "jobSpec.workerPoolSpecs.0.pythonPackageSpec.packageUris.0",
        "trainer.tar.gz",
        "[0]: 'trainer.t",
        "package --b",
    ),
    ("one", "jobSpec.workerPoolSpecs.0.pythonPackageSpec.pythonModule", "trainer/task.py", "'trainer/task.py'", "task"),
    (
        "cluster",
        "jobSpec.workerPoolSpecs.0.pythonPackageSpec.env.0.name",
        "TF_CONFIG",
        "TF_CONFIG, which the",
        "Drop it",
    ),
    ("cluster", "jobSpec.workerPoolSpecs.0.pythonPackageSpec.env.0.name", "MY-NAME", "'MY-NAME'", "Correct --env"),
    ("one", f"{ARGS}.0", "--train_step=100", "args: Unknown flag --train_step", "Did you mean --train_steps=100?"),
    ("one", f"{ARGS}.0", "--learning_rate=fast", "args: --learning_rate=fast. Accepted: a finite number", "Change"),
    ("one", f"{ARGS}.1", "--train_data_paths=data/a.csv", "is on one machine only", "gcloud storage cp data/a.csv"),
    ("one", "jobSpec.baseOutputDirectory", ..., "args: no output directory", "Set --output_dir"),
    ("one", "jobSpec.baseOutputDirectory.outputUriPrefix", "my-bucket/run", "'my-bucket/run'", "=gs://bucket/folder"),
    ("one", "jobSpec.baseOutputDirectory.outputUriPrefix", "gs://My_Bucket/run", "'gs://My_Bucket/run'", "gs://bucket"),
    ("cluster", "jobSpec.scheduling.timeout", "8h", "timeout: '8h'. Accepted: seconds with an s", "28800s"),
    ("cluster", "jobSpec.scheduling.timeout", "-5s", "timeout: '-5s'", "Set --timeout=8h"),
    ("spot", "jobSpec.scheduling.strategy", "SPOTTY", "note: the strategy 'SPOTTY'", "Did you mean SPOT?"),
    ("gpu", "jobSpec.scheduling.strategy", "SPOT", "maxWaitDuration: a wait with strategy SPOT", "flex_start"),
    (
        "spot",
        "jobSpec.scheduling.restartJobOnWorkerRestart",
        True,
        "restarts together with disableRetries",
        "disables restarts",
    ),
    ("cluster", "jobSpec.serviceAccount", "train", "serviceAccount: 'train'", "Correct --service_account"),
    (
        "cluster",
        "jobSpec.network",
        "projects/my-project/global/networks/default",
        "with the project's number",
        "describe",
    ),
    ("cluster", "jobSpec.network", ..., "reservedIpRanges: ranges without a network", "Set --network"),
    ("cluster", "jobSpec.tensorboard", "my-board", "tensorboard: 'my-board'", "gcloud ai tensorboards list"),
    ("cluster", "jobSpec.serviceAccount", ..., "a TensorBoard without serviceAccount", "Set --service_account"),
    ("cluster", "encryptionSpec.kmsKeyName", "key", "kmsKeyName: 'key'", "gcloud kms keys list"),
    ("cluster", "labels", {"Team": "Forecast!"}, "labels.Team: Team=Forecast!", "Perhaps team=forecast-"),
    ("cluster", "labels", {f"l{n}": "a" for n in range(64)}, "labels: 64 labels. Accepted: up to 62", "Drop some"),
    ("one", "displayName", "x" * 129, "displayName: a name of 129 characters", "Set --name"),
    ("one", "jobSpec.baseOutputDirectory", "gs://my-bucket/run", "Accepted: an object", "Write its fields: outputUri"),
    ("sweep", "maxTrialCount", -3, "maxTrialCount: -3. Accepted: 1 or more", "Correct it in the study's file"),
    ("sweep", "parallelTrialCount", 50, "50 at a time of 20 trials", "Lower maxParallelTrials"),
    ("sweep", "maxFailedTrialCount", 21, "21 failures of 20 trials", "Lower maxFailedTrials"),
    ("sweep", "studySpec", ..., "studySpec: no study", "Set --config"),
    (
        "sweep",
        "trialJobSpec.workerPoolSpecs.0.containerSpec.args.0",
        "--learning_rate=.1",
        "--learning_rate, which the study searches",
        "Drop --learning_rate after --",
    ),
]


@pytest.mark.parametrize(
    ("name", "path", "value", "told", "fix"), WRONG_REQUESTS, ids=[f"{row[1]}={row[2]}"[:70] for row in WRONG_REQUESTS]
)
def test_a_wrong_request_is_refused_with_its_field_and_the_fix(
    name: str, path: str, value: Any, told: str, fix: str
) -> None:
    found = [str(finding) for finding in submit_vertex.rules(changed(name, path, value))]
    assert any(told in line and fix in line.rpartition("Accepted: ")[2] for line in found), "\n".join(found)


# In options: what a person types wrongly.
WRONG_OPTIONS = [
    ({"project": None}, {}, "project: no project", "Set --project"),
    ({"project": "My Project"}, {}, "project: 'My Project'", "gcloud projects list"),
    ({"region": "us-central1-a"}, {}, "region: 'us-central1-a' is a zone", "Write --region=us-central1"),
    ({"region": "us_central1"}, {}, "region: 'us_central1'", "Did you mean us-central1?"),
    ({"region": "Iowa"}, {}, "region: 'Iowa'", "Set --region"),
]


@pytest.mark.parametrize(("changes", "environ", "told", "fix"), WRONG_OPTIONS)
def test_a_wrong_place_is_refused_with_its_field_and_the_fix(
    changes: dict[str, Any], environ: dict[str, str], told: str, fix: str
) -> None:
    chosen = dataclasses.replace(_ALL["one"], **changes)
    with pytest.raises(FindingsError) as refused:
        submit_vertex.prepare(chosen, ServiceOptions(), vertex_requests.ARGV, environ)
    assert told in str(refused.value) and fix in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"worker": -1}, "--worker=-1. Accepted: 0 or more"),
        ({"image": "a/b:1", "executor_image": "c/d:1"}, "--image together with --executor_image"),
        ({"image": "a/b:1", "package": ("gs://b/c.tar.gz",)}, "--image together with --package"),
        ({"accelerator": "NVIDIA_TESLA_T4:two"}, "--accelerator=NVIDIA_TESLA_T4:two. Accepted: TYPE:NUMBER"),
        ({"disk": "pd-ssd"}, "--disk=pd-ssd. Accepted: TYPE:GIGABYTES"),
        ({"timeout": "soon"}, "--timeout=soon. Accepted: a number and s, m, h or d"),
        ({"max_wait": "-1h"}, "--max_wait=-1h"),
        ({"label": ("team",)}, "--label=team. Accepted: KEY=VALUE"),
        ({"label": ("a=1", "a=2")}, "--label has 'a' twice"),
        ({"env": ("=x",)}, "--env==x"),
    ],
)
def test_a_wrong_option_is_refused_when_it_is_built(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        VertexOptions(**settings)
    assert message in str(refused.value)


MACHINE = "jobSpec.workerPoolSpecs.1.machineSpec"
# What is newer than our lists: what stands there, and the note on it.
UNKNOWN = [
    (
        {"machineType": "n1-standard-8", "acceleratorType": "NVIDIA_B300", "acceleratorCount": 1},
        ["accelerator 'NVIDIA_B3"],
    ),
    (
        {"machineType": "g4-standard-12", "acceleratorType": "NVIDIA_RTX_PRO_6000", "acceleratorCount": 1},
        ["machine type 'g4-standard-12'"],
    ),
    (
        {"machineType": "a4x-maxgpu-4g", "acceleratorType": "NVIDIA_GB300", "acceleratorCount": 4},
        ["machine type 'a4x-maxgpu-4g'", "accelerator 'NVIDIA_GB300'"],
    ),
    (
        {"machineType": "z9-hugegpu-6g", "acceleratorType": "NVIDIA_Z900", "acceleratorCount": 6},
        ["machine type 'z9-hugegpu-6g'", "accelerator 'NVIDIA_Z900'"],
    ),
    ({"machineType": "c3-standard-4-lssd"}, ["machine type 'c3-standard-4-lssd'"]),
]


@pytest.mark.parametrize(("machine", "notes"), UNKNOWN, ids=[row[0]["machineType"] for row in UNKNOWN])
def test_what_is_only_unknown_here_is_noted_and_left_to_the_service(machine: dict[str, Any], notes: list[str]) -> None:
    found = submit_vertex.rules(changed("gpu", MACHINE, machine))
    assert [finding.level for finding in found] == [Level.NOTE] * len(notes)
    assert all(f"note: the {note}" in str(finding) for finding, note in zip(found, notes, strict=True))


def test_a_known_machine_with_an_accelerator_that_it_cannot_have_is_refused() -> None:
    for machine, accelerator in (
        ("n2-standard-8", "NVIDIA_B300"),
        ("n1-standard-8", "NVIDIA_L4"),
        ("g2-standard-8", "X1"),
    ):
        spec = {"machineType": machine, "acceleratorType": accelerator, "acceleratorCount": 1}
        errors = [
            finding for finding in submit_vertex.rules(changed("gpu", MACHINE, spec)) if finding.level is Level.ERROR
        ]
        assert [finding.do for finding in errors] in (
            ["Change --machine"],
            ["Set --accelerator=NVIDIA_L4:1, or choose another machine"],
        )


def test_a_newer_region_is_shown_to_the_person_and_not_refused(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--project=my-project", "--region=northamerica-south1", "--image=registry/trainer:1", "--dry_run"]
    assert submit_vertex.main([*argv, "--output_dir=gs://my-bucket/run", "--", *vertex_requests.ARGV]) == 0
    assert capsys.readouterr().err.startswith(
        "region: note: the region 'northamerica-south1' is not known here. Did you mean northamerica-northeast1?\n"
    )


def test_all_errors_are_reported_at_once() -> None:
    chosen = VertexOptions(project="my-project", region="us-central1-a", image="a/b:1", label=("A=b",))
    with pytest.raises(FindingsError, match="The request is not accepted; nothing was sent:\n") as refused:
        submit_vertex.prepare(chosen, ServiceOptions(), ["--model=lsmt"], {})
    told = str(refused.value)
    assert all(field in told for field in ("region: ", "labels.A: ", "containerSpec.args: --model=lsmt"))


def test_the_person_s_project_may_come_from_the_environment() -> None:
    chosen = dataclasses.replace(_ALL["one"], project=None)
    made = submit_vertex.prepare(chosen, ServiceOptions(), vertex_requests.ARGV, {"GOOGLE_CLOUD_PROJECT": "of-gcloud"})
    assert made.at.url("customJobs") == (
        "https://us-central1-aiplatform.googleapis.com/v1/projects/of-gcloud/locations/us-central1/customJobs"
    )


def test_a_package_leaves_the_tensorflow_of_an_image_with_accelerators_alone() -> None:
    """It asks for `tensorflow`, which such an image has (setup.py)."""
    chosen = dataclasses.replace(_ALL["one"], package=(), accelerator="NVIDIA_TESLA_T4")
    submission = submit_vertex.prepare(chosen, ServiceOptions(), vertex_requests.ARGV, {})
    assert submission.package is not None
    assert pools(submission.request)[0]["machineSpec"]["acceleratorType"] == "NVIDIA_TESLA_T4"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("3600s", "3600s"), ("90", "90s"), ("90m", "5400s"), ("1.5h", "5400s"), ("7d", "604800s"), ("0.5s", "0.5s")],
)
def test_durations_are_written_in_seconds(text: str, seconds: str) -> None:
    assert VertexOptions(timeout=text).timeout_secs == seconds


def test_an_image_with_a_program_of_its_own_has_arguments_of_its_own() -> None:
    request = changed("gpu", "jobSpec.workerPoolSpecs.0.containerSpec.command", ["my-program"])
    request["jobSpec"]["workerPoolSpecs"][0]["containerSpec"]["args"] = ["serve", "everything"]
    assert list(vertex_rules.custom_job(request)) == []


def test_waits_for_machines_belong_to_flexible_starts() -> None:
    chosen = dataclasses.replace(_ALL["gpu"], provisioning=Provisioning.SPOT)
    with pytest.raises(FindingsError, match="with strategy FLEX_START, which waits for machines"):
        submit_vertex.prepare(chosen, ServiceOptions(), vertex_requests.ARGV, {})
