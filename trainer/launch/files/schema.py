"""Schemas of JSON documents, and what in a document does not fit them: unknown fields, wrong types and values."""

from __future__ import annotations

import dataclasses
import enum
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from trainer.job.findings import Finding, Level, Path, short, shown
from trainer.job.spelling import nearest


class Kind(enum.Enum):
    """A field without fields of its own, by what is accepted there."""

    TEXT = "text, in quotes"
    WHOLE = "a whole number"
    INTEGER = "a whole number, not in quotes"
    NUMBER = "a number"
    SWITCH = "true or false"
    INT_OR_TEXT = "a whole number, or text in quotes"
    NUMBER_OR_TEXT = "a number, or text in quotes"
    TEXTS = "an object of strings"
    ANY = "anything"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """What OpenAPI says of a value, as far as it is used here.

    Attributes:
      kind: of a value that is neither an object nor a list.
      fields: of an object; empty where it has keys of the person's, or anything.
      values: of each key that is not among the fields; None where there may be no such key, unless it is `open`.
      open: an object may have any other key.
      items: of a list.
      keys: fields by which the items of a list differ, none for the whole item; None where they may be equal.
      required: fields that must be there.
      enum: the only values.
      pattern: that a text has somewhere.
      bounds: least and greatest number, or length of a text or list; None for no bound.
    """

    kind: Kind | None = None
    fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    values: Any = None
    open: bool = False
    items: Any = None
    keys: tuple[str, ...] | None = None
    required: tuple[str, ...] = ()
    enum: tuple[Any, ...] = ()
    pattern: str | None = None
    bounds: tuple[int | None, int | None] = (None, None)


# A part; or in short an object by its fields, a list by the schema of its items.
Schema = Kind | Part | Mapping[str, Any] | list[Any]
# The objects that a value is in, outermost first: their paths and fields.
_Above = tuple[tuple[Path, Mapping[str, Any]], ...]
_MOST_SHOWN = 12
_DEPTH = 3  # in which a field that was found in a wrong place is looked for


def schema_errors(
    value: object, schema: Schema, path: Path = (), *, strange: Level = Level.ERROR, above: _Above = ()
) -> Iterator[Finding]:
    """Every place where a value does not fit a schema; null and absent fields always fit,
    and no list has a null in it.

    Args:
      value: of a document, as JSON has it.
      schema: what it should be.
      path: of the value in its document.
      strange: level of a field that is like no known one; one that is misspelt or misplaced is an error.
      above: the objects that the value is in.
    """
    part = _part(schema)
    if value is None or part.kind is Kind.ANY:
        return
    if part.kind is not None:
        yield from _scalar(value, part, part.kind, path)
    elif part.items is not None:
        yield from _list(value, part, path, strange, above)
    elif not isinstance(value, dict):
        do = f"Write its fields: {_names(part.fields)}" if part.fields else "Write key: value"
        yield Finding(where=path, got=short(value), accept="an object", do=do)
    else:
        yield from _object(value, part, path, strange, above)


def whole(value: object) -> int | None:
    """The whole number that a field says, also as a text; None where it says none."""
    if _is(value, Kind.WHOLE):
        return int(str(value))
    return None


def _part(schema: Schema) -> Part:
    if isinstance(schema, Part):
        return schema
    if isinstance(schema, Kind):
        return Part(kind=schema)
    return Part(items=schema[0]) if isinstance(schema, list) else Part(fields=schema)


def _scalar(value: object, part: Part, kind: Kind, path: Path) -> Iterator[Finding]:
    if not _is(value, kind):
        yield Finding(where=path, got=short(value), accept=kind.value, do="Correct the type")
    elif part.enum and value not in part.enum:
        names = [str(name) for name in part.enum]
        better = nearest(str(value), names)
        do = f"Did you mean {better}?" if better else "Use one of them"
        yield Finding(where=path, got=short(value), accept=", ".join(names), do=do)
    elif part.pattern and isinstance(value, str) and not re.search(part.pattern, value):
        yield Finding(where=path, got=short(value), accept=f"text that matches {part.pattern}", do="Correct it")
    else:
        yield from _bounds(value, part, path)


def _bounds(value: object, part: Part, path: Path) -> Iterator[Finding]:
    """Of a number, or of the length of a text or a list."""
    least, most = part.bounds
    size = value if isinstance(value, int | float) else len(value) if isinstance(value, str | list | dict) else 0
    if (least is not None and size < least) or (most is not None and size > most):
        got = short(value) if size is value else f"{size} in number" if isinstance(value, list | dict) else short(value)
        ends = [f"from {least}"] if least is not None else []
        ends += [f"up to {most}"] if most is not None else []
        unit = "" if size is value else " characters" if isinstance(value, str) else " entries"
        yield Finding(where=path, got=got, accept=f"{' '.join(ends)}{unit}", do="Correct it")


