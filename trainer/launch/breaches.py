"""What is wrong with a request or a job file: the field, what stands there, what may, and what to do."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Sequence

from trainer.job.errors import UsageError

Path = tuple[str | int, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Breach:
    """One rule that a document breaks.

    Attributes:
      path: keys and indexes from the document's root to the field.
      got: what stands there.
      accept: what would have been accepted.
      do: what the person can do about it.
    """

    path: Path
    got: str
    accept: str
    do: str

    @property
    def field(self) -> str:
        """The path as people write it: `jobSpec.workerPoolSpecs[0].replicaCount`."""
        text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return text.removeprefix(".") or "the document"

    def __str__(self) -> str:
        return f"{self.field}: {self.got}. Accepted: {self.accept}. {self.do}."


class RequestError(UsageError):
    """A request that the service would refuse, or that would fail after it was paid for."""

    def __init__(self, breaches: Sequence[Breach]) -> None:
        self.breaches = tuple(breaches)
        lines = [str(breach) for breach in self.breaches]
        count = "One fault" if len(lines) == 1 else f"{len(lines)} faults"
        super().__init__(f"{count} in the request; nothing was sent\n  " + "\n  ".join(lines))


def refuse(breaches: Iterable[Breach]) -> None:
    """Raises RequestError with all of them, if there are any."""
    found = list(breaches)
    if found:
        raise RequestError(found)


def short(value: object) -> str:
    """A value as an error shows it."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]}... ({len(text)} characters)"


def meant(word: str, known: Iterable[str], otherwise: str) -> str:
    """`Perhaps X was meant`, or what to say where nothing is near."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"Perhaps {near[0]} was meant" if near else otherwise
