"""The checkpoints of a directory in the order in which they are tried: by its state file, else as they are found."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping

from trainer.estimator.saving import state_file
from trainer.estimator.saving.retention import Checkpoint

_NAME = re.compile(r"model\.ckpt-(\d+)$")
_FILE = re.compile(r"(model\.ckpt-\d+)\.(?:(index|manifest)|meta|data-\d+-of-\d+)$")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Listing:
    """The checkpoints of a directory.

    Attributes:
      listed: those that the state file names, the newest last; where it cannot be followed, all that are there.
      doubt: why the state file is not followed, in words; None where it is, and where there is nothing to follow.
      last_preserved: the time from which the next one is kept for good; 0 where nothing says it.
      others: gives the names of older ones that are there and that the state file does not name, the newest last: kept
        for good, or damaged when it was written.
    """

    listed: list[Checkpoint]
    doubt: str | None = None
    last_preserved: float = 0.0
    others: Callable[[], list[str]] = list

    def newest_first(self) -> Iterator[str]:
        """The names in the order in which they are tried."""
        for checkpoint in reversed(self.listed):
            yield checkpoint.path
        yield from reversed(self.others())


def of(
    content: bytes | None, there: Callable[[], Mapping[str, float]], where: str, exists: Callable[[str], bool]
) -> Listing:
    """The checkpoints of a directory.

    The newest one that a state file names is obeyed, also where newer ones are there: somebody may have set it by hand
    to go back, and a save that was cut off names itself only once it is whole.

    Args:
      content: of the state file; None where there is none.
      there: gives, by the names of the checkpoints with files there, when they were saved, in seconds.
      where: what people call the state file.
      exists: whether a checkpoint has files, by its name.
    """
    state = None if content is None else state_file.parse(content)
    newest = state.model_checkpoint_path if state is not None else ""
    if state is None or not newest or not exists(newest):
        times = there()
        found = [Checkpoint(name, times[name]) for name in sorted(times, key=step_in)]
        return Listing(listed=found, doubt=_doubt(content, newest, where, bool(found)))
    listed = state_file.listed(state)
    named = {checkpoint.path for checkpoint in listed}

    def others() -> list[str]:
        return sorted({name for name in there() if step_in(name) < step_in(newest)} - named, key=step_in)

    return Listing(listed=listed, last_preserved=state.last_preserved_timestamp, others=others)


def _doubt(content: bytes | None, newest: str, where: str, some: bool) -> str | None:
    """Why a state file is not followed; None where it says nothing, and nothing is there."""
    if newest:
        return f"{where} names {newest}, which is not there"
    if content:
        return f"{where} is not a checkpoint state file"
    return f"{where} is {'missing' if content is None else 'empty'}" if some else None


def step_in(name: str) -> int:
    """The step in a checkpoint's name; -1 where it has none, which comes before all others."""
    match = _NAME.search(name)
    return int(match.group(1)) if match else -1


def checkpoint_of(file: str) -> str | None:
    """The checkpoint that a file makes one of by being its index or its manifest; None where it is neither."""
    match = _FILE.fullmatch(file)
    return match.group(1) if match and match.group(2) else None


def belongs_to(file: str) -> str | None:
    """The checkpoint that a file is one of, by its name; None for other files, and for those being written."""
    match = _FILE.fullmatch(file)
    return match.group(1) if match else None
