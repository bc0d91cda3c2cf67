"""Vertex AI over plain REST: create, look at, find and cancel jobs; every answer becomes words and the right retry.

A create whose answer was lost may have made the job. Each submission therefore carries a label of its own, by which the
job is looked for before anything is sent again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from trainer.launch.vertex.requests import CUSTOM_JOBS, TUNING_JOBS, Request
from trainer.launch.vertex.service import Location, ServiceError, refusal
from trainer.storage import RetryPolicy

SUBMISSION_LABEL = "trainer_submission"
_TIMEOUT_SECS = (10.0, 60.0)
_TRANSIENT_STATUSES = {408, 429, 500, 502, 503, 504}
_MOST_TRIES = 6


class Answer(Protocol):
    """What a session gives back: requests.Response, as far as it is used here."""

    status_code: int

    @property
    def headers(self) -> Mapping[str, str]:
        """By name, whatever its case."""
        ...

    @property
    def text(self) -> str:
        """The body."""
        ...


class Session(Protocol):
    """google.auth's AuthorizedSession, as far as it is used here."""

    def request(self, method: str, url: str, *, data: str | None, params: Any, headers: Any, timeout: Any) -> Answer:
        """Sends one request, and waits for its answer.

        Args:
          method: GET or POST.
          url: where to.
          data: the body; None for none.
          params: of the query.
          headers: besides those of the credentials.
          timeout: seconds, to connect and between two bytes.
        """
        ...


class NoAnswerError(Exception):
    """No answer came, so that it is unknown what the service did."""


class VertexClient:
    """Jobs of one project in one region.

    Args:
      session: sends; its exceptions on a broken connection are subclasses of `broken`.
      at: where to.
      wait: waits the given number of seconds.
      chance: gives numbers from [0, 1).
      broken: exceptions that mean that no answer came.
      denied: exceptions that mean that there are no valid credentials any more.
    """

    def __init__(
        self,
        session: Session,
        at: Location,
        *,
        wait: Callable[[float], object],
        chance: Callable[[], float],
        broken: tuple[type[Exception], ...],
        denied: tuple[type[Exception], ...] = (),
    ) -> None:
        self._session, self._at, self._wait, self._chance = session, at, wait, chance
        self._broken, self._denied = broken, denied
        self._retries = RetryPolicy(first_wait_secs=1.0, longest_wait_secs=32.0)

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
            except (NoAnswerError, ServiceError) as error:
                # Of these answers some come after the job was made.
                if isinstance(error, ServiceError) and error.status not in _TRANSIENT_STATUSES | {409}:
                    raise
                self._pause(tried, error)
                job = self.find(collection, token)
                if job is not None:
                    return job
                if tried >= _MOST_TRIES or (isinstance(error, ServiceError) and error.status == 409):
                    raise self._given_up(tried, error) from error

    def get(self, name: str) -> Request:
        """The job of this full name. Raises ServiceError, with status 404 where there is none."""
        return self._retried("GET", f"{self._at.endpoint}/v1/{name}")

    def find(self, collection: str, token: str) -> Request | None:
        """The job that was submitted with this token, if there is one."""
        answer = self._retried(
            "GET", self._at.url(collection), params={"filter": f"labels.{SUBMISSION_LABEL}={token}", "pageSize": "1"}
        )
        jobs = answer.get(collection) or []
        return jobs[0] if jobs else None

    def cancel(self, name: str) -> None:
        """Asks the service to end the job; ServiceError for one that has ended already."""
        self._retried("POST", f"{self._at.endpoint}/v1/{name}:cancel", body="{}")

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

    def _retried(self, method: str, url: str, body: str | None = None, params: Any = None) -> Request:
        """One request whose repetition does no harm."""
        tried = 0
        while True:
            tried += 1
            try:
                return self._once(method, url, body=body, params=params)
            except (NoAnswerError, ServiceError) as error:
                if isinstance(error, ServiceError) and error.status not in _TRANSIENT_STATUSES:
                    raise
                if tried >= _MOST_TRIES:
                    raise self._given_up(tried, error) from error
                self._pause(tried, error)

    def _pause(self, tried: int, error: NoAnswerError | ServiceError) -> None:
        asked = error.after_secs if isinstance(error, ServiceError) else None
        self._wait(asked or self._retries.wait_secs(tried, self._chance()))

    def _given_up(self, tried: int, error: NoAnswerError | ServiceError) -> ServiceError:
        """The last answer, or that there was none."""
        if isinstance(error, ServiceError):
            return error
        return ServiceError(
            None,
            f"{self._at.endpoint} did not answer in {tried} tries ({error})",
            "a connection to it",
            "Check the network, the proxy and --region, and try again",
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
            raise NoAnswerError(_plainly(error)) from error
        parsed = _parsed(answer.text)
        if answer.status_code < 300 and parsed is not None:
            return parsed
        if answer.status_code < 300:
            raise NoAnswerError("the answer was cut off")
        problem = refusal(answer.status_code, parsed or {}, self._at)
        problem.after_secs = _retry_after(answer.headers)
        raise problem


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
