"""Bodies of requests beside the discovery documents of Google's services, which google-api-python-client carries."""

from __future__ import annotations

import functools
import json
import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import googleapiclient

_DOCUMENTS = pathlib.Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
_WHOLE = re.compile(r"-?\d+")
_SECS = re.compile(r"\d+(\.\d{1,9})?s")
_OF_TEXT = {"int64": _WHOLE, "uint64": _WHOLE, "google-duration": _SECS}


@functools.cache
def document(name: str) -> Mapping[str, Any]:
    """The document of a service and version, as `aiplatform.v1`."""
    found: Mapping[str, Any] = json.loads((_DOCUMENTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def errors(body: object, service: str, schema: str) -> list[str]:
    """What in a body does not fit the schema of that name: place and reason, a line each; empty where all fits.

    Numbers of 64 bits are taken as numbers too: the services' JSON readers accept both.
    """
    return list(_errors(body, {"$ref": schema}, document(service)["schemas"], "body"))


def _errors(value: object, schema: Mapping[str, Any], schemas: Mapping[str, Any], at: str) -> Iterator[str]:
    if "$ref" in schema:
        schema = schemas[schema["$ref"]]
    match schema.get("type"):
        case "object":
            yield from _of_object(value, schema, schemas, at)
        case "array":
            if not isinstance(value, list):
                yield f"{at}: {value!r} is no list"
                return
            for index, item in enumerate(value):
                yield from _errors(item, schema["items"], schemas, f"{at}[{index}]")
        case "any":
            return
        case kind:
            if not _fits(value, str(kind), schema):
                yield f"{at}: {value!r} is no {schema.get('format') or kind} {schema.get('enum') or ''}".rstrip()


def _of_object(value: object, schema: Mapping[str, Any], schemas: Mapping[str, Any], at: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{at}: {value!r} is no object"
        return
    properties, others = schema.get("properties") or {}, schema.get("additionalProperties")
    for name, item in value.items():
        inner = properties.get(name, others)
        if inner is None:
            yield f"{at}.{name}: no such field"
        elif inner.get("readOnly"):
            yield f"{at}.{name}: is the service's to say"
        else:
            yield from _errors(item, inner, schemas, f"{at}.{name}")


def _fits(value: object, kind: str, schema: Mapping[str, Any]) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match kind:
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and is_number
        case "number":
            return is_number
    pattern = _OF_TEXT.get(schema.get("format", ""))
    if pattern is _WHOLE and is_number:
        return isinstance(value, int)
    return isinstance(value, str) and (not pattern or bool(pattern.fullmatch(value))) and _is_named(value, schema)


def _is_named(value: str, schema: Mapping[str, Any]) -> bool:
    return value in schema.get("enum", (value,))