def _list(value: object, part: Part, path: Path, strange: Level, above: _Above) -> Iterator[Finding]:
    if not isinstance(value, list):
        yield Finding(where=path, got=short(value), accept="a list", do="Put it in brackets")
        return
    yield from _bounds(value, part, path)
    seen: list[object] = []
    for index, item in enumerate(value):
        if item is None:
            yield Finding(where=(*path, index), got="null", accept="no empty items", do="Remove it")
        yield from schema_errors(item, part.items, (*path, index), strange=strange, above=above)
        if part.keys is None:
            continue
        fields = item if isinstance(item, dict) else {}
        key = [fields.get(name) for name in part.keys] if part.keys else item
        if key in seen and item is not None:
            what = ", ".join(f"{name} {fields[name]}" for name in part.keys if name in fields) or short(item)
            yield Finding(where=(*path, index), got=f"{what} twice", accept="each once", do="Drop one")
        seen.append(key)


def _object(value: Mapping[str, Any], part: Part, path: Path, strange: Level, above: _Above) -> Iterator[Finding]:
    here = (*above, (path, part.fields))
    for name, inner in value.items():
        if name in part.fields:
            yield from schema_errors(inner, part.fields[name], (*path, name), strange=strange, above=here)
        elif part.values is not None:
            yield from schema_errors(inner, part.values, (*path, name), strange=strange, above=here)
        elif not part.open:
            yield _unknown(str(name), path, here, strange)
    for name in part.required:
        if value.get(name) is None:
            yield Finding(where=(*path, name), got="nothing", accept=f"{name}, which is required", do="Add it")
    yield from _bounds(value, part, path)


def _unknown(name: str, path: Path, here: _Above, strange: Level) -> Finding:
    """Of a field that is not one of its object: where else there is one, or how it is spelled."""
    fields, where = here[-1][1], (*path, name)
    better = nearest(name, fields)
    home = None if better and _is_spelling(name, better) else _home(name, here)
    if home is not None:
        do = f"Move it to {shown(home)}" if home else "Move it to the top"
        return Finding(where=where, got="no such field", accept=_names(fields), do=do)
    if better:
        return Finding(where=where, got="no such field", accept=_names(fields), do=f"Did you mean {better}?")
    do = "Remove it" if strange is Level.ERROR else "kubectl refuses it, unless the cluster's release is newer"
    return Finding(where=where, got="no such field", accept=_names(fields), do=do, level=strange)


def _is_spelling(name: str, better: str) -> bool:
    """Whether the two differ by a letter or by case, so that the place is right."""
    return name.lower().rstrip("s") == better.lower().rstrip("s")


def _home(name: str, here: _Above) -> Path | None:
    """The path of the object, below this one or around it, that has a field of this name."""
    path, fields = here[-1]
    level: list[tuple[Path, Any]] = [((*path, key), inner) for key, inner in fields.items()]
    for _ in range(_DEPTH):
        parts = [(at, _part(inner)) for at, inner in level]
        for at, part in parts:
            if name in part.fields:
                return at
        level = [((*at, key), inner) for at, part in parts for key, inner in part.fields.items()]
    return next((at for at, known in reversed(here[:-1]) if name in known), None)


def _names(fields: Iterable[str]) -> str:
    names = list(fields)
    more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    return ", ".join(names[:_MOST_SHOWN]) + more


def _is(value: object, kind: Kind) -> bool:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    is_number = is_whole or isinstance(value, float)
    match kind:
        case Kind.TEXT:
            return isinstance(value, str)
        case Kind.WHOLE:  # JSON of 64-bit numbers has them as texts
            return is_whole or (isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}", value) is not None)
        case Kind.INTEGER:
            return is_whole
        case Kind.NUMBER:
            return is_number
        case Kind.SWITCH:
            return isinstance(value, bool)
        case Kind.INT_OR_TEXT:
            return is_whole or isinstance(value, str)
        case Kind.NUMBER_OR_TEXT:
            return is_number or isinstance(value, str)
        case Kind.TEXTS:
            return isinstance(value, dict) and all(isinstance(item, str) for pair in value.items() for item in pair)
        case Kind.ANY:
            return True
