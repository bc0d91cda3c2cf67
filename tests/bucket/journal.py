"""The log of requests: a JSON line each, and counts by operation."""

from __future__ import annotations

import collections
import dataclasses
import json
import pathlib
import threading


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """One request.

    Attributes:
      time: seconds since 1970, when it had been read.
      status: of the response; 0 when none is sent.
      fault: its kind, "down" or "gone" (the client went away); None for none.
      received: bytes of its body.
      sent: bytes of the body of the whole response.
      secs: from then until its answer was ready.
    """

    time: float
    method: str
    op: str
    bucket: str | None
    object: str | None
    status: int
    fault: str | None
    received: int
    sent: int
    secs: float


class Journal:
    """Writes entries to a file, and counts them.

    Args:
      path: of the file, which is made or gone on with.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self._file = open(path, "a", encoding="utf-8", buffering=1)  # noqa: SIM115
        self._lock = threading.Lock()
        self._counts: collections.Counter[str] = collections.Counter()

    def add(self, entry: Entry) -> None:
        line = json.dumps(dataclasses.asdict(entry)) + "\n"
        with self._lock:
            self._file.write(line)
            self._counts[entry.op] += 1

    def counts(self) -> dict[str, int]:
        """Requests by operation, since this process began."""
        with self._lock:
            return dict(sorted(self._counts.items()))
