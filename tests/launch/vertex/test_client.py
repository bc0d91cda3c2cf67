"""Our REST client against a server on loopback, beside the official client; every kind of trouble in words."""

from __future__ import annotations

from typing import Any

import pytest
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform_v1
from google.cloud.aiplatform_v1.services.job_service.transports.rest import JobServiceRestTransport
from google.cloud.aiplatform_v1.types import CustomJob, HyperparameterTuningJob
from google.protobuf import json_format

from tests.launch import vertex_requests
from tests.vertex.fixtures import vertex_service  # noqa: F401
from tests.vertex.server import Fault, VertexService
from trainer.job.errors import UsageError
from trainer.launch.vertex import session as google_session
from trainer.launch.vertex.client import SUBMISSION_LABEL, VertexClient
from trainer.launch.vertex.rest import Rest
from trainer.launch.vertex.service import ServiceError, location

REQUEST = vertex_requests.submission("one").request
PARENT = "projects/my-project/locations/us-central1"


def client_of(service: VertexService, waits: list[float] | None = None) -> VertexClient:
    """Our client, which notes its waits instead of making them."""
    rest = Rest(
        google_session.open_session(service.endpoint),
        location("my-project", "us-central1", service.endpoint),
        wait=(waits if waits is not None else []).append,
        chance=lambda: 0.5,
        broken=google_session.broken_connections(),
    )
    return VertexClient(rest)


@pytest.mark.parametrize("name", vertex_requests.OPTIONS)
def test_our_client_and_the_official_one_submit_the_same_job(name: str, vertex_service: VertexService) -> None:  # noqa: F811
    request = vertex_requests.submission(name).request
    collection = "hyperparameterTuningJobs" if name == "sweep" else "customJobs"
    ours = client_of(vertex_service).create(collection, request, "token-1")
    theirs = _officially(vertex_service, collection, request)
    mine, official = vertex_service.jobs.parsed[ours["name"]], vertex_service.jobs.parsed[theirs]
    del mine.labels[SUBMISSION_LABEL]
    assert mine == official
    assert [sent.path for sent in vertex_service.creates] == [f"/v1/{PARENT}/{collection}"] * 2


def _officially(service: VertexService, collection: str, request: dict[str, Any]) -> str:
    """Submits with google-cloud-aiplatform; returns the job's full name."""
    host = service.endpoint.removeprefix("http://")
    transport = JobServiceRestTransport(host=host, credentials=AnonymousCredentials(), url_scheme="http")
    client = aiplatform_v1.JobServiceClient(transport=transport, client_options=ClientOptions())
    if collection == "customJobs":
        job = CustomJob()
        json_format.ParseDict(request, CustomJob.pb(job))
        return str(client.create_custom_job(parent=PARENT, custom_job=job).name)
    study = HyperparameterTuningJob()
    json_format.ParseDict(request, HyperparameterTuningJob.pb(study))
    return str(client.create_hyperparameter_tuning_job(parent=PARENT, hyperparameter_tuning_job=study).name)


@pytest.mark.parametrize(
    ("status", "message", "told"),
    [
        (401, "no", "rejects the credentials. Accepted: valid credentials. gcloud auth application-default login."),
        (
            403,
            "Permission denied",
            "Not allowed: Permission denied. Accepted: the role roles/aiplatform.user in",
        ),
        (
            403,
            "Vertex AI API has not been used in project 1 before",
            "gcloud services enable aiplatform.googleapis.com",
        ),
        (
            404,
            "no such location",
            f"no such location. Accepted: a job, project and region that exist ({PARENT})",
        ),
        (400, "Invalid machine", "does not accept the request: Invalid machine. Correct the field it names."),
    ],
)
def test_a_refusal_becomes_words_and_is_not_tried_again(
    status: int,
    message: str,
    told: str,
    vertex_service: VertexService,  # noqa: F811
) -> None:
    vertex_service.faults = [Fault(status=status, message=message)]
    waits: list[float] = []
    with pytest.raises(ServiceError) as refused:
        client_of(vertex_service, waits).create("customJobs", REQUEST, "t")
    assert told in str(refused.value) and refused.value.exit_code == 2
    assert (len(vertex_service.received), waits) == (1, [])


