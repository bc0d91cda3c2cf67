"""Follows a job on Vertex AI until it ends: what changes, and what its replicas say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TextIO

from trainer.launch.vertex import jobs as vertex_jobs
from trainer.launch.vertex.client import VertexClient
from trainer.launch.vertex.logs import JobLogs
from trainer.launch.vertex.requests import Request
from trainer.launch.vertex.service import ServiceError

# Looks for late lines after the end; the first that brings none is the last.
_MOST_LAST_LOOKS = 4


class Follower:
    """One job as a person sees it.

    Args:
      client: asks the service.
      name: full name of the job.
      stream: gets a line for each change, and each line of the logs.
      wait: waits until the next look.
      logs: where its lines are; None for those that shall not be shown.
    """

    def __init__(
        self,
        client: VertexClient,
        name: str,
        stream: TextIO,
        *,
        wait: Callable[[], object],
        logs: JobLogs | None = None,
    ) -> None:
        self._client, self._name, self._stream = client, name, stream
        self._wait, self._logs = wait, logs
        self._last = ""

    def to_the_end(self, given_up: Callable[[Request], bool] = lambda job: False) -> Request:
        """Looks at the job again and again, and returns it as it ended, or as it was when `given_up` said so."""
        while True:
            job = self._client.get(self._name)
            has_ended = vertex_jobs.exit_code(job) is not None
            if has_ended:  # its state is the last word
                self._last_lines()
            now = vertex_jobs.described(job)
            if now != self._last:
                self._say(f"{_moment(job)}{now}")
                self._last = now
            if has_ended:
                best = vertex_jobs.best_trial(job)
                if best:
                    self._say(_of_trial(best))
                return job
            self._show_logs()
            if given_up(job):
                return job
            self._wait()

    def _last_lines(self) -> None:
        self._show_logs()
        for _ in range(_MOST_LAST_LOOKS):
            if self._logs is None:
                return
            self._wait()
            if not self._show_logs():
                return

    def _show_logs(self) -> int:
        """How many new lines there were. Who may not read logs is told once, and still follows the job."""
        if self._logs is None:
            return 0
        try:
            lines = self._logs.new_lines()
        except ServiceError as error:
            if error.status in (401, 403, 404):
                self._say(f"without log lines: {error}")
                self._logs = None
            return 0
        for line in lines:
            self._say(str(line))
        return len(lines)

    def _say(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


def _moment(job: Mapping[str, object]) -> str:
    """When the service last changed the job, in its own words."""
    time = str(job.get("updateTime") or job.get("createTime") or "")
    return f"{time[:19].replace('T', ' ')}  " if time else ""


def _of_trial(trial: Mapping[str, object]) -> str:
    parameters = trial.get("parameters") or []
    assert isinstance(parameters, list)
    words = [f"--{entry['parameterId']}={entry.get('value')}" for entry in parameters]
    return f"best trial {trial.get('id')}: {' '.join(words)}"
