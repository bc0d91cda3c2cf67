"""Vertex AI over plain REST: create, look at, find and cancel jobs; every answer becomes words and the right retry.

A create whose answer was lost may have made the job. Each submission therefore carries a label of its own, by which the
job is looked for before anything is sent again.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from trainer.job.errors import JobError
from trainer.launch.vertex.requests import CUSTOM_JOBS, TUNING_JOBS, Request
from trainer.storage import RetryPolicy

SUBMISSION_LABEL = "trainer_submission"
_TIMEOUT_SECS = (10.0, 60.0)
_PASSING = {408, 429, 500, 502, 503, 504}
_MOST_TRIES = 6


class Answer(Protocol):
    """What a session gives back: requests.Response, as far as it is used here."""

    status_code: int

    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def text(self) -> str: ...


class Session(Protocol):
    """google.auth's AuthorizedSession, as far as it is used here."""

    def request(
        self, method: str, url: str, *, data: str | None, params: Any, headers: Any, timeout: Any
    ) -> Answer: ...


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


class Dropped(Exception):  # noqa: N818  (a try that may be made again, no end)
    """No answer came: nobody knows what the service did."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """Where requests go.

    Attributes:
      endpoint: scheme and host, as https://us-central1-aiplatform.googleapis.com.
    """

    project: str
    region: str
    endpoint: str

    @property
    def parent(self) -> str:
        return f"projects/{self.project}/locations/{self.region}"

    def url(self, collection: str) -> str:
        return f"{self.endpoint}/v1/{self.parent}/{collection}"


def place(project: str, region: str, endpoint: str | None) -> Place:
    """The region's own endpoint, or the one that somebody named."""
    regional = f"https://{region}-aiplatform.googleapis.com"
    return Place(project=project, region=region, endpoint=(endpoint or regional).rstrip("/"))


class VertexClient:
    """Jobs of one project in one region.

    Args:
      session: sends; its exceptions on a broken connection are subclasses of `broken`.
      at: where to.
      wait: waits so many seconds.
      chance: gives numbers from [0, 1).
      broken: exceptions that mean that no answer came.
      denied: exceptions that mean that there are no valid credentials any more.
    """

    def __init__(
        self,
        session: Session,
        at: Place,
        *,
        wait: Callable[[float], object],
        chance: Callable[[], float],
        broken: tuple[type[Exception], ...],
        denied: tuple[type[Exception], ...] = (),
    ) -> None:
        self._session, self._at, self._wait, self._chance = session, at, wait, chance
        self._broken, self._denied = broken, denied
        self._patience = RetryPolicy(first_wait_secs=1.0, longest_wait_secs=32.0)

    def create(self, collection: str, request: Request, token: str) -> Request:
        """Submits the job once, however often that has to be tried, and returns it as the service sees it.

        Args:
          collection: customJobs or hyperparameterTuningJobs.
          request: the body.
          token: unique to this submission: letters, digits, '-' and '_'.

        Raises:
          ServiceError: the service refuses it, or did not answer for long.
        """
        labels = {**(request.get("labels") or {}), SUBMISSION_LABEL: token}
        body = json.dumps({**request, "labels": labels})
        tried = 0
        while True:
            tried += 1
            try:
                return self._once("POST", self._at.url(collection), body=body)
            except (Dropped, ServiceError) as error:
                # Of these answers some come after the job was made.
                if isinstance(error, ServiceError) and error.status not in _PASSING | {409}:
                    raise
                self._pause(tried, error)
                made = self.find(collection, token)
                if made is not None:
                    return made
                if tried >= _MOST_TRIES or (isinstance(error, ServiceError) and error.status == 409):
                    raise self._given_up(tried, error) from error

    def get(self, name: str) -> Request:
        """The job of this full name. Raises ServiceError, with status 404 where there is none."""
        return self._patiently("GET", f"{self._at.endpoint}/v1/{name}")

    def find(self, collection: str, token: str) -> Request | None:
        """The job that was submitted with this token, if there is one."""
        found = self._patiently(
            "GET", self._at.url(collection), params={"filter": f"labels.{SUBMISSION_LABEL}={token}", "pageSize": "1"}
        )
        jobs = found.get(collection) or []
        return jobs[0] if jobs else None

    def cancel(self, name: str) -> None:
        """Asks the service to end the job; one that has ended already is none to cancel (ServiceError)."""
        self._patiently("POST", f"{self._at.endpoint}/v1/{name}:cancel", body="{}")

    def resolve(self, job: str) -> Request:
        """The job of a full name, or of a bare number, which may be of either collection."""
        if "/" in job:
            return self.get(job)
        try:
            return self.get(f"{self._at.parent}/{CUSTOM_JOBS}/{job}")
        except ServiceError as error:
            if error.status != 404:
                raise
            return self.get(f"{self._at.parent}/{TUNING_JOBS}/{job}")

    def _patiently(self, method: str, url: str, body: str | None = None, params: Any = None) -> Request:
        """One request whose repetition does no harm."""
        tried = 0
        while True:
            tried += 1
            try:
                return self._once(method, url, body=body, params=params)
            except (Dropped, ServiceError) as error:
                if isinstance(error, ServiceError) and error.status not in _PASSING:
                    raise
                if tried >= _MOST_TRIES:
                    raise self._given_up(tried, error) from error
                self._pause(tried, error)

    def _pause(self, tried: int, error: Dropped | ServiceError) -> None:
        asked = error.after_secs if isinstance(error, ServiceError) else None
        self._wait(asked or self._patience.wait_secs(tried, self._chance()))

    def _given_up(self, tried: int, error: Dropped | ServiceError) -> ServiceError:
        """The last answer, or that there was none."""
        if isinstance(error, ServiceError):
            return error
        return ServiceError(
            None,
            f"{self._at.endpoint} did not answer in {tried} tries ({error})",
            "a connection to it",
            "See to the network, the proxy and --region, and try again",
        )

    def _once(self, method: str, url: str, *, body: str | None = None, params: Any = None) -> Request:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        try:
            answer = self._session.request(
                method, url, data=body, params=params, headers=headers, timeout=_TIMEOUT_SECS
            )
        except self._denied as error:
            raise refusal(401, {}, self._at) from error
        except self._broken as error:
            raise Dropped(_plainly(error)) from error
        parsed = _parsed(answer.text)
        if answer.status_code < 300 and parsed is not None:
            return parsed
        if answer.status_code < 300:
            raise Dropped("the answer was cut off")
        problem = refusal(answer.status_code, parsed or {}, self._at)
        problem.after_secs = _retry_after(answer.headers)
        raise problem


