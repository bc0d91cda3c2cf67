"""The end of a log, for messages about the process that wrote it."""

from __future__ import annotations

import os
import pathlib
import re

_TAIL_BYTES, _STEP_BYTES = 1 << 16, 1 << 13
_LONGEST = 300
_STEP = re.compile(r"step ([\d,]+)(?:/([\d,]+) \(| (?:·|\\u00b7))")
"""In the lines of progress of `trainer.task`, also where they are in JSON."""


def last_lines(path: pathlib.Path, count: int) -> list[str]:
    """The last lines that are not blank, each shortened; none where there is no such file."""
    lines = [line.rstrip().rpartition("\r")[2] for line in _tail(path, _TAIL_BYTES).split("\n")]
    return [line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..." for line in lines if line.strip()][-count:]


def last_step(path: pathlib.Path) -> str:
    """The step that was told last, as `1,200/2,000` or `1,200`; empty where none was."""
    found = _STEP.findall(_tail(path, _STEP_BYTES))
    return "/".join(filter(None, found[-1])) if found else ""


def _tail(path: pathlib.Path, size: int) -> str:
    """The end of a file; empty where there is none."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(os.fstat(stream.fileno()).st_size - size, 0))
            return stream.read().decode(errors="replace")
    except OSError:
        return ""