@pytest.mark.parametrize(
    "fault",
    [Fault(status=429), Fault(status=500), Fault(status=503), Fault()],
    ids=["too many requests", "internal error", "unavailable", "connection reset"],
)
def test_passing_trouble_is_waited_out(fault: Fault, vertex_service: VertexService) -> None:  # noqa: F811
    vertex_service.faults = [fault, None, fault]
    waits: list[float] = []
    job = client_of(vertex_service, waits).create("customJobs", REQUEST, "t")
    assert list(vertex_service.jobs.found) == [job["name"]]
    assert waits == [0.75, 1.5]


def test_what_the_service_asks_to_wait_is_waited(vertex_service: VertexService) -> None:  # noqa: F811
    vertex_service.faults = [Fault(status=429, headers=(("Retry-After", "7"),))]
    waits: list[float] = []
    client_of(vertex_service, waits).create("customJobs", REQUEST, "t")
    assert waits == [7.0]


@pytest.mark.parametrize(("status", "lost"), [(0, True), (500, False)])
def test_a_job_whose_answer_was_lost_is_found_and_not_made_twice(
    status: int,
    lost: bool,
    vertex_service: VertexService,  # noqa: F811
) -> None:
    client = client_of(vertex_service)
    vertex_service.faults = [Fault(lost=True), *([] if lost else [Fault(status=status)])]
    job = client.create("customJobs", REQUEST, "the-token")
    assert list(vertex_service.jobs.found) == [job["name"]]
    assert job["labels"][SUBMISSION_LABEL] == "the-token"
    assert len(vertex_service.creates) == 1


def test_a_conflict_with_our_own_earlier_try_is_no_conflict(vertex_service: VertexService) -> None:  # noqa: F811
    client = client_of(vertex_service)
    made = client.create("customJobs", REQUEST, "same")
    vertex_service.faults = [Fault(status=409, message="exists")]
    assert client.create("customJobs", REQUEST, "same")["name"] == made["name"]


def test_a_conflict_with_another_job_is_reported(vertex_service: VertexService) -> None:  # noqa: F811
    vertex_service.faults = [Fault(status=409, message="exists")]
    with pytest.raises(ServiceError, match=r"It already exists: exists\. Accepted: a new name\. Change the name\."):
        client_of(vertex_service).create("customJobs", REQUEST, "other")
    assert vertex_service.jobs.found == {}


def test_trouble_that_does_not_pass_ends_with_words(vertex_service: VertexService) -> None:  # noqa: F811
    vertex_service.faults = [Fault(status=429, message="Quota exceeded for aiplatform.googleapis.com/custom_cpus")] * 40
    with pytest.raises(ServiceError, match=r"Over the quota: Quota exceeded .*Wait, ask for more quota") as refused:
        client_of(vertex_service).create("customJobs", REQUEST, "t")
    assert refused.value.exit_code == 1
    vertex_service.faults = [Fault()] * 40
    with pytest.raises(ServiceError, match=r"in 6 tries \(ConnectionError\)\. Accepted: a connection to it"):
        client_of(vertex_service).get(f"{PARENT}/customJobs/1")


def test_a_job_is_looked_at_cancelled_and_found_by_its_number(vertex_service: VertexService) -> None:  # noqa: F811
    client = client_of(vertex_service)
    job = client.create("customJobs", REQUEST, "a")
    study = client.create("hyperparameterTuningJobs", vertex_requests.submission("sweep").request, "b")
    assert client.get(job["name"])["state"] == "JOB_STATE_QUEUED"
    assert client.resolve(study["name"].rpartition("/")[2])["name"] == study["name"]
    client.cancel(job["name"])
    assert client.get(job["name"])["state"] == "JOB_STATE_CANCELLED"
    with pytest.raises(ServiceError, match="Not found: .*/77 does not exist") as refused:
        client.resolve("77")
    assert refused.value.status == 404


def test_credentials_are_not_sent_without_tls() -> None:
    with pytest.raises(UsageError, match=r"--endpoint=http://proxy\.example without TLS"):
        google_session.open_session("http://proxy.example")


def test_absent_credentials_are_reported_with_the_way_to_get_some(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    with pytest.raises(UsageError, match=r"No credentials for Google Cloud\..*gcloud auth application-default login"):
        google_session.open_session("https://us-central1-aiplatform.googleapis.com")
