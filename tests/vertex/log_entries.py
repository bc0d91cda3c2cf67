"""What the replicas of jobs said, as Cloud Logging's entries:list gives it."""

from __future__ import annotations

import datetime
import re
import threading
from typing import Any

from tests.vertex import discovery
from tests.vertex.answers import Answer, error

_CONDITION = re.compile(r'([a-z_.]+)(>=|=)"([^"]*)"')


class LogEntries:
    """All entries of a project.

    Attributes:
      page_size: the most in one answer, whatever was asked for.
    """

    def __init__(self, lock: threading.RLock) -> None:
        self.page_size = 1000
        self._lock = lock
        self._entries: list[dict[str, Any]] = []

    def say(
        self, job: str, task: str, text: str, *, trial: str | None = None, at: str | None = None, plain: bool = False
    ) -> None:
        """One line.

        Args:
          job: its number.
          task: who says it: `workerpool0-0`, or `service`.
          text: of the line.
          trial: of a study.
          at: when, as the service writes it; None for now.
          plain: as text, which the service's own lines are; a replica's are JSON.
        """
        now = datetime.datetime.now(datetime.UTC)
        with self._lock:
            entry = {
                "insertId": f"entry{len(self._entries)}",
                "timestamp": at or f"{now:%Y-%m-%dT%H:%M:%S.%f}Z",
                "severity": "INFO",
                "resource": {
                    "type": "ml_job",
                    "labels": {"job_id": job, "task_name": task, "project_id": "my-project"},
                },
                **({"textPayload": text} if plain else {"jsonPayload": {"message": f"{text}\n", "levelname": "INFO"}}),
                **({"labels": {"ml.googleapis.com/trial_id": trial}} if trial else {}),
            }
            self._entries.append(entry)

    def listed(self, body: dict[str, Any]) -> Answer:
        """The answer to entries:list."""
        wrong = discovery.errors(body, "logging.v2", "ListLogEntriesRequest")
        if wrong or not body.get("resourceNames"):
            return 400, error(400, "; ".join(wrong) or "resourceNames are required")
        wanted = str(body.get("filter"))
        conditions = _CONDITION.findall(wanted)
        assert " AND ".join(f'{field}{sign}"{value}"' for field, sign, value in conditions) == wanted, wanted
        found = sorted((one for one in self._entries if _meets(one, conditions)), key=lambda one: one["timestamp"])
        start, size = int(body.get("pageToken") or 0), min(int(body.get("pageSize") or 50), self.page_size)
        answer: dict[str, Any] = {"entries": found[start : start + size]} if found[start:] else {}
        if found[start + size :]:
            answer["nextPageToken"] = str(start + size)
        return 200, answer


def _meets(entry: dict[str, Any], conditions: list[tuple[str, str, str]]) -> bool:
    return all(_holds(_field(entry, field), sign, value) for field, sign, value in conditions)


def _field(entry: dict[str, Any], path: str) -> str:
    found: Any = entry
    for step in path.split("."):
        found = found.get(step) or {}
    return str(found)


def _holds(found: str, sign: str, value: str) -> bool:
    return found == value if sign == "=" else found.rstrip("Z").ljust(29, "0") >= value.rstrip("Z")
