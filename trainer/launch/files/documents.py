"""YAML files with the place of everything in them, and the faults found there, each as `file:line:column`.

Files may come from anybody: their size, depth and number of values are bounded, nothing is constructed from tags, and
aliases, with which a few lines can stand for gigabytes, are refused.
"""

from __future__ import annotations

import dataclasses
import enum
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from trainer.job.errors import UsageError

if TYPE_CHECKING:
    import yaml

MOST_BYTES = 1 << 20
MOST_VALUES = 20_000
DEEPEST = 32

_CORE_TAG = re.compile(r"tag:yaml\.org,2002:(str|int|float|bool|null|map|seq)")
_NOT_YAML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_WHOLE = re.compile(r"[-+]?[0-9]+")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NULLS = {"", "~", "null", "Null", "NULL"}
_SWITCHES = {"true": True, "false": False}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """Where something stands; lines and columns count from 1."""

    path: str
    line: int = 1
    column: int = 1

    @property
    def key(self) -> tuple[int, int]:
        """What places of one file are sorted by."""
        return self.line, self.column

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


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
        return not self.quoted and self.text in _NULLS

    def __str__(self) -> str:
        return shortened(self.text)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """A key and its value."""

    key: Scalar
    value: Node


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """Keys with values; each key once."""

    entries: tuple[Entry, ...]
    place: Place

    def get(self, key: str) -> Node | None:
        """The value under the key, if there is one."""
        return next((entry.value for entry in self.entries if entry.key.text == key), None)

    def __contains__(self, key: str) -> bool:
        return self.get(key) is not None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Array:
    """A list of values."""

    items: tuple[Node, ...]
    place: Place


@dataclasses.dataclass(frozen=True, kw_only=True)
class Void:
    """Stands for a value that could not be read, of which a fault has been told."""

    place: Place


Node = Scalar | Table | Array | Void


class Level(enum.Enum):
    FAULT = "fault"
    NOTE = "note"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fault:
    """Something in a file that is wrong, or at least worth knowing (a NOTE), in the three parts of an error.

    `accept` is what stands behind "Accepted: ".
    """

    place: Place
    got: str
    accept: str | None = None
    do: str | None = None
    level: Level = Level.FAULT

    def __str__(self) -> str:
        accept = f"Accepted: {self.accept}" if self.accept else None
        said = ". ".join(part.rstrip(".") for part in (self.got, accept, self.do) if part)
        return f"{self.place}: {'note: ' if self.level is Level.NOTE else ''}{said}."


