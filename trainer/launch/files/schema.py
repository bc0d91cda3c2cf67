"""Schemas of JSON documents, and what in a document does not fit them: unknown fields and wrong types."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Mapping
from typing import Any

from trainer.job.findings import Finding, Path, short
from trainer.job.spelling import suggestion


class Kind(enum.Enum):
    """A field without fields of its own, by what is accepted there."""

    TEXT = "text, in quotes"
    WHOLE = "a whole number"
    NUMBER = "a number"
    SWITCH = "true or false"
    TEXTS = "an object of strings"
    ANY = "anything"


# An object by its fields, a list by the schema of its items.
Schema = Kind | Mapping[str, Any] | list[Any]


def schema_errors(value: object, schema: Schema, path: Path = ()) -> Iterator[Finding]:
    """Every place where a value does not fit a schema; null and absent fields always fit,
    and no list has a null in it.

    Args:
      value: of a document, as JSON has it.
      schema: what it should be.
      path: of the value in its document.
    """
    if value is None or schema is Kind.ANY:
        return
    if isinstance(schema, Kind):
        if not _is(value, schema):
            yield Finding(where=path, got=short(value), accept=schema.value, do="Correct the type")
    elif isinstance(schema, list):
        if not isinstance(value, list):
            yield Finding(where=path, got=short(value), accept="a list", do="Put it in brackets")
            return
        for index, item in enumerate(value):
            if item is None:
                yield Finding(where=(*path, index), got="null", accept="no empty items", do="Remove it")
            yield from schema_errors(item, schema[0], (*path, index))
    elif not isinstance(value, dict):
        yield Finding(where=path, got=short(value), accept="an object", do=f"Write its fields: {', '.join(schema)}")
    else:
        yield from _fields(value, schema, path)


def _fields(value: Mapping[str, Any], schema: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    for name, inner in value.items():
        if name in schema:
            yield from schema_errors(inner, schema[name], (*path, name))
        else:
            do = suggestion(str(name), schema, "Remove it")
            yield Finding(where=(*path, name), got="no such field", accept=", ".join(schema), do=do)


def _is(value: object, kind: Kind) -> bool:
    match kind:
        case Kind.TEXT:
            return isinstance(value, str)
        case Kind.WHOLE:  # JSON of 64-bit numbers has them as texts
            is_text = isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}", value) is not None
            return is_text or (isinstance(value, int) and not isinstance(value, bool))
        case Kind.NUMBER:
            return isinstance(value, int | float) and not isinstance(value, bool)
        case Kind.SWITCH:
            return isinstance(value, bool)
        case Kind.TEXTS:
            return isinstance(value, dict) and all(isinstance(item, str) for pair in value.items() for item in pair)
        case Kind.ANY:
            return True


def whole(value: object) -> int | None:
    """The whole number that a field says, also as a text; None where it says none."""
    if _is(value, Kind.WHOLE):
        return int(str(value))
    return None