def refusal(status: int, answer: Mapping[str, Any], at: Place) -> ServiceError:
    """What an answer of the service means, and what to do about it."""
    error = answer.get("error")
    error = error if isinstance(error, Mapping) else {}
    said = " ".join(str(error.get("message") or "").split()) or f"HTTP status {status}"
    return ServiceError(status, *_meaning(status, said, error, at))


def _meaning(status: int, said: str, error: Mapping[str, Any], at: Place) -> tuple[str, str | None, str]:
    """Got, accepted and what to do."""
    match status:
        case 401:
            got = "The service does not know who is asking"
            return got, "valid credentials", "gcloud auth application-default login"
        case 403 if re.search("SERVICE_DISABLED|has not been used in project|is disabled", json.dumps(error)):
            do = f"gcloud services enable aiplatform.googleapis.com --project={at.project}"
            return f"The Vertex AI API is off in project {at.project}", "a project where it is enabled", do
        case 403:
            do = "Ask for it (also iam.serviceAccountUser for --service_account), or correct --project"
            return f"Not allowed: {said}", f"the role roles/aiplatform.user in project {at.project}", do
        case 404:
            accept = f"a job, project and region that exist ({at.parent})"
            return f"Not found: {said}", accept, "Correct the name, --project or --region"
        case 409:
            return f"There is such a job already: {said}", "a new name", "Change --name"
        case 400:
            do = _violations(error) or "Correct the field it names"
            return f"The service does not accept the request: {said}", None, do
        case 429:
            do = "Wait, ask for more quota (console, IAM & Admin, Quotas), or choose another --region or --machine"
            return f"Too much at once: {said}", "requests and machines within the quota", do
        case _:
            do = "Submit again later; status.cloud.google.com shows disturbances"
            return f"The service failed: {said} (HTTP {status})", None, do


def _violations(error: Mapping[str, Any]) -> str | None:
    """Fields that a 400 names, with what is wrong with them."""
    details = [detail for detail in error.get("details") or () if isinstance(detail, Mapping)]
    found = [violation for detail in details for violation in detail.get("fieldViolations") or ()]
    return "; ".join(f"{entry.get('field')}: {entry.get('description')}" for entry in found) or None


def _parsed(text: str) -> Request | None:
    """A JSON object; None where it is none, or cut off."""
    try:
        value = json.loads(text or "null")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    text = headers.get("Retry-After", "")
    return min(float(text), 120.0) if text.isdecimal() else None


def _plainly(error: Exception) -> str:
    """The kind of a broken connection, without what the request carried."""
    return type(error).__name__
