"""What a run is trained on and with which settings, as its checkpoints remember it, and how two of them differ."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

_RELATIVE, _ABSOLUTE = 1e-6, 1e-9
"""How much numbers that were computed from the data may differ from machine to machine."""
_MOST_SHOWN = 60
_LONGEST = 4096


@dataclasses.dataclass(frozen=True, kw_only=True)
class Identity:
    """What a run remembers. Values are as JSON has them.

    Attributes:
      data: the settings that decide what a batch is.
      files: by the setting that names them, records of the files' contents, each beginning with name and size.
      schema: what was learned of the data.
      settings: of the model, and what it is called.
      kept: the schema that the weights were trained with, where it is not that of the data: they were begun on others.
    """

    data: Mapping[str, Any]
    files: Mapping[str, Sequence[Any]]
    schema: Mapping[str, Any]
    settings: Mapping[str, Any]
    kept: Mapping[str, Any] | None = None

    @property
    def used_schema(self) -> Mapping[str, Any]:
        """What the weights were trained with."""
        return self.schema if self.kept is None else self.kept

    def record(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @classmethod
    def of_record(cls, record: Any) -> Identity | None:
        """From what `record` gave; None where it is of another kind, as one that a later version noted."""
        try:
            parts = {name: dict(record[name]) for name in ("data", "files", "schema", "settings")}
            return cls(**parts, kept=None if record.get("kept") is None else dict(record["kept"]))
        except (KeyError, TypeError, ValueError, AttributeError):
            return None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that is not as it was.

    Attributes:
      name: of the setting, or of what was learned of the data.
      words: what it is, and what it was.
    """

    name: str
    words: str


def of_data(
    earlier: Identity, now: Identity, is_same: Callable[[Sequence[Any], Sequence[Any]], bool]
) -> list[Difference]:
    """What differs in the data. Something that only one of the two knows of is no difference.

    Args:
      earlier: as a checkpoint remembers it.
      now: as it would be.
      is_same: whether two records can be of the same file.
    """
    found = [Difference(name=name, words=words) for name, words in _of_flags(earlier.data, now.data)]
    for name in earlier.files.keys() & now.files.keys():
        words = _of_files(earlier.files[name], now.files[name], is_same)
        found += [Difference(name=name, words=f"--{name}: {words}")] if words else []
    if not any(difference.name in now.files for difference in found):  # they would explain it
        for name in sorted(earlier.schema.keys() & now.schema.keys()):
            if not _is_like(earlier.schema[name], now.schema[name]):
                words = f"{name} of the data: {_shown(now.schema[name])}; {_shown(earlier.schema[name])} before"
                found.append(Difference(name=name, words=words))
    return found


def of_settings(earlier: Identity, now: Identity) -> list[Difference]:
    """What differs in the settings of the model."""
    return [Difference(name=name, words=words) for name, words in _of_flags(earlier.settings, now.settings)]


def plain(settings: Any, without: Collection[str] = ()) -> dict[str, Any]:
    """The fields of a dataclass, or the items of a mapping, that JSON can hold; empty for anything else.

    Args:
      settings: the object.
      without: names of fields to leave out.
    """
    if isinstance(settings, Mapping):
        items: Mapping[str, Any] = {str(name): value for name, value in settings.items()}
    elif dataclasses.is_dataclass(settings):
        items = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    else:
        return {}
    found = {name: _plain(value) for name, value in items.items() if name not in without}
    return {name: value for name, value in found.items() if value is not NotImplemented}


def _plain(value: Any) -> Any:
    """A value as JSON has it; NotImplemented for one that it has not, and for a list that is too long."""
    if isinstance(value, enum.Enum):
        value = value.value
    if hasattr(value, "tolist") and getattr(value, "size", 0) <= _LONGEST:  # numpy's
        value = value.tolist()
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        pairs = [(str(key), _plain(item)) for key, item in value.items()]
        return NotImplemented if any(item is NotImplemented for _, item in pairs) else dict(pairs)
    if isinstance(value, list | tuple) and len(value) <= _LONGEST:
        items = [_plain(item) for item in value]
        return NotImplemented if any(item is NotImplemented for item in items) else items
    return NotImplemented


def _of_flags(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in now:
        if name in earlier and earlier[name] != now[name]:
            yield name, f"--{name}={_shown(now[name])}; {_shown(earlier[name])} before"


def _of_files(
    earlier: Sequence[Any], now: Sequence[Any], is_same: Callable[[Sequence[Any], Sequence[Any]], bool]
) -> str | None:
    """What differs, in words; None where the files can be the same ones in the same order."""
    for before, after in zip(earlier, now, strict=False):
        if is_same(before, after):
            continue
        content = ", of other content" if before[1] == after[1] else ""
        return f"{after[0]} ({after[1]:,} bytes{content}); {before[0]} ({before[1]:,} bytes) before"
    if len(earlier) != len(now):
        return f"{len(now)} files; {len(earlier)} before"
    return None


def _is_like(one: Any, other: Any) -> bool:
    """Whether two values are the same, numbers up to what another processor would compute."""
    if isinstance(one, float) or isinstance(other, float):
        numbers = isinstance(one, int | float) and isinstance(other, int | float)
        return numbers and (one == other or math.isclose(one, other, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE))
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_like, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_like(one[key], other[key]) for key in one)
    return bool(one == other)


def _shown(value: Any) -> str:
    """A value in a line."""
    text = ",".join(map(_shown, value)) if isinstance(value, list) else str(value)
    text = text.lower() if value is None or isinstance(value, bool) else text
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 1]}…"
