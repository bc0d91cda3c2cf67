"""Google's services over plain REST: a request, tried again where that does no harm; refusals in words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from trainer.launch.vertex.service import Location, ServiceError, refusal
from trainer.storage import RetryPolicy

TRANSIENT_STATUSES = frozenset((408, 429, 500, 502, 503, 504))
MOST_TRIES = 6
_TIMEOUT_SECS = (10.0, 60.0)


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


class Rest:
    """Requests to one service.

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
        self.at = at
        self._session, self._wait, self._chance = session, wait, chance
        self._broken, self._denied = broken, denied
        self._retries = RetryPolicy(first_wait_secs=1.0, longest_wait_secs=32.0)

    def elsewhere(self, at: Location) -> Rest:
        """The same session, asked at another address."""
        return Rest(self._session, at, wait=self._wait, chance=self._chance, broken=self._broken, denied=self._denied)

    def get(self, path: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The resource at a path below the endpoint. Raises ServiceError."""
        return self._retried("GET", path, None, params)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Posts what may be posted twice without harm. Raises ServiceError."""
        return self._retried("POST", path, json.dumps(body), None)

    def create(self, path: str, body: Mapping[str, Any], find: Callable[[], dict[str, Any] | None]) -> dict[str, Any]:
        """Posts what must not be made twice, however often that has to be tried.

        Args:
          path: below the endpoint.
          body: of the request.
          find: looks for what an earlier try made, whose answer was lost or was an error; None where there is nothing.

        Raises:
          ServiceError: the service refuses it, or did not answer for long.
        """
        tried = 0
        while True:
            tried += 1
            try:
                return self.once("POST", path, body=json.dumps(body))
            except (NoAnswerError, ServiceError) as error:
                # Of these answers some come after it was made.
                if isinstance(error, ServiceError) and error.status not in TRANSIENT_STATUSES | {409}:
                    raise
                self.pause(tried, error)
                found = find()
                if found is not None:
                    return found
                # A conflict at once is with somebody else's; a later one with ours, which may be under way still.
                is_another = tried == 1 and isinstance(error, ServiceError) and error.status == 409
                if tried >= MOST_TRIES or is_another:
                    raise self.given_up(tried, error) from error

    def once(
        self, method: str, path: str, *, body: str | None = None, params: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """One request without another try.

        Args:
          method: GET or POST.
          path: below the endpoint.
          body: JSON.
          params: of the query.

        Raises:
          NoAnswerError: it is unknown whether it was performed.
          ServiceError: it was refused.
        """
        headers = {"Content-Type": "application/json"} if body is not None else {}
        url = f"{self.at.endpoint}/{path}"
        try:
            answer = self._session.request(
                method, url, data=body, params=params, headers=headers, timeout=_TIMEOUT_SECS
            )
        except self._denied as error:
            raise refusal(401, {}, self.at) from error
        except self._broken as error:
            raise NoAnswerError(type(error).__name__) from error  # without what the request carried
        parsed = _parsed(answer.text)
        if answer.status_code < 300 and parsed is not None:
            return parsed
        if answer.status_code < 300:
            raise NoAnswerError("the answer was cut off")
        problem = refusal(answer.status_code, parsed or {}, self.at)
        problem.after_secs = _retry_after(answer.headers)
        raise problem

    def pause(self, tried: int, error: NoAnswerError | ServiceError) -> None:
        """Waits before another try: as long as the service asked for, else longer each time."""
        asked = error.after_secs if isinstance(error, ServiceError) else None
        self._wait(asked or self._retries.wait_secs(tried, self._chance()))

    def given_up(self, tried: int, error: NoAnswerError | ServiceError) -> ServiceError:
        """The last answer, or that there was none."""
        if isinstance(error, ServiceError):
            return error
        return ServiceError(
            None,
            f"{self.at.endpoint} did not answer in {tried} tries ({error})",
            "a connection to it",
            "Check the network, the proxy and --region, and try again",
        )

    def _retried(self, method: str, path: str, body: str | None, params: Mapping[str, str] | None) -> dict[str, Any]:
        tried = 0
        while True:
            tried += 1
            try:
                return self.once(method, path, body=body, params=params)
            except (NoAnswerError, ServiceError) as error:
                if isinstance(error, ServiceError) and error.status not in TRANSIENT_STATUSES:
                    raise
                if tried >= MOST_TRIES:
                    raise self.given_up(tried, error) from error
                self.pause(tried, error)


def _parsed(text: str) -> dict[str, Any] | None:
    """A JSON object; None where it is none, or cut off."""
    try:
        value = json.loads(text or "null")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    text = headers.get("Retry-After", "")
    return min(float(text), 120.0) if text.isdecimal() else None