class FaultyFileError(UsageError):
    """All faults of a file."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(["The file is not accepted:", *map(str, self.faults)]).rstrip("."))


def load(path: str, faults: list[Fault]) -> list[Node]:
    """The documents of a YAML (or JSON) file, one for each `---`.

    Args:
      path: of the file.
      faults: grows by what is wrong; where a document could not be read at all, those before it are returned.

    Raises:
      UsageError: there is no such file, or it cannot be read.
    """
    try:
        with open(path, "rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", "a YAML file", "Correct the path") from error
    return parse(data, path, faults)


def parse(data: bytes, path: str, faults: list[Fault]) -> list[Node]:
    """As `load`, of what the file at `path` holds."""
    if len(data) > MOST_BYTES:
        got = f"The file has more than {MOST_BYTES >> 20} MB"
        faults.append(Fault(place=Place(path=path), got=got, accept="a file of settings", do="Name the right file"))
        return []
    text = _decoded(data, path, faults)
    if text is None:
        return []
    composer = _Composer(path, faults)
    yaml = _yaml()
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if not composer.take(event):
                return composer.documents
    except yaml.MarkedYAMLError as error:
        faults.append(_syntax_fault(error, text, path))
    else:
        if not composer.documents:
            got = "The file holds nothing" + (" but comments" if text.strip() else "")
            faults.append(Fault(place=Place(path=path), got=got, do="Write into it, or name the right file"))
    return composer.documents


def plain(node: Node) -> Any:
    """What YAML 1.2 makes of it: dict, list, str, int, float, bool or None. Quoted scalars are texts."""
    match node:
        case Table():
            return {entry.key.text: plain(entry.value) for entry in node.entries}
        case Array():
            return [plain(item) for item in node.items]
        case Void():
            return None
        case Scalar():
            return _plain_scalar(node)


def of_json(value: Any, path: str) -> Node:
    """The node of a value of JSON (dict, list, str, int, float, bool, None) that came from no file called `path`."""
    place = Place(path=path)
    match value:
        case dict():
            entries = ((Scalar(text=str(key), quoted=True, place=place), of_json(value[key], path)) for key in value)
            return Table(entries=tuple(Entry(key=key, value=inner) for key, inner in entries), place=place)
        case list() | tuple():
            return Array(items=tuple(of_json(item, path) for item in value), place=place)
        case str():
            return Scalar(text=value, quoted=True, place=place)
        case None:
            return Scalar(text="null", quoted=False, place=place)
        case bool():
            return Scalar(text=str(value).lower(), quoted=False, place=place)
    return Scalar(text=repr(value), quoted=False, place=place)


def at(node: Node, path: Sequence[str | int]) -> Place:
    """Where the path of keys and indexes leads, or where the last of it that exists stands.

    The place of a key, rather than that of its value, is what a person looks for.
    """
    place = node.place
    for step in path:
        if isinstance(node, Array) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
            place = node.place
        elif isinstance(node, Table) and step in [entry.key.text for entry in node.entries]:
            entry = next(entry for entry in node.entries if entry.key.text == step)
            node, place = entry.value, entry.key.place
        else:
            break
    return place


def shortened(text: str) -> str:
    """A value of a file as an error shows it: one line, not too long."""
    shown = text if text.isprintable() else repr(text)[1:-1]
    return shown if len(shown) <= 60 else f"{shown[:40]}... ({len(text)} characters)"


class _Open:
    """A table or list whose end has not come yet."""

    def __init__(self, place: Place, *, is_table: bool, is_void: bool) -> None:
        self.place, self.is_table, self.is_void = place, is_table, is_void
        self.items: list[Node] = []
        self.entries: dict[str, Entry] = {}
        self.key: Node | None = None

    def closed(self) -> Node:
        if self.is_void:
            return Void(place=self.place)
        if self.is_table:
            return Table(entries=tuple(self.entries.values()), place=self.place)
        return Array(items=tuple(self.items), place=self.place)


class _Composer:
    """Builds documents from the parser's events."""

    def __init__(self, path: str, faults: list[Fault]) -> None:
        self.documents: list[Node] = []
        self._path, self._faults = path, faults
        self._open: list[_Open] = []
        self._values = 0

    def take(self, event: yaml.Event) -> bool:
        """Returns False when the file is too large or deep to go on."""
        import yaml

        if isinstance(event, yaml.ScalarEvent | yaml.AliasEvent | yaml.CollectionStartEvent):
            self._values += 1
        place = self._place(event)
        match event:
            case yaml.AliasEvent():
                accept = "values written out; an alias can stand for gigabytes"
                self._fault(place, f"The alias *{event.anchor}", accept, "Write the value here once more")
                self._add(Void(place=place))
            case yaml.ScalarEvent():
                self._add(self._scalar(event, place))
            case yaml.CollectionStartEvent():
                is_table = isinstance(event, yaml.MappingStartEvent)
                is_void = not self._is_core(event.tag, place)
                self._open.append(_Open(place, is_table=is_table, is_void=is_void))
            case yaml.CollectionEndEvent():
                self._add(self._open.pop().closed())
        return self._is_bounded(place)

    def _scalar(self, event: yaml.ScalarEvent, place: Place) -> Node:
        if not self._is_core(event.tag, place):
            return Void(place=place)
        is_text = bool(event.style) or event.tag == "tag:yaml.org,2002:str"
        return Scalar(text=event.value, quoted=is_text, place=place)

    def _add(self, node: Node) -> None:
        if not self._open:
            self.documents.append(node)
            return
        holder = self._open[-1]
        if not holder.is_table:
            holder.items.append(node)
        elif holder.key is None:
            holder.key = node
        else:
            self._enter(holder, holder.key, node)
            holder.key = None

    def _enter(self, holder: _Open, key: Node, value: Node) -> None:
        if not isinstance(key, Scalar):
            if not isinstance(key, Void):
                self._fault(key.place, "A key that is no text", "keys as goal: or params:", "Correct the brackets")
        elif key.text in holder.entries:
            first = holder.entries[key.text].key.place
            self._fault(key.place, f"{key} a second time", f"each key once; see line {first.line}", "Remove one")
        else:
            holder.entries[key.text] = Entry(key=key, value=value)

    def _is_core(self, tag: str | None, place: Place) -> bool:
        """Whether the tag, if any, is one of YAML's own."""
        if tag is None or tag == "!" or _CORE_TAG.fullmatch(tag):
            return True
        shown = tag.replace("tag:yaml.org,2002:", "!!")
        self._fault(place, f"The tag {shortened(shown)}", "plain values; nothing is run from a file", "Remove the tag")
        return False

    def _is_bounded(self, place: Place) -> bool:
        if len(self._open) > DEEPEST:
            got, accept = f"More than {DEEPEST} levels of lists and keys", "a file of settings"
        elif self._values > MOST_VALUES:
            got, accept = f"More than {MOST_VALUES:,} values", "a file of settings"
        else:
            return True
        self._fault(place, got, accept, "Name the right file")
        return False

    def _place(self, event: yaml.Event) -> Place:
        mark = event.start_mark
        assert mark is not None, "the parser marks every event"
        return Place(path=self._path, line=mark.line + 1, column=mark.column + 1)

    def _fault(self, place: Place, got: str, accept: str, do: str) -> None:
        self._faults.append(Fault(place=place, got=got, accept=accept, do=do))


