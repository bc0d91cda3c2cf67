"""What goes between the HTTP layer and the APIs: a request that was read, a response to write, a refusal."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, BinaryIO, Protocol

CHUNK_BYTES = 1 << 20


class Content(Protocol):
    """Bytes to be read once, from the first to the last."""

    def read(self, size: int = -1, /) -> bytes: ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """One request, read to its end.

    Attributes:
      path: still percent-encoded, without the query.
      query: decoded; a parameter without a value is ''.
      headers: names in lower case.
      body: at its start.
      damaged: one bit of what is uploaded has to flip on its way in.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: BinaryIO
    damaged: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Slice:
    """A part of an open file, which whoever writes the response closes."""

    file: BinaryIO
    start: int
    length: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Response:
    """One response; Content-Length is added by whoever writes it."""

    status: int = 200
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: bytes | Slice = b""

    @property
    def length(self) -> int:
        return len(self.body) if isinstance(self.body, bytes) else self.body.length


class Refusal(Exception):
    """A request that is answered with an error.

    Args:
      status: of HTTP.
      message: for people.
      reason: the word that the JSON API gives beside it.
      headers: to add to the response.
    """

    def __init__(self, status: int, message: str, reason: str = "invalid", headers: Mapping[str, str] = {}) -> None:  # noqa: B006
        super().__init__(message)
        self.status, self.message, self.reason, self.headers = status, message, reason, headers

    def response(self) -> Response:
        """As the JSON API says it; a 304 has no body."""
        if self.status == 304:
            return Response(status=304, headers=self.headers)
        error = {"message": self.message, "domain": "global", "reason": self.reason}
        body = {"error": {"code": self.status, "message": self.message, "errors": [error]}}
        return in_json(body, self.status, self.headers)


def in_json(body: Any, status: int = 200, headers: Mapping[str, str] = {}) -> Response:  # noqa: B006
    return Response(
        status=status,
        headers={"Content-Type": "application/json; charset=UTF-8", **headers},
        body=json.dumps(body).encode(),
    )


def json_body(request: Request) -> dict[str, Any]:
    """The JSON object in the body, {} for none; Refusal for anything else."""
    text = request.body.read()
    try:
        found = json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise Refusal(400, f"Parse Error: {error}", "parseError") from error
    if not isinstance(found, dict):
        raise Refusal(400, "Parse Error: the body is no object", "parseError")
    return found
