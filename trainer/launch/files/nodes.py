"""What a YAML or JSON file holds: scalars, sequences and mappings, each with its place."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable
from typing import Any

from trainer.job.findings import Finding, Path, Place, shown

_WHOLE = re.compile(r"[-+]?[0-9]+")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NULLS = {"", "~", "null", "Null", "NULL"}
_SWITCHES = {"true": True, "false": False}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scalar:
    """A single value, as its text.

    Attributes:
      text: without quotes and escapes.
      quoted: it stands in quotes (or is a block, or tagged `!!str`), which makes it a text and no number.
    """

    text: str
    quoted: bool
    place: Place

    @property
    def number(self) -> int | float | None:
        """The number that the text says, in quotes or not; None for another text. May be infinite (`1e999`)."""
        text = self.text.strip()
        if _WHOLE.fullmatch(text) and len(text) < 300:
            return int(text)
        return float(text) if _NUMBER.fullmatch(text) else None

    @property
    def switch(self) -> bool | None:
        """What `true` or `false` says, in any case; None for another text."""
        return _SWITCHES.get(self.text.strip().lower())

    @property
    def is_null(self) -> bool:
        """Whether it is YAML's null; in quotes it is a text."""
        return not self.quoted and self.text in _NULLS

    def __str__(self) -> str:
        return shortened(self.text)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """A key and its value."""

    key: Scalar
    value: Node


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mapping:
    """Keys with values; each key once."""

    entries: tuple[Entry, ...]
    place: Place

    def get(self, key: str) -> Node | None:
        """The value under the key, if there is one."""
        return next((entry.value for entry in self.entries if entry.key.text == key), None)

    def __contains__(self, key: str) -> bool:
        return self.get(key) is not None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sequence:
    """A list of values."""

    items: tuple[Node, ...]
    place: Place


@dataclasses.dataclass(frozen=True, kw_only=True)
class Invalid:
    """Stands for a value that could not be read, which a finding has said."""

    place: Place


Node = Scalar | Mapping | Sequence | Invalid


def plain(node: Node) -> Any:
    """What YAML 1.2 makes of it: dict, list, str, int, float, bool or None. Quoted scalars are texts."""
    match node:
        case Mapping():
            return {entry.key.text: plain(entry.value) for entry in node.entries}
        case Sequence():
            return [plain(item) for item in node.items]
        case Invalid():
            return None
        case Scalar():
            return _plain_scalar(node)


def of_json(value: Any, path: str) -> Node:
    """The node of a value of JSON (dict, list, str, int, float, bool, None) that came from no file called `path`."""
    place = Place(path=path)
    match value:
        case dict():
            entries = ((Scalar(text=str(key), quoted=True, place=place), of_json(value[key], path)) for key in value)
            return Mapping(entries=tuple(Entry(key=key, value=inner) for key, inner in entries), place=place)
        case list() | tuple():
            return Sequence(items=tuple(of_json(item, path) for item in value), place=place)
        case str():
            return Scalar(text=value, quoted=True, place=place)
        case None:
            return Scalar(text="null", quoted=False, place=place)
        case bool():
            return Scalar(text=str(value).lower(), quoted=False, place=place)
    return Scalar(text=repr(value), quoted=False, place=place)


def at(node: Node, path: Path) -> Place:
    """Where the path of keys and indexes leads, or the place of its last part that exists.

    The place of a key, rather than that of its value, is what a person looks for.
    """
    place = node.place
    for step in path:
        if isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
            place = node.place
        elif isinstance(node, Mapping) and step in [entry.key.text for entry in node.entries]:
            entry = next(entry for entry in node.entries if entry.key.text == step)
            node, place = entry.value, entry.key.place
        else:
            break
    return place


def placed(findings: Iterable[Finding], node: Node) -> list[Finding]:
    """Findings about fields of a document, each with the place in the file in front of its field."""
    return [
        dataclasses.replace(finding, where=at(node, finding.where), got=f"{shown(finding.where)}: {finding.got}")
        for finding in findings
        if isinstance(finding.where, tuple)
    ]


def with_keys(node: Node, rename: Callable[[str], str], opaque: frozenset[str]) -> Node:
    """The document with its keys renamed, each where it stood.

    Args:
      node: the document.
      rename: from a key to its new name.
      opaque: new names of the keys whose values stay as they are, because the keys below are the person's.
    """
    match node:
        case Sequence():
            return dataclasses.replace(node, items=tuple(with_keys(item, rename, opaque) for item in node.items))
        case Mapping():
            entries = []
            for entry in node.entries:
                key = dataclasses.replace(entry.key, text=rename(entry.key.text))
                value = entry.value if key.text in opaque else with_keys(entry.value, rename, opaque)
                entries.append(Entry(key=key, value=value))
            return dataclasses.replace(node, entries=tuple(entries))
        case _:
            return node


def shortened(text: str) -> str:
    """A value of a file as an error shows it: one line, not too long."""
    shown = text if text.isprintable() else repr(text)[1:-1]
    return shown if len(shown) <= 60 else f"{shown[:40]}... ({len(text)} characters)"


def _plain_scalar(node: Scalar) -> str | int | float | bool | None:
    if node.quoted:
        return node.text
    if node.is_null:
        return None
    if node.text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return node.switch
    number = node.number
    return node.text if number is None else number
