"""Jobs as Vertex AI has them: bodies are read with the official types; their life is a script, or that of processes."""

from __future__ import annotations

import re
import threading
from typing import Any

from google.cloud.aiplatform_v1 import types

from tests.vertex import answers
from tests.vertex.answers import Answer, error
from tests.vertex.log_entries import LogEntries
from tests.vertex.replicas import Machines, Replicas
from tests.vertex.trials import Trials

KINDS = {"customJobs": types.CustomJob, "hyperparameterTuningJobs": types.HyperparameterTuningJob}
LIFE = ("JOB_STATE_QUEUED", "JOB_STATE_PENDING", "JOB_STATE_RUNNING", "JOB_STATE_SUCCEEDED")
ENDED = ("JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED")


class Jobs:
    """All jobs of all regions.

    Attributes:
      found: as the service has them, by full name, in JSON.
      parsed: the official message of each created job, by full name.
      life: states that a job goes through, one at each look, where there are no machines.
      error: what a job that ends in another state than success says, as google.rpc.Status.
      stays: regions in which jobs wait for ever, as where there are no machines.
    """

    def __init__(self, lock: threading.RLock, log: LogEntries, machines: Machines | None) -> None:
        self.found: dict[str, dict[str, Any]] = {}
        self.parsed: dict[str, Any] = {}
        self.life: tuple[str, ...] = LIFE
        self.error: dict[str, Any] | None = None
        self.stays: tuple[str, ...] = ()
        self.page_size = 100
        self._lock, self._log, self._machines = lock, log, machines
        self._runs: dict[str, Replicas | Trials] = {}

    def close(self) -> None:
        """Ends whatever runs."""
        for run in self._runs.values():
            run.stop()
        for run in self._runs.values():
            run.join()

    def running(self, name: str) -> Replicas | Trials:
        """What runs a job."""
        return self._runs[name]

    def answer(self, method: str, name: str, query: dict[str, str], body: dict[str, Any]) -> Answer | None:
        """The answer to a request for a job; None for one that is for something else."""
        parent, _, collection = name.rpartition("/")
        if method == "POST" and collection in KINDS:
            return self._create(collection, parent, body, "enum-encoding=int" in query.get("$alt", ""))
        if method == "GET" and collection in KINDS:
            return 200, self._list(name, collection, query)
        if name.endswith(":cancel") and name.removesuffix(":cancel") in self.found:
            return self._cancel(name.removesuffix(":cancel"))
        if method == "GET" and name in self.found:
            return 200, self._look(name)
        return None

    def _create(self, collection: str, parent: str, body: dict[str, Any], enums_are_numbers: bool) -> Answer:
        kind = KINDS[collection]
        try:
            message = answers.parsed(body, kind, kind.__name__, enums_are_numbers=enums_are_numbers)
        except ValueError as problem:
            return 400, error(400, str(problem))
        count = len(self.found)
        name = f"{parent}/{collection}/{1000 + count}"
        self.parsed[name] = message
        job = {**body, "name": name, "state": self.life[0], "createTime": f"2026-01-02T03:{4 + count:02}:05.678Z"}
        self.found[name] = job
        if self._machines:
            job["state"] = "JOB_STATE_PENDING"
            run = Trials if "trialJobSpec" in body else Replicas
            self._runs[name] = run(job, self._machines, self._log, self._lock)
            self._runs[name].start()
        return 200, dict(job)

    def _list(self, name: str, collection: str, query: dict[str, str]) -> dict[str, Any]:
        match = re.fullmatch(r"labels\.(\w+)(?:=([\w-]+)|:\*)", query.get("filter", ""))
        assert match, f"no filter of the service: {query}"
        of_place = [job for full, job in reversed(self.found.items()) if full.startswith(f"{name}/")]
        values = [(job, (job.get("labels") or {}).get(match[1])) for job in of_place]
        found = [job for job, value in values if value is not None and match[2] in (None, value)]
        start, size = int(query.get("pageToken") or 0), min(int(query.get("pageSize") or 100), self.page_size)
        answer: dict[str, Any] = {collection: found[start : start + size]} if found[start:] else {}
        if found[start + size :]:
            answer["nextPageToken"] = str(start + size)
        return answer

    def _cancel(self, name: str) -> Answer:
        job = self.found[name]
        if job["state"] in ENDED:
            return 400, error(400, f"{name} is in state {job['state']}")
        if name in self._runs:
            job["state"] = "JOB_STATE_CANCELLING"
            self._runs[name].stop()
        else:
            job["state"] = "JOB_STATE_CANCELLED"
        return 200, {}

    def _look(self, name: str) -> dict[str, Any]:
        """The job as it is now; where it has no machines it goes on before the next look."""
        job = self.found[name]
        shown = dict(job)
        if name in self._runs:
            return shown
        waits = name.split("/")[3] in self.stays and shown["state"] == "JOB_STATE_PENDING"
        if shown["state"] in self.life[:-1] and not waits:
            job["state"] = self.life[self.life.index(shown["state"]) + 1]
        if self.error and shown["state"] == self.life[-1]:
            shown["error"] = job["error"] = self.error
        return shown
