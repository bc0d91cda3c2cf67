"""The end of a log, for messages about the process that wrote it."""

from __future__ import annotations

import os
import pathlib

_TAIL_BYTES = 1 << 16
_LONGEST = 300


def last_lines(path: pathlib.Path, count: int) -> list[str]:
    """The last lines that are not blank, each shortened; none where there is no such file."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(os.fstat(stream.fileno()).st_size - _TAIL_BYTES, 0))
            text = stream.read().decode(errors="replace")
    except OSError:
        return []
    lines = [line.rstrip().rpartition("\r")[2] for line in text.split("\n")]
    return [line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..." for line in lines if line.strip()][-count:]
