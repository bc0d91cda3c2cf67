"""Google's services: where they are for a project and a region, and what their refusals mean."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any

from trainer.job.errors import JobError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Api:
    """One of the services.

    Attributes:
      title: what people call it.
      host: by which it is enabled in a project.
      role: what a person needs for what is done here.
    """

    title: str
    host: str
    role: str


VERTEX = Api(title="Vertex AI", host="aiplatform.googleapis.com", role="roles/aiplatform.user")
LOGGING = Api(title="Cloud Logging", host="logging.googleapis.com", role="roles/logging.viewer")
BUILD = Api(title="Cloud Build", host="cloudbuild.googleapis.com", role="roles/cloudbuild.builds.editor")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Location:
    """Where requests go.

    Attributes:
      endpoint: scheme and host, as https://us-central1-aiplatform.googleapis.com.
    """

    project: str
    region: str
    endpoint: str
    api: Api = VERTEX

    @property
    def parent(self) -> str:
        """What the names of its jobs begin with."""
        return f"projects/{self.project}/locations/{self.region}"

    def path(self, collection: str) -> str:
        """Where resources of a collection are created, below the endpoint."""
        return f"v1/{self.parent}/{collection}"

    def url(self, collection: str) -> str:
        """The same with the endpoint."""
        return f"{self.endpoint}/{self.path(collection)}"

    def of(self, api: Api, endpoint: str | None) -> Location:
        """Another service's place for the same project; `endpoint` is None for the one that everybody has."""
        there = (endpoint or f"https://{api.host}").rstrip("/")
        return dataclasses.replace(self, api=api, endpoint=there)


def location(project: str, region: str, endpoint: str | None) -> Location:
    """Where requests of a project go.

    Args:
      project: its id or number.
      region: as us-central1.
      endpoint: scheme and host; None for the region's own.
    """
    regional = f"https://{region}-aiplatform.googleapis.com"
    return Location(project=project, region=region, endpoint=(endpoint or regional).rstrip("/"))


class ServiceError(JobError):
    """The service refused, or did not answer.

    Attributes:
      status: of the HTTP answer; None where there was none.
      after_secs: when to try again, where the service said so.
    """

    after_secs: float | None = None

    def __init__(self, status: int | None, got: str, accept: str | None, do: str | None) -> None:
        super().__init__(got, accept, do)
        self.status = status
        self.exit_code = 2 if status in (400, 401, 403, 404) else 1


def refusal(status: int, answer: Mapping[str, Any], at: Location) -> ServiceError:
    """What an answer of the service means, and what to do about it.

    Args:
      status: of HTTP, 400 or more.
      answer: its body; empty where that was not JSON.
      at: where the request went.
    """
    error = answer.get("error")
    error = error if isinstance(error, Mapping) else {}
    message = " ".join(str(error.get("message") or "").split()) or f"HTTP status {status}"
    return ServiceError(status, *_meaning(status, message, error, at))


def _meaning(status: int, message: str, error: Mapping[str, Any], at: Location) -> tuple[str, str | None, str]:
    """Got, accepted and what to do."""
    match status:
        case 401:
            got = "The service rejects the credentials"
            return got, "valid credentials", "gcloud auth application-default login"
        case 403 if re.search("SERVICE_DISABLED|has not been used in project|is disabled", json.dumps(error)):
            do = f"gcloud services enable {at.api.host} --project={at.project}"
            return f"The {at.api.title} API is off in project {at.project}", "a project where it is enabled", do
        case 403:
            do = "Ask for it (also iam.serviceAccountUser for --service_account), or correct --project"
            return f"Not allowed: {message}", f"the role {at.api.role} in project {at.project}", do
        case 404:
            accept = f"a job, project and region that exist ({at.parent})"
            return f"Not found: {message}", accept, "Correct the name, --project or --region"
        case 409:
            return f"It already exists: {message}", "a new name", "Change the name"
        case 400:
            do = _violations(error) or "Correct the field it names"
            return f"The service does not accept the request: {message}", None, do
        case 429:
            do = "Wait, ask for more quota (console, IAM & Admin, Quotas), or choose another --region or --machine"
            return f"Over the quota: {message}", "requests and machines within the quota", do
        case _:
            do = "Submit again later; status.cloud.google.com shows outages"
            return f"The service failed: {message} (HTTP {status})", None, do


def _violations(error: Mapping[str, Any]) -> str | None:
    """Fields that a 400 names, with what is wrong with them."""
    details = [detail for detail in error.get("details") or () if isinstance(detail, Mapping)]
    violations = [violation for detail in details for violation in detail.get("fieldViolations") or ()]
    return "; ".join(f"{entry.get('field')}: {entry.get('description')}" for entry in violations) or None