def _yaml() -> Any:
    try:
        import yaml
    except ImportError as error:
        do = "python -m pip install '.[launch]'"
        raise UsageError("PyYAML, which reads sweep and job files, is not installed", None, do) from error
    return yaml


def _decoded(data: bytes, path: str, faults: list[Fault]) -> str | None:
    """The text, or None and a fault at the line of the first byte that is none."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = Place(path=path, line=data[: error.start].count(b"\n") + 1)
        got = f"The byte 0x{data[error.start]:02x}, which is not UTF-8"
        faults.append(Fault(place=place, got=got, accept="UTF-8", do="Save the file as UTF-8"))
        return None
    wrong = _NOT_YAML.search(text)
    if wrong is None:
        return text
    before = _LINE_END.split(text[: wrong.start()])
    place = Place(path=path, line=len(before), column=len(before[-1]) + 1)
    got = f"The control character U+{ord(wrong[0]):04X}"
    faults.append(Fault(place=place, got=got, accept="text", do="Remove it, or name the right file"))
    return None


def _syntax_fault(error: yaml.MarkedYAMLError, text: str, path: str) -> Fault:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return Fault(place=Place(path=path), got=f"No YAML: {error}", do="Correct it")
    lines = _LINE_END.split(text.rstrip())
    line = lines[mark.line] if mark.line < len(lines) else ""
    place = Place(path=path, line=mark.line + 1, column=mark.column + 1)
    if mark.line >= len(lines):  # the end of the file
        place = Place(path=path, line=len(lines), column=len(lines[-1]) + 1)
    if line[mark.column : mark.column + 1] == "\t" or "\t" in line[: len(line) - len(line.lstrip())]:
        return Fault(place=place, got="A tab", accept="spaces before a key", do="Replace each tab by two spaces")
    problem = shortened(str(error.problem or error.context))
    if "mapping values are not allowed" in problem:
        do = "Indent it as its neighbours, or put a value that holds a colon in quotes"
        return Fault(place=place, got="A second colon, or a key that is indented too far", do=do)
    begun = error.context_mark
    where = f" (of what begins in line {begun.line + 1})" if begun is not None and begun.line < mark.line else ""
    do = "Correct the indentation, the brackets or the quotes"
    return Fault(place=place, got=f"No YAML: {problem}{where}", accept="key: value, indented by spaces", do=do)


def _plain_scalar(node: Scalar) -> str | int | float | bool | None:
    if node.quoted:
        return node.text
    if node.is_null:
        return None
    if node.text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return node.switch
    number = node.number
    return node.text if number is None else number
