"""Submitting twice, falling back where machines are short, and images that are built on the way."""

from __future__ import annotations

import io
import pathlib
import tarfile
from typing import Any

import pytest

import trainer.launch
from tests.bucket.fixtures import BUCKET, bucket_server  # noqa: F401
from tests.bucket.process import BucketServer
from tests.launch.vertex.test_submit import NAME, ONE, WHERE, services, submit
from tests.vertex.builds import DIGEST
from tests.vertex.fixtures import vertex_service  # noqa: F401
from tests.vertex.server import Fault, VertexService
from trainer import storage
from trainer.launch.vertex import fallback
from trainer.launch.vertex.options import Provisioning, VertexOptions

SHORT = {"code": 8, "message": "Resources are insufficient in region: us-central1. Please try a different region"}
QUICK = ["--wait", "--poll_secs=0.01"]


def test_the_same_command_while_the_job_runs_is_refused_and_after_it_continues_the_run(
    vertex_service: VertexService,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    at = services(vertex_service)
    vertex_service.jobs.life = ("JOB_STATE_RUNNING",)
    assert submit(*ONE, *at) == 0
    assert submit(*ONE, *at, task=("--train_steps=20",)) == 2
    told = capsys.readouterr().err
    assert f"({NAME}) is running and writes to gs://my-bucket/runs/a. Accepted: one job at a time" in told
    assert f"python -m trainer.launch cancel vertex {NAME}" in told
    assert submit(*WHERE, "--image=a/b:1", "--output_dir=gs://my-bucket/runs/b", *at) == 0
    vertex_service.jobs.found[NAME]["state"] = "JOB_STATE_SUCCEEDED"
    capsys.readouterr()
    assert submit(*ONE, *at) == 0
    first, _, last = vertex_service.jobs.found.values()
    assert f"gs://my-bucket/runs/a is that of {first['displayName']}, now succeeded: its run is continued" in (
        capsys.readouterr().err
    )
    assert first["displayName"] != last["displayName"] and last["displayName"].startswith("trainer-")


def test_two_jobs_write_to_one_directory_only_where_that_is_meant(vertex_service: VertexService) -> None:  # noqa: F811
    at = services(vertex_service)
    vertex_service.jobs.life = ("JOB_STATE_PENDING",)
    assert [submit(*ONE, *at), submit(*ONE, *at), submit(*ONE, *at, "--same_output")] == [0, 2, 0]


def test_whoever_may_not_list_jobs_is_told_what_is_not_known(
    vertex_service: VertexService,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    vertex_service.faults = [Fault(status=403, message="no list")]
    assert submit(*ONE, *services(vertex_service)) == 0
    assert "whether another job writes to gs://my-bucket/runs/a is not known: Not allowed" in capsys.readouterr().err


def test_spot_machines_that_are_short_give_way_to_others(
    vertex_service: VertexService,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    vertex_service.jobs.life, vertex_service.jobs.error = ("JOB_STATE_PENDING", "JOB_STATE_FAILED"), SHORT
    words = [*ONE, *services(vertex_service), *QUICK, "--provisioning=spot", "--fallback=us-east4,on_demand"]
    assert submit(*words) == 1
    jobs = list(vertex_service.jobs.found.values())
    tried = [(job["name"].split("/")[3], job["jobSpec"]["scheduling"]["strategy"]) for job in jobs]
    assert tried == [("us-central1", "SPOT"), ("us-east4", "SPOT"), ("us-east4", "STANDARD")]
    assert len({job["jobSpec"]["baseOutputDirectory"]["outputUriPrefix"] for job in jobs}) == 1
    told = capsys.readouterr().err
    assert "no machines for spot machines in us-central1\nnext: spot machines in us-east4\n" in told


def test_a_job_that_waits_too_long_for_machines_is_cancelled_for_the_next_one(
    vertex_service: VertexService,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    vertex_service.jobs.stays = ("us-central1",)
    words = [*ONE, *services(vertex_service), *QUICK, "--fallback=europe-west4", "--fallback_after=0.1s"]
    assert submit(*words) == 0
    states = [(job["name"].split("/")[3], job["state"]) for job in vertex_service.jobs.found.values()]
    assert states == [("us-central1", "JOB_STATE_CANCELLED"), ("europe-west4", "JOB_STATE_SUCCEEDED")]
    assert f"{NAME} has waited for 0.1s, and is cancelled" in capsys.readouterr().err


def test_a_refusal_for_lack_of_quota_leads_to_the_next_region_at_once(
    vertex_service: VertexService,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    quota = Fault(status=429, message="Quota exceeded for custom_model_training_nvidia_l4_gpus")
    vertex_service.faults = [None, None, *[quota, None] * 5, quota]
    monkeypatch.setattr("time.sleep", lambda secs: None)
    assert submit(*ONE, *services(vertex_service), *QUICK, "--fallback=us-east4") == 0
    assert [name.split("/")[3] for name in vertex_service.jobs.found] == ["us-east4"]
    assert "Over the quota: Quota exceeded for custom_model_training_nvidia_l4_gpus" in capsys.readouterr().err


def test_a_connection_that_breaks_for_long_ends_the_following_and_not_the_job(
    vertex_service: VertexService,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    vertex_service.faults = [None, None, None, *[Fault(status=503)] * 40]
    monkeypatch.setattr("time.sleep", lambda secs: None)
    assert submit(*ONE, *services(vertex_service), *QUICK) == 1
    assert f"no longer following; {NAME} continues" in capsys.readouterr().err


def test_a_job_for_which_there_are_no_machines_says_what_else_may_be_tried(
    vertex_service: VertexService,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    vertex_service.jobs.life, vertex_service.jobs.error = ("JOB_STATE_FAILED",), SHORT
    assert submit(*ONE, *services(vertex_service), *QUICK) == 1
    assert "insufficient in region: us-central1. Please try a different region (no machines: --fallback" in (
        capsys.readouterr().out
    )


def test_a_job_that_fails_by_itself_is_not_tried_elsewhere(vertex_service: VertexService) -> None:  # noqa: F811
    error = {"code": 3, "message": "The replica workerpool0-0 exited with a non-zero status of 1. quota"}
    vertex_service.jobs.life, vertex_service.jobs.error = ("JOB_STATE_FAILED",), error
    assert submit(*ONE, *services(vertex_service), *QUICK, "--fallback=us-east4") == 1
    assert len(vertex_service.jobs.found) == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--fallback=us-east4"], "--fallback without --wait. Accepted: both, since it is done from here"),
        (["--fallback=on_demand", "--wait"], "--fallback=on_demand without spot machines"),
        (["--fallback=elsewhere", "--wait"], "--fallback=elsewhere. Accepted: on_demand, or a region"),
        (["--fallback=us-central1", "--wait"], "--fallback=us-central1, which was tried before"),
        (
            [
                "--fallback=us-east4",
                "--wait",
                "--encryption_key=projects/p/locations/us-central1/keyRings/r/cryptoKeys/k",
            ],
            "in another region than the job. Accepted: one in us-east4",
        ),
        (["--upload_model=flowers"], "--upload_model without --wait"),
        (["--upload_model=Flowers", "--wait"], "--upload_model=Flowers. Accepted: up to 63 lower-case letters"),
        (["--serving_image=a/b:1"], "--serving_image without --upload_model"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_sent(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(*ONE, *words) == 2
    assert told in capsys.readouterr().err


def test_what_comes_next_changes_one_thing_at_a_time() -> None:
    spot = VertexOptions(provisioning=Provisioning.FLEX_START, max_wait="1h", region="us-east1")
    tried = fallback.alternatives(spot, ["us-west1", "on_demand"])
    assert list(map(fallback.described, tried)) == [
        "flex_start machines in us-east1",
        "flex_start machines in us-west1",
        "standard machines in us-west1",
    ]
    assert tried[-1].max_wait is None


DOCKER = """#!/bin/sh
echo "$@" >> {said}
case "$1" in
  build) for last; do :; done; ls "$last" >> {said}; echo "Step 1/7 : FROM python" ;;
  push) {push} ;;
esac
"""


def docker(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, push: str) -> pathlib.Path:
    """A docker that notes what it is asked to do."""
    said, program = tmp_path / "said", tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(DOCKER.format(said=said, push=push))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    return said


@pytest.mark.process
def test_an_image_is_built_and_pushed_with_docker_and_the_job_runs_that_very_image(
    vertex_service: VertexService,  # noqa: F811
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = docker(tmp_path, monkeypatch, f"echo 'v1: digest: {DIGEST} size: 1'")
    words = [*WHERE, "--image=host.dev/p/trainer:v1", "--output_dir=gs://my-bucket/a", "--worker=1", "--build=docker"]
    assert submit(*words, *services(vertex_service)) == 0
    asked = said.read_text().splitlines()
    assert asked[0].startswith("build --tag host.dev/p/trainer:v1 /") and asked[-1] == "push host.dev/p/trainer:v1"
    assert asked[1:3] == ["Dockerfile", "trainer-0.1.0.tar.gz"]
    pools = vertex_service.jobs.found[NAME]["jobSpec"]["workerPoolSpecs"]
    assert {pool["containerSpec"]["imageUri"] for pool in pools} == {f"host.dev/p/trainer@{DIGEST}"}
    assert "docker | Step 1/7 : FROM python" in capsys.readouterr().err


@pytest.mark.process
def test_a_push_that_is_refused_ends_the_submission(
    vertex_service: VertexService,  # noqa: F811
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    docker(tmp_path, monkeypatch, "echo denied: no permission; exit 1")
    assert submit(*ONE, "--build=docker", *services(vertex_service)) == 1
    assert "docker push failed: denied: no permission. Correct it and submit again" in capsys.readouterr().err
    assert vertex_service.received == []


@pytest.mark.process
@pytest.mark.parametrize(("end", "code"), [("SUCCESS", 0), ("FAILURE", 1)])
def test_cloud_build_builds_from_a_context_in_the_bucket(
    end: str,
    code: int,
    vertex_service: VertexService,  # noqa: F811
    bucket_server: BucketServer,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    vertex_service.builds.end = end
    at = [*services(vertex_service), f"--build_endpoint={vertex_service.endpoint}", "--poll_secs=0.01"]
    words = [*WHERE, "--image=host.dev/p/trainer:v1", f"--output_dir=gs://{BUCKET}/a", "--build=cloud"]
    assert submit(*words, *at) == code
    (build,) = vertex_service.builds.found.values()
    source = build["source"]["storageSource"]
    with tarfile.open(fileobj=io.BytesIO(storage.read(f"gs://{source['bucket']}/{source['object']}"))) as packed:
        assert packed.getnames() == ["Dockerfile", "trainer-0.1.0.tar.gz"]
        dockerfile = packed.extractfile("Dockerfile")
        assert dockerfile is not None and b"trainer-0.1.0.tar.gz[serve]" in dockerfile.read()
    told = capsys.readouterr().err
    if code:
        assert "Cloud Build ended with FAILURE: Build step failure: step 0 exited with 1" in told
        assert vertex_service.jobs.found == {}
    else:
        (pool,) = vertex_service.jobs.found[NAME]["jobSpec"]["workerPoolSpecs"]
        assert pool["containerSpec"]["imageUri"] == f"host.dev/p/trainer@{DIGEST}"
        assert "build build0: working" in told


def of_program(service: VertexService) -> dict[str, object]:
    """Arguments of a job that a program submits."""
    addresses = {name: service.endpoint for name in ("endpoint", "logging_endpoint", "build_endpoint")}
    return {"project": "my-project", "image": "a/b:1", "output_dir": "gs://my-bucket/runs/a", **addresses}


def test_a_program_submits_looks_and_cancels(vertex_service: VertexService) -> None:  # noqa: F811
    vertex_service.jobs.life = ("JOB_STATE_RUNNING",)
    job = trainer.launch.submit("vertex", ["--train_steps=10"], **of_program(vertex_service))
    assert job.name == NAME and job.exit_code() is None
    assert f"({NAME}): running" in job.status()
    assert job.cancel()


@pytest.mark.process
def test_a_program_builds_falls_back_and_registers_as_the_command_does(
    vertex_service: VertexService,  # noqa: F811
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    docker(tmp_path, monkeypatch, f"echo 'v1: digest: {DIGEST} size: 1'")
    vertex_service.jobs.stays = ("us-central1",)
    flags = {"build": "docker", "fallback": ["us-east4"], "fallback_after": "0.1s", "upload_model": "waves"}
    job = trainer.launch.submit("vertex", ["--train_steps=10"], **flags, **of_program(vertex_service))
    first, said = job.name, io.StringIO()
    assert job.wait(said, poll_secs=0.01) == 0
    images = {made["jobSpec"]["workerPoolSpecs"][0]["containerSpec"]["imageUri"] for made in jobs_of(vertex_service)}
    assert images == {f"a/b@{DIGEST}"} and [made["name"] for made in jobs_of(vertex_service)] == [first, job.name]
    assert job.name.split("/")[3] == "us-east4" and job.exit_code() == 0 and "succeeded" in said.getvalue()
    assert f"{first} has waited for 0.1s, and is cancelled" in capsys.readouterr().err
    assert job.wait(said, poll_secs=0.01) == 0
    assert [len(versions) for versions in vertex_service.registry.models.values()] == [1]


def test_what_is_cancelled_is_not_tried_elsewhere(vertex_service: VertexService) -> None:  # noqa: F811
    vertex_service.jobs.stays = ("us-central1",)
    job = trainer.launch.submit("vertex", ["--train_steps=10"], fallback="us-east4", **of_program(vertex_service))
    assert job.cancel() and job.wait(io.StringIO(), poll_secs=0.01) == 1
    assert len(jobs_of(vertex_service)) == 1


def jobs_of(service: VertexService) -> list[dict[str, Any]]:
    return list(service.jobs.found.values())
