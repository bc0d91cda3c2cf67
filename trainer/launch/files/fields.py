"""The entries of a mapping in a file: every key known, and each finding about them with its place.

Keys are written in camelCase, as JSON has them, or in snake_case, as the protocol buffers behind them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from trainer.job import spelling
from trainer.job.findings import Finding, Level, Place, shown
from trainer.launch.files import nodes
from trainer.launch.files.nodes import Entry, Invalid, Node, Scalar


@dataclasses.dataclass(frozen=True, kw_only=True)
class Keys:
    """What keys a mapping may have, in camelCase.

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
    """The entries of one mapping, by their names in `keys`; `trainer.launch.files.values` reads their values.

    Args:
      mapping: as the file has it. Each of its keys that is not known is reported at once.
      keys: what it may have.
      findings: grows by the findings, here and in the methods.
      where: what the mapping is called in findings.
    """

    def __init__(self, mapping: nodes.Mapping, keys: Keys, findings: list[Finding], *, where: str) -> None:
        self.where = where
        self.findings = findings
        self._mapping, self._keys = mapping, keys
        self._entries: dict[str, Entry] = {}
        for entry in mapping.entries:
            self._take(entry)

    def has(self, name: str) -> bool:
        """Whether the mapping has the key, with whatever value."""
        return name in self._entries

    @property
    def is_whole(self) -> bool:
        """Whether every value could be read as YAML."""
        return not any(isinstance(entry.value, Invalid) for entry in self._mapping.entries)

    def present(self, names: tuple[str, ...]) -> list[str]:
        """Those of the names that the mapping has, in their order there."""
        return [name for name in self._entries if name in names]

    def place(self, name: str) -> Place:
        """Of the value, or of its key where it is a list or mapping; of the whole mapping where there is none."""
        entry = self._entries.get(name)
        if entry is None:
            return self._mapping.place
        return entry.value.place if isinstance(entry.value, Scalar) else entry.key.place

    def key_place(self, name: str) -> Place:
        """Of a key that is there."""
        return self._entries[name].key.place

    def spelled(self, name: str) -> str:
        """The key as the file has it."""
        return self._entries[name].key.text if name in self._entries else name

    def node(self, name: str) -> Node | None:
        """The value, None where there is none or it could not be read."""
        entry = self._entries.get(name)
        return None if entry is None or isinstance(entry.value, Invalid) else entry.value

    def error(self, place: Place, got: str, accept: str | None, do: str) -> None:
        """Adds what is wrong.

        Args:
          place: in the file.
          got: what is there.
          accept: what would have been accepted; None where `got` says it all.
          do: what the person can do about it.
        """
        self.findings.append(Finding(where=place, got=got, accept=accept, do=do))

    def note(self, place: Place, got: str, do: str | None) -> None:
        """Adds what is worth knowing, and does not refuse the file.

        Args:
          place: in the file.
          got: what is there, and how it is read.
          do: what the person can do about it; None where there is nothing to do.
        """
        self.findings.append(Finding(where=place, got=got, do=do, level=Level.NOTE))

    def missing(self, name: str, accept: str, do: str) -> None:
        """Adds an error for a key that has to be there.

        Args:
          name: of the key.
          accept: what it may hold.
          do: what the person can do about it.
        """
        self.error(self._mapping.place, f"No {name} in {self.where}", accept, do)

    def report(
        self, about: Iterable[Finding], places: Mapping[str, Place], names: Mapping[str, str] | None = None
    ) -> None:
        """Adds findings about fields of a setting, each at its place in the file.

        Args:
          about: their `where` is a field, or an item of it: `("values", 3)`.
          places: by field, or by `field[item]`; a finding about another field gets the place of the mapping.
          names: what counts are called in the file, by field; `got` begins with it.
        """
        for finding in about:
            assert isinstance(finding.where, tuple), "a field"
            field, got = str(finding.where[0]), finding.got
            if names and field in names:
                got = f"{names[field]}: {got.partition(': ')[2]}"
            place = places.get(shown(finding.where)) or places.get(field, self._mapping.place)
            self.findings.append(dataclasses.replace(finding, where=place, got=got, do=finding.do or "Correct it"))

    def _take(self, entry: Entry) -> None:
        camel = _camel(entry.key.text)
        name = self._keys.synonyms.get(camel, camel)
        place, got = entry.key.place, f"{entry.key} in {self.where}"
        if name in self._entries:
            other = self._entries[name].key
            accept = f"one of the two; {other} is in line {other.place.line}"
            self.error(place, f"{entry.key} together with {other}, which says the same", accept, "Remove one of them")
        elif name in self._keys.read:
            self._entries[name] = entry
        elif name in self._keys.refused:
            self.error(place, f"{got} has no counterpart", None, self._keys.refused[name])
        elif name in self._keys.ignored:
            self.note(place, f"{got} is not read", self._keys.ignored[name])
        else:
            known = [*self._keys.read, *self._keys.ignored, *self._keys.refused]
            do = spelling.suggestion(entry.key.text, known, "Remove it")
            self.error(place, f"Unknown key {got}", ", ".join(self._keys.read), do)


def _camel(key: str) -> str:
    head, *rest = key.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in rest)
