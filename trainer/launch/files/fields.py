"""Typed values from the tables of a file: every key known, every value of its type, else a fault with its place.

Keys are written in camelCase, as JSON has them, or in snake_case, as the protocol buffers behind them.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import TypeVar

from trainer.job import spelling
from trainer.launch.files.documents import Array, Entry, Fault, Level, Node, Place, Scalar, Table, Void, shortened
from trainer.launch.study.study import StudyError

_Choice = TypeVar("_Choice")

_DURATION = re.compile(r"([0-9]+(\.[0-9]{1,9})?)s")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Keys:
    """What keys a table may have, in camelCase.

    Attributes:
      read: those that are read.
      refused: those that mean something which nothing here can do, with what to do instead.
      ignored: those that are accepted and not read, with why.
      synonyms: other spellings of those that are read.
    """

    read: tuple[str, ...]
    refused: Mapping[str, str] = dataclasses.field(default_factory=dict)
    ignored: Mapping[str, str] = dataclasses.field(default_factory=dict)
    synonyms: Mapping[str, str] = dataclasses.field(default_factory=dict)


class Fields:
    """The entries of one table, by their names in `keys`."""

    def __init__(self, table: Table, keys: Keys, faults: list[Fault], *, where: str) -> None:
        """Adds a fault for every key that is not known.

        Args:
          table: as the file has it.
          keys: what it may have.
          faults: grows by what is wrong, here and in the methods.
          where: what the table is called in faults.
        """
        self.where = where
        self._table, self._keys, self._faults = table, keys, faults
        self._entries: dict[str, Entry] = {}
        for entry in table.entries:
            self._take(entry)

    def has(self, name: str) -> bool:
        return name in self._entries

    @property
    def is_whole(self) -> bool:
        """Whether every value could be read as YAML."""
        return not any(isinstance(entry.value, Void) for entry in self._table.entries)

    def present(self, names: tuple[str, ...]) -> list[str]:
        """Those of the names that the table has, in their order there."""
        return [name for name in self._entries if name in names]

    def place(self, name: str) -> Place:
        """Of the value, or of its key where it is a list or table; of the table where there is none."""
        entry = self._entries.get(name)
        if entry is None:
            return self._table.place
        return entry.value.place if isinstance(entry.value, Scalar) else entry.key.place

    def spelled(self, name: str) -> str:
        """The key as the file has it."""
        return self._entries[name].key.text if name in self._entries else name

    def node(self, name: str) -> Node | None:
        """The value, None where there is none or it could not be read."""
        entry = self._entries.get(name)
        return None if entry is None or isinstance(entry.value, Void) else entry.value

    def text(self, name: str, accept: str) -> str | None:
        node = self._scalar(name, accept)
        return None if node is None else node.text.strip()

    def choice(self, name: str, choices: Mapping[str, _Choice]) -> _Choice | None:
        """What the word stands for; None where the key is absent, or the word is none of them."""
        accept = ", ".join(choices)
        node = self._scalar(name, accept)
        if node is None or node.text in choices:
            return None if node is None else choices[node.text]
        meant = spelling.nearest(node.text, choices)
        do = f"Write {self.spelled(name)}: {meant}" if meant else "Choose one of them"
        self.fault(node.place, f"{self.spelled(name)}: {node}", accept, do)
        return None

    def number(self, name: str, accept: str = "a number") -> float | int | None:
        node = self._scalar(name, accept)
        return None if node is None else self.number_of(node, accept, f"{self.spelled(name)}: ")

    def number_of(self, node: Node, accept: str, label: str) -> float | int | None:
        """The number of a value that is not under a key of its own; quotes are told by a note."""
        if isinstance(node, Void):
            return None
        number = node.number if isinstance(node, Scalar) else None
        if not isinstance(node, Scalar) or number is None:
            shown = str(node) if isinstance(node, Scalar) else "a list or table"
            self.fault(node.place, f"{label}{shown}", accept, "Write a number, as 128 or 1e-3")
        elif node.quoted:
            self.note(node.place, f"{label}{node} in quotes is read as a number", None, "Remove the quotes")
        return number

    def whole(self, name: str, *, is_int64: bool = False) -> int | None:
        """A whole number, also as `128.0`; one of 64 bits is a text in JSON, so that quotes are right there."""
        accept = "a whole number"
        node = self._scalar(name, accept)
        if node is not None and is_int64 and node.quoted:
            node = dataclasses.replace(node, quoted=False)
        number = None if node is None else self.number_of(node, accept, f"{self.spelled(name)}: ")
        if node is None or number is None or float(number).is_integer():
            return None if number is None else int(number)
        self.fault(node.place, f"{self.spelled(name)}: {node}", accept, "Write a whole number")
        return None

    def switch(self, name: str) -> bool | None:
        node = self._scalar(name, "true or false")
        if node is not None and node.switch is None:
            self.fault(node.place, f"{self.spelled(name)}: {node}", "true or false", "Write one of them")
        return None if node is None else node.switch

    def secs(self, name: str) -> float | None:
        """A duration as JSON has it, `"3600s"`, in seconds."""
        accept = 'seconds with an s, as "3600s"'
        node = self._scalar(name, accept)
        match = None if node is None else _DURATION.fullmatch(node.text)
        if node is not None and match is None:
            do = f'Write "{node.text}s"' if node.number is not None else "Write it in seconds"
            self.fault(node.place, f"{self.spelled(name)}: {node}", accept, do)
        return float(match[1]) if match else None

    def moment(self, name: str) -> str | None:
        """A point in time as JSON has it, `"2026-01-31T12:00:00Z"`."""
        accept = 'a time in UTC, as "2026-01-31T12:00:00Z"'
        text = self.text(name, accept)
        if text is not None and not _MOMENT.fullmatch(text):
            self.fault(self.place(name), f"{self.spelled(name)}: {shortened(text)}", accept, "Write it so")
            return None
        return text

    def table(self, name: str, keys: Keys, accept: str) -> Fields | None:
        """The fields of an inner table."""
        node = self.node(name)
        if node is None:
            return None
        if isinstance(node, Table):
            return Fields(node, keys, self._faults, where=self.spelled(name))
        self._wrong_shape(name, node, accept)
        return None

    def items(self, name: str, accept: str) -> tuple[Node, ...] | None:
        """The items of a list; None where there is none."""
        node = self.node(name)
        if node is None or isinstance(node, Array):
            return None if node is None else node.items
        self._wrong_shape(name, node, accept)
        return None

    def fault(self, place: Place, got: str, accept: str | None, do: str) -> None:
        self._faults.append(Fault(place=place, got=got, accept=accept, do=do))

    def note(self, place: Place, got: str, accept: str | None, do: str | None) -> None:
        self._faults.append(Fault(place=place, got=got, accept=accept, do=do, level=Level.NOTE))

    def complain(self, error: StudyError, places: Mapping[str, Place], keys: Mapping[str, str] | None = None) -> None:
        """A fault for each complaint.

        Args:
          error: with the complaints.
          places: by field, or by `field.item`; a complaint about another field is told at the table.
          keys: names that counts have in the file, by field.
        """
        for complaint in error.complaints:
            got, field = complaint.got, complaint.field
            if keys and field in keys:
                got = f"{keys[field]}: {got.partition(': ')[2]}"
            place = places.get(f"{field}.{complaint.item}") or places.get(field, self._table.place)
            self.fault(place, got, complaint.accept, complaint.do or "Correct it")

    def missing(self, name: str, accept: str, do: str) -> None:
        """A fault for a key that has to be there."""
        self.fault(self._table.place, f"No {name} in {self.where}", accept, do)

    def _take(self, entry: Entry) -> None:
        camel = _camel(entry.key.text)
        name = self._keys.synonyms.get(camel, camel)
        place, got = entry.key.place, f"{entry.key} in {self.where}"
        if name in self._entries:
            other = self._entries[name].key
            accept = f"one of the two; {other} stands in line {other.place.line}"
            self.fault(place, f"{entry.key} beside {other}, which says the same", accept, "Remove one of them")
        elif name in self._keys.read:
            self._entries[name] = entry
        elif name in self._keys.refused:
            self.fault(place, f"{got} has no counterpart", None, self._keys.refused[name])
        elif name in self._keys.ignored:
            self.note(place, f"{got} is not read", None, self._keys.ignored[name])
        else:
            known = [*self._keys.read, *self._keys.ignored, *self._keys.refused]
            do = spelling.suggestion(entry.key.text, known, "Remove it")
            self.fault(place, f"Unknown key {got}", ", ".join(self._keys.read), do)

    def _scalar(self, name: str, accept: str) -> Scalar | None:
        node = self.node(name)
        if node is None:
            return None
        if isinstance(node, Scalar) and not node.is_null:
            return node
        self._wrong_shape(name, node, accept)
        return None

    def _wrong_shape(self, name: str, node: Node, accept: str) -> None:
        key = self._entries[name].key
        if isinstance(node, Scalar) and node.is_null:
            self.fault(key.place, f"{key} has no value", accept, "Add it behind the colon, or remove the line")
            return
        shown = node if isinstance(node, Scalar) else "a list" if isinstance(node, Array) else "a table"
        self.fault(self.place(name), f"{key}: {shown}", accept, "Correct it")


def _camel(key: str) -> str:
    head, *rest = key.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in rest)
