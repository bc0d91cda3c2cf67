"""`deploy vertex` and `--upload_model`: models in the registry and behind endpoints, whose containers are processes."""

from __future__ import annotations

import json
import pathlib
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.bucket.fixtures import BUCKET, bucket_server  # noqa: F401
from tests.bucket.process import BucketServer
from tests.launch.vertex.test_submit import WHERE, services
from tests.launched import ROOT
from tests.runners.conftest import environment
from tests.vertex.replicas import Machines
from tests.vertex.server import Fault, VertexService
from trainer import storage
from trainer.launch import __main__ as launcher

pytestmark = pytest.mark.process

IMAGE = "host.dev/p/trainer:1"
PARENT = "projects/my-project/locations/us-central1"
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def service_with(
    directory: pathlib.Path,
    python: str | pathlib.Path,
    program: list[str],
    environ: dict[str, str],
    *,
    scripted: bool = False,
) -> VertexService:
    machines = Machines(programs={IMAGE: program}, environ=environ, disks=directory / "disks", python=str(python))
    return VertexService(machines=machines, scripted=scripted)


@pytest.fixture
def service(tmp_path: pathlib.Path) -> Iterator[VertexService]:
    """One whose containers are stand-ins, and whose jobs end by a script."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tests.vertex.stand_in_server\n')
    python.chmod(0o755)
    with service_with(tmp_path, python, [], {**environment(), "PYTHONPATH": str(ROOT)}, scripted=True) as service:
        yield service


def deploy(service: VertexService, what: str, *words: str) -> int:
    return launcher.main(["deploy", "vertex", what, *words, "--poll_secs=0.01", *services(service)])


def ask(service: VertexService, endpoint: str, rows: list[Any]) -> Any:
    url, body = f"{service.endpoint}/v1/{endpoint}:predict", json.dumps({"instances": rows}).encode()
    try:
        with DIRECT.open(urllib.request.Request(url, body, {"Content-Type": "application/json"})) as answer:
            return json.loads(answer.read())["predictions"]
    except urllib.error.HTTPError as refused:
        raise AssertionError(refused.read().decode()) from refused


def test_a_folder_becomes_a_model_behind_an_endpoint_and_the_next_one_its_second_version(
    service: VertexService, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*WHERE, f"--image={IMAGE}", "--name=flowers", "--machine=n1-standard-4", "--max_replicas=3"]
    assert deploy(service, "gs://b/first", *words) == 0
    said = capsys.readouterr()
    assert said.out == f"model: {PARENT}/models/flowers@1\nendpoint: {PARENT}/endpoints/5000\n"
    assert "ask: gcloud ai endpoints predict 5000 --region=us-central1 --project=my-project" in said.err
    assert ask(service, f"{PARENT}/endpoints/5000", [1, 2]) == ["gs://b/first"] * 2
    assert deploy(service, "gs://b/second/", *words) == 0
    said = capsys.readouterr()
    assert said.out == f"model: {PARENT}/models/flowers@2\nendpoint: {PARENT}/endpoints/5000\n"
    first, second = (each["id"] for each in service.registry.endpoints[f"{PARENT}/endpoints/5000"]["deployedModels"])
    assert f"gcloud ai endpoints undeploy-model {PARENT}/endpoints/5000 --deployed-model-id={first}" in said.err
    assert re.fullmatch(r"\d{10}", second) and f"--deployed-model-id={second}" not in said.err
    assert ask(service, f"{PARENT}/endpoints/5000", [1]) == ["gs://b/second"]
    resources = service.registry.endpoints[f"{PARENT}/endpoints/5000"]["deployedModels"][1]["dedicatedResources"]
    assert (resources["minReplicaCount"], resources["maxReplicaCount"]) == (1, 3)


def test_a_container_that_ends_is_reported(service: VertexService, capsys: pytest.CaptureFixture[str]) -> None:
    assert deploy(service, "gs://b/broken", *WHERE, f"--image={IMAGE}") == 1
    assert "failed: Model server exited unexpectedly with 3" in capsys.readouterr().err


def test_whichever_answer_is_lost_nothing_is_made_twice(
    service: VertexService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda secs: None)
    words = [*WHERE, f"--image={IMAGE}"]
    assert deploy(service, "gs://b/first", *words) == 0
    names = [f"new{number}" for number in range(len(service.received))]
    for number, name in enumerate(names):
        service.faults = [*[None] * number, Fault(lost=True)]
        assert deploy(service, "gs://b/first", *words, f"--name={name}") == 0
    service.faults = [None, Fault(lost=True)]
    assert deploy(service, "gs://b/second", *words) == 0
    versions = {name.rpartition("/")[2]: len(found) for name, found in service.registry.models.items()}
    assert versions == {"trainer": 2, **dict.fromkeys(names, 1)}
    of_endpoints = {each["displayName"]: len(each["deployedModels"]) for each in service.registry.endpoints.values()}
    assert of_endpoints == versions and len(service.registry.endpoints) == len(versions)


def test_the_model_of_a_job_is_registered_once(service: VertexService, capsys: pytest.CaptureFixture[str]) -> None:
    own = [*WHERE, f"--image={IMAGE}", "--output_dir=gs://my-bucket/a", *services(service)]
    waits = ["--wait", "--poll_secs=0.01", "--upload_model=waves"]
    service.jobs.life = ("JOB_STATE_SUCCEEDED",)
    assert launcher.main(["submit", "vertex", *own, *waits, "--", "--train_steps=20"]) == 0
    said = capsys.readouterr().out
    job = said.splitlines()[0]
    assert said.endswith(f"model: {PARENT}/models/waves@1\n")
    assert deploy(service, job, "--name=waves", "--upload_only") == 0
    assert capsys.readouterr().out == f"model: {PARENT}/models/waves@1\n"
    assert deploy(service, job, "--name=waves", "--upload_only", "--image=host.dev/p/other:1") == 0
    assert capsys.readouterr().out == f"model: {PARENT}/models/waves@2\n"


def test_a_model_that_is_registered_is_deployed_by_its_name(
    service: VertexService, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deploy(service, "gs://b/first", *WHERE, f"--image={IMAGE}", "--upload_only") == 0
    assert capsys.readouterr().out == f"model: {PARENT}/models/trainer@1\n"
    assert deploy(service, f"{PARENT}/models/trainer@1", "--endpoint_name=other") == 0
    assert service.registry.endpoints[f"{PARENT}/endpoints/5000"]["displayName"] == "other"


@pytest.mark.parametrize(
    ("what", "words", "told"),
    [
        ("--name=a", [], "No model, or no target. Accepted: python -m trainer.launch deploy vertex MODEL|JOB|gs://DIR"),
        ("gs://b/a", WHERE, "A folder without --image. Accepted: an image that serves it"),
        ("gs://b/a", [*WHERE, "--name=Flowers"], "--name=Flowers. Accepted: up to 63 lower-case letters"),
        ("gs://b/a", [*WHERE, "--max_replicas=0"], "--max_replicas=0. Accepted: 1 or more"),
        ("gs://b/a", [*WHERE, "--accelerator=NVIDIA_L4"], "NVIDIA_L4 in a n1-standard-2"),
        ("job", WHERE, "'job' is not a job of Vertex AI"),
        ("gs://b/a", [], "project: no project"),
    ],
)
def test_what_cannot_be_deployed_is_refused(
    what: str, words: list[str], told: str, service: VertexService, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deploy(service, what, *words) == 2
    assert told in capsys.readouterr().err


def test_a_real_job_s_model_is_registered_at_its_end_and_answers_behind_an_endpoint(
    tmp_path: pathlib.Path,
    forking_python: pathlib.Path,
    bucket_server: BucketServer,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    environ = {**environment(), **bucket_server.environ, "PYTHONPATH": str(ROOT)}
    with service_with(tmp_path, forking_python, [str(forking_python), "-m", "trainer.task"], environ) as service:
        own = [*WHERE, f"--image={IMAGE}", f"--output_dir=gs://{BUCKET}/runs/a", *services(service)]
        waits = ["--wait", "--poll_secs=0.2", "--upload_model=waves"]
        task = ["--model=linear", "--train_steps=20", "--seed=1", "--noreport"]
        assert launcher.main(["submit", "vertex", *own, *waits, "--", *task]) == 0, capsys.readouterr()
        said = capsys.readouterr().out
        assert "chief:0     | step 20/20" in said and said.endswith(f"model: {PARENT}/models/waves@1\n"), said
        assert storage.exists(f"gs://{BUCKET}/runs/a/model/saved_model.pb")
        assert deploy(service, f"{PARENT}/models/waves@1") == 0, capsys.readouterr()
        answered = ask(service, f"{PARENT}/endpoints/5000", [[[0.1]] * 9, [[0.2]] * 9])
        assert len(answered) == 2 and answered[0] != answered[1]
