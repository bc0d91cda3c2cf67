"""Typed values of fields; where a value has another type, None and a finding with its place."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import TypeVar

from trainer.job import spelling
from trainer.launch.files import nodes
from trainer.launch.files.fields import Fields, Keys
from trainer.launch.files.nodes import Invalid, Node, Scalar

_Choice = TypeVar("_Choice")

_DURATION = re.compile(r"([0-9]+(\.[0-9]{1,9})?)s")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")


def text(fields: Fields, name: str, accept: str) -> str | None:
    """A text, without spaces around it.

    Args:
      fields: the mapping that it is in, which takes the findings.
      name: of the field.
      accept: what it should be, in findings.
    """
    node = _scalar(fields, name, accept)
    return None if node is None else node.text.strip()


def choice(fields: Fields, name: str, choices: Mapping[str, _Choice]) -> _Choice | None:
    """The value that the word names; None where the key is absent, or the word is none of them.

    Args:
      fields: the mapping that it is in, which takes the findings.
      name: of the field.
      choices: the value of each word.
    """
    accept = ", ".join(choices)
    node = _scalar(fields, name, accept)
    if node is None or node.text in choices:
        return None if node is None else choices[node.text]
    meant = spelling.nearest(node.text, choices)
    do = f"Write {fields.spelled(name)}: {meant}" if meant else "Choose one of them"
    fields.error(node.place, f"{fields.spelled(name)}: {node}", accept, do)
    return None


def number(fields: Fields, name: str, accept: str = "a number") -> float | int | None:
    """A number; one in quotes too, of which a note is made.

    Args:
      fields: the mapping that it is in, which takes the findings.
      name: of the field.
      accept: what it should be, in findings.
    """
    node = _scalar(fields, name, accept)
    return None if node is None else number_of(fields, node, accept, f"{fields.spelled(name)}: ")


def number_of(fields: Fields, node: Node, accept: str, label: str) -> float | int | None:
    """The number of a value that is not under a key of its own.

    Args:
      fields: the mapping that it is in, which takes the findings.
      node: the value.
      accept: what it should be, in findings.
      label: precedes the value in findings.
    """
    if isinstance(node, Invalid):
        return None
    read = node.number if isinstance(node, Scalar) else None
    if not isinstance(node, Scalar) or read is None:
        shown = str(node) if isinstance(node, Scalar) else "a list or mapping"
        fields.error(node.place, f"{label}{shown}", accept, "Write a number, such as 128 or 1e-3")
    elif node.quoted:
        fields.note(node.place, f"{label}{node} in quotes is read as a number", "Remove the quotes")
    return read


def whole(fields: Fields, name: str, *, is_int64: bool = False) -> int | None:
    """A whole number, also as `128.0`.

    Args:
      fields: the mapping that it is in, which takes the findings.
      name: of the field.
      is_int64: it has 64 bits, which JSON writes as a text, so that quotes are right.
    """
    accept = "a whole number"
    node = _scalar(fields, name, accept)
    if node is not None and is_int64 and node.quoted:
        node = dataclasses.replace(node, quoted=False)
    read = None if node is None else number_of(fields, node, accept, f"{fields.spelled(name)}: ")
    if node is None or read is None or float(read).is_integer():
        return None if read is None else int(read)
    fields.error(node.place, f"{fields.spelled(name)}: {node}", accept, "Write a whole number")
    return None


def switch(fields: Fields, name: str) -> bool | None:
    """`true` or `false`, in any case."""
    node = _scalar(fields, name, "true or false")
    if node is not None and node.switch is None:
        fields.error(node.place, f"{fields.spelled(name)}: {node}", "true or false", "Write one of them")
    return None if node is None else node.switch


def secs(fields: Fields, name: str) -> float | None:
    """A duration as JSON has it, `"3600s"`, in seconds."""
    accept = 'seconds with an s, such as "3600s"'
    node = _scalar(fields, name, accept)
    match = None if node is None else _DURATION.fullmatch(node.text)
    if node is not None and match is None:
        do = f'Write "{node.text}s"' if node.number is not None else "Write it in seconds"
        fields.error(node.place, f"{fields.spelled(name)}: {node}", accept, do)
    return float(match[1]) if match else None


def moment(fields: Fields, name: str) -> str | None:
    """A point in time as JSON has it, `"2026-01-31T12:00:00Z"`."""
    accept = 'a time in UTC, such as "2026-01-31T12:00:00Z"'
    read = text(fields, name, accept)
    if read is not None and not _MOMENT.fullmatch(read):
        got = f"{fields.spelled(name)}: {nodes.shortened(read)}"
        fields.error(fields.place(name), got, accept, "Write it in this form")
        return None
    return read


def mapping(fields: Fields, name: str, keys: Keys, accept: str) -> Fields | None:
    """The fields of an inner mapping; None where there is none.

    Args:
      fields: the mapping that it is in, which takes the findings.
      name: of the field.
      keys: what the inner mapping may have.
      accept: what it should be, in findings.
    """
    node = fields.node(name)
    if node is None:
        return None
    if isinstance(node, nodes.Mapping):
        return Fields(node, keys, fields.findings, where=fields.spelled(name))
    _report_type(fields, name, node, accept)
    return None


def items(fields: Fields, name: str, accept: str) -> tuple[Node, ...] | None:
    """The items of a list; None where there is none.

    Args:
      fields: the mapping that it is in, which takes the findings.
      name: of the field.
      accept: what it should be, in findings.
    """
    node = fields.node(name)
    if node is None or isinstance(node, nodes.Sequence):
        return None if node is None else node.items
    _report_type(fields, name, node, accept)
    return None


def _scalar(fields: Fields, name: str, accept: str) -> Scalar | None:
    node = fields.node(name)
    if node is None:
        return None
    if isinstance(node, Scalar) and not node.is_null:
        return node
    _report_type(fields, name, node, accept)
    return None


def _report_type(fields: Fields, name: str, node: Node, accept: str) -> None:
    key = fields.spelled(name)
    if isinstance(node, Scalar) and node.is_null:
        do = "Add it after the colon, or remove the line"
        fields.error(fields.key_place(name), f"{key} has no value", accept, do)
        return
    shown = node if isinstance(node, Scalar) else "a list" if isinstance(node, nodes.Sequence) else "a mapping"
    fields.error(fields.place(name), f"{key}: {shown}", accept, "Correct it")
