"""Log lines of a job on Vertex AI, read from Cloud Logging (`entries:list`) again and again while it runs.

As gcloud's stream-logs does it: Logging's own tail is a stream of gRPC, which proxies of companies seldom let through.
Entries may arrive late, behind newer ones, so each look goes back a while and leaves out what it has given already.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Iterator, Mapping
from typing import Any

from trainer.job.cluster import JOB_TYPES
from trainer.launch.vertex.rest import Rest

_PAGE = 1000
_LATE_SECS = 60.0
_ENTRIES = "v2/entries:list"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """One line of one replica.

    Attributes:
      who: said it, as `chief:0`, or `service`; of a trial `trial 3 chief:0`.
      text: without its end.
    """

    who: str
    text: str

    def __str__(self) -> str:
        return f"{self.who:<11} | {self.text}"


class JobLogs:
    """What the replicas of one job say, each line once.

    Args:
      rest: asks Cloud Logging.
      number: of the job.
      since: when it was made, as the service writes it; what is older is not looked through.
      only: a further condition, in Logging's query language.
      tail: how many lines of each replica the first look gives; None for all.
    """

    def __init__(self, rest: Rest, number: str, since: str, *, only: str = "", tail: int | None = None) -> None:
        self._rest = rest
        self._of_job = f'resource.type="ml_job" AND resource.labels.job_id="{number}"' + (
            f" AND {only}" if only else ""
        )
        self._since = self._newest = since
        self._given: dict[str, str] = {}
        self._tail = tail

    def new_lines(self) -> list[Line]:
        """What has come since the last call, in the order of its time. Raises ServiceError."""
        start = max(self._since, _earlier(self._newest, _LATE_SECS))
        new = [entry for entry in self._entries(start) if self._is_new(entry)]
        self._given = {name: moment for name, moment in self._given.items() if moment >= start}
        lines = [line for entry in new for line in _lines(entry)]
        tail, self._tail = self._tail, None
        return lines if tail is None else _last_of_each(lines, tail)

    def _entries(self, start: str) -> Iterator[Mapping[str, Any]]:
        body = {
            "resourceNames": [f"projects/{self._rest.at.project}"],
            "filter": f'{self._of_job} AND timestamp>="{start}"',
            "orderBy": "timestamp asc",
            "pageSize": _PAGE,
        }
        while True:
            answer = self._rest.post(_ENTRIES, body)
            yield from answer.get("entries") or []
            if not answer.get("nextPageToken"):
                return
            body["pageToken"] = answer["nextPageToken"]

    def _is_new(self, entry: Mapping[str, Any]) -> bool:
        name, moment = str(entry.get("insertId")), _in_order(str(entry.get("timestamp") or self._since))
        is_new = name not in self._given
        self._given[name] = moment
        self._newest = max(self._newest, moment)
        return is_new


def _last_of_each(lines: list[Line], count: int) -> list[Line]:
    """The last lines of everyone, in their order."""
    left: dict[str, int] = {}
    kept = []
    for line in reversed(lines):
        left[line.who] = left.get(line.who, count) - 1
        if left[line.who] >= 0:
            kept.append(line)
    return kept[::-1]


def _lines(entry: Mapping[str, Any]) -> Iterator[Line]:
    payload = entry.get("jsonPayload") or {}
    text = entry.get("textPayload") or payload.get("message") or ""
    named = (entry.get("resource") or {}).get("labels") or {}
    who = _role(str(named.get("task_name") or "service"))
    trial = (entry.get("labels") or {}).get("ml.googleapis.com/trial_id")
    for line in str(text).splitlines():
        yield Line(who=f"trial {trial} {who}" if trial else who, text=line.rstrip())


def _role(task: str) -> str:
    """`chief:0` of `workerpool0-0`."""
    match = re.fullmatch(r"workerpool(\d)-(\d+)", task)
    return f"{JOB_TYPES[int(match[1])]}:{match[2]}" if match and int(match[1]) < len(JOB_TYPES) else task


def _in_order(moment: str) -> str:
    """The moment with nine decimal places, so that texts sort as moments do."""
    match = re.fullmatch(r"(.{19})(?:\.(\d{1,9}))?Z", moment)
    return f"{match[1]}.{(match[2] or ''):0<9}Z" if match else moment


def _earlier(moment: str, secs: float) -> str:
    at = datetime.datetime.fromisoformat(f"{moment[:19]}+00:00") - datetime.timedelta(seconds=secs)
    return f"{at:%Y-%m-%dT%H:%M:%S}.000000000Z"
