"""Shapes of JSON documents, and what in a document does not fit them: unknown fields and wrong types."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from typing import Any

from trainer.launch.breaches import Breach, Path, meant, short


class Kind(enum.Enum):
    """A field without fields of its own, by what is accepted there."""

    TEXT = "text, in quotes"
    WHOLE = "a whole number"
    NUMBER = "a number"
    SWITCH = "true or false"
    TEXTS = "an object of texts"
    ANY = "anything"


# An object by its fields, a list by the shape of its items.
Shape = Kind | Mapping[str, Any] | list[Any]


def schema_errors(value: object, shape: Shape, path: Path = ()) -> Iterator[Breach]:
    """Every place where `value` has not the `shape`; null and absent fields fit always."""
    if value is None or shape is Kind.ANY:
        return
    if isinstance(shape, Kind):
        if not _is(value, shape):
            yield Breach(path=path, got=short(value), accept=shape.value, do="Correct the type")
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield Breach(path=path, got=short(value), accept="a list", do="Put it in brackets")
            return
        for index, item in enumerate(value):
            yield from schema_errors(item, shape[0], (*path, index))
    elif not isinstance(value, dict):
        yield Breach(path=path, got=short(value), accept="an object", do=f"Write its fields: {', '.join(shape)}")
    else:
        yield from _fields(value, shape, path)


def _fields(value: Mapping[str, Any], shape: Mapping[str, Any], path: Path) -> Iterator[Breach]:
    for name, inner in value.items():
        if name in shape:
            yield from schema_errors(inner, shape[name], (*path, name))
        else:
            do = meant(str(name), shape, "Remove it")
            yield Breach(path=(*path, name), got="no such field", accept=", ".join(shape), do=do)


def _is(value: object, kind: Kind) -> bool:
    match kind:
        case Kind.TEXT:
            return isinstance(value, str)
        case Kind.WHOLE:  # JSON of 64-bit numbers has them as texts
            is_text = isinstance(value, str) and value.removeprefix("-").isdecimal()
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
