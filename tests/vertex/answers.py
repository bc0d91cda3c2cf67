"""Answers of Google's services: a status and a body in JSON, and errors as they write them."""

from __future__ import annotations

from typing import Any

from google.protobuf import json_format

from tests.vertex import discovery

Answer = tuple[int, dict[str, Any]]
_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


def error(status: int, message: str) -> dict[str, Any]:
    """The body that goes with a status."""
    return {"error": {"code": status, "message": message, "status": _NAMES.get(status, "UNKNOWN")}}


def not_found(name: str) -> Answer:
    return 404, error(404, f"{name} does not exist")


def parsed(body: dict[str, Any], kind: Any, schema: str, *, enums_are_numbers: bool = False) -> Any:
    """The official message of a body of Vertex AI; ValueError where its type or the discovery document refuse it.

    Args:
      body: as it came.
      kind: the official type.
      schema: its name in the discovery document.
      enums_are_numbers: as Google's own client asks for, which the document does not describe.
    """
    message = kind()
    try:
        json_format.ParseDict(body, type(message).pb(message))
    except json_format.ParseError as problem:
        raise ValueError(str(problem)) from problem
    wrong = [] if enums_are_numbers else discovery.errors(body, "aiplatform.v1", f"GoogleCloudAiplatformV1{schema}")
    if wrong:
        raise ValueError("; ".join(wrong))
    return message
