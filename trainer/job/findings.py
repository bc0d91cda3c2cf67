"""The one record of what is found wrong, or worth knowing: where, what is there, what may be, and what to do."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable

from trainer.job import spelling


class Level(enum.Enum):
    """How much a finding weighs: what is merely unknown to us is a NOTE, what contradicts is an ERROR."""

    OK = "ok"
    NOTE = "note"
    ERROR = "error"


@dataclasses.dataclass(frozen=True, kw_only=True, order=True)
class Place:
    """A place in a file; lines and columns count from 1. Places of one file sort in their order there."""

    path: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


# A field of a document: keys and indexes from its root.
Path = tuple[str | int, ...]
# A place in a file, a field, or a subject in words; None where `got` names the place itself.
Where = Place | Path | str | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes:
      where: a place in a file, a field of a document, or a subject in words; None where `got` names it.
      got: what was met there.
      accept: what would have been accepted; None where `got` says it all.
      do: what the person can do about it; None where there is nothing to do.
      level: an ERROR refuses, a NOTE is only shown, OK is used by reports on what was checked.
    """

    where: Where = None
    got: str
    accept: str | None = None
    do: str | None = None
    level: Level = Level.ERROR

    def __str__(self) -> str:
        """`WHERE: GOT. Accepted: ACCEPT. DO.`, with `note: ` before what does not refuse."""
        accept = f"Accepted: {self.accept}" if self.accept else None
        text = " ".join(_sentence(part) for part in (self.got, accept, self.do) if part)
        note = "note: " if self.level is Level.NOTE else ""
        where = shown(self.where)
        return f"{where}: {note}{text}" if where else f"{note}{text}"


def shown(where: Where) -> str:
    """A place as people write it: `file:line:column`, `jobSpec.workerPoolSpecs[0].replicaCount`, or the words."""
    if where is None:
        return ""
    if not isinstance(where, tuple):
        return str(where)
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in where)
    return text.removeprefix(".") or "the document"


def unknown(where: Where, what: str, word: str, known: Iterable[str], *, decides: str) -> Finding:
    """A NOTE on a name that is well formed and not in our lists, which may be older than it.

    Args:
      where: its place.
      what: it names, as `region`.
      word: the name.
      known: names of our list, of which it may be a misspelling.
      decides: who knows all names, as `Vertex AI`.
    """
    do = spelling.suggestion(word, known, f"{decides} decides whether there is one")
    return Finding(where=where, got=f"the {what} {short(word)} is not known here", do=do, level=Level.NOTE)


def line_and_column(finding: Finding) -> tuple[int, int]:
    """By what the findings of one file are sorted."""
    return (finding.where.line, finding.where.column) if isinstance(finding.where, Place) else (0, 0)


def short(value: object) -> str:
    """A value of a document as a finding shows it: on one line, and not too long."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]}... ({len(text)} characters)"


def _sentence(text: str) -> str:
    return text if text.endswith("?") else f"{text.rstrip('.')}."
