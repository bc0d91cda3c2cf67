"""A job on Vertex AI that was submitted: look at it, wait for it, read its logs, cancel it."""

from __future__ import annotations

import random
import re
import sys
import time
from collections.abc import Callable
from typing import TextIO

from trainer.job.errors import UsageError
from trainer.launch.submission.options import ServiceOptions
from trainer.launch.vertex import jobs as vertex_jobs
from trainer.launch.vertex import service as vertex_service
from trainer.launch.vertex import session as google_session
from trainer.launch.vertex.client import VertexClient
from trainer.launch.vertex.following import Follower
from trainer.launch.vertex.logs import JobLogs
from trainer.launch.vertex.requests import Request
from trainer.launch.vertex.rest import Rest
from trainer.launch.vertex.service import LOGGING, Location, ServiceError

FULL_NAME = re.compile(r"projects/([^/]+)/locations/([^/]+)/(customJobs|hyperparameterTuningJobs)/\d+")
_WAITING = ("queued", "pending")


class VertexJob:
    """One job, by its full name.

    Args:
      client: asks Vertex AI.
      job: as the service returned it.
      logging_endpoint: another address of Cloud Logging; None for its own.
    """

    def __init__(self, client: VertexClient, job: Request, logging_endpoint: str | None = None) -> None:
        self._client, self._job = client, job
        self._logging = client.rest.elsewhere(client.at.of(LOGGING, logging_endpoint))

    @property
    def name(self) -> str:
        """`projects/P/locations/R/customJobs/NUMBER`, which every command takes."""
        return str(self._job["name"])

    @property
    def hints(self) -> list[str]:
        """Commands and pages for it."""
        return vertex_jobs.hints(self.name, project=self._client.at.project)

    def status(self) -> str:
        """State, trials, error, and of one that waits why, in one line. Raises ServiceError."""
        job = self._looked_at()
        line = vertex_jobs.described(job)
        if vertex_jobs.state(job) in _WAITING:
            line += f"; {self._last_word_of_the_service() or vertex_jobs.WAITS[vertex_jobs.state(job)]}"
        return f"{job.get('displayName')} ({self.name}): {line}"

    def exit_code(self) -> int | None:
        """0 or 1 of a job that has ended; None while it runs."""
        return vertex_jobs.exit_code(self._looked_at())

    def wait(
        self,
        stream: TextIO | None = None,
        *,
        logs: bool = True,
        poll_secs: float = 15.0,
        tail: int | None = None,
        given_up: Callable[[Request], bool] = lambda job: False,
    ) -> int | None:
        """Follows the job to its end, and returns its exit code: 0 where it succeeded, else 1.

        Args:
          stream: gets changes and log lines; None for standard output.
          logs: whether to show what the replicas say.
          poll_secs: between two looks.
          tail: how many of the lines that each replica has said already; None for all.
          given_up: whether to leave the job as it is now, which makes the exit code None.
        """
        follower = Follower(
            self._client,
            self.name,
            stream or sys.stdout,
            wait=lambda: time.sleep(poll_secs),
            logs=self._lines(tail=tail) if logs else None,
        )
        self._job = follower.to_the_end(given_up)
        return vertex_jobs.exit_code(self._job)

    def logs(
        self,
        stream: TextIO | None = None,
        *,
        follow: bool = False,
        poll_secs: float = 5.0,
        tail: int | None = None,
    ) -> int:
        """Writes the lines of its replicas, with `follow` until it ends; how many there were without, else its code.

        Args:
          stream: gets them; None for standard output.
          follow: goes on until the end of the job.
          poll_secs: between two looks.
          tail: how many of the lines that each replica has said already; None for all.
        """
        if follow:
            return self.wait(stream, poll_secs=poll_secs, tail=tail) or 0
        lines = self._lines(tail=tail).new_lines()
        for line in lines:
            print(line, file=stream or sys.stdout)
        return len(lines)

    def cancel(self) -> bool:
        """Asks for its end; False where it has ended already."""
        if vertex_jobs.exit_code(self._looked_at()) is not None:
            return False
        self._client.cancel(self.name)
        return True

    @property
    def as_last_seen(self) -> Request:
        """What the service last said of it."""
        return self._job

    def _looked_at(self) -> Request:
        self._job = self._client.get(self.name)
        return self._job

    def _lines(self, only: str = "", tail: int | None = None) -> JobLogs:
        return JobLogs(self._logging, self.name.rpartition("/")[2], _made(self._job), only=only, tail=tail)

    def _last_word_of_the_service(self) -> str | None:
        """Its newest line about provisioning; None where there is none, or who asks may not read logs."""
        try:
            lines = self._lines('resource.labels.task_name="service"').new_lines()
        except ServiceError:
            return None
        return lines[-1].text if lines else None


def open_client(at: Location) -> VertexClient:
    """A client with this machine's credentials."""
    rest = Rest(
        google_session.open_session(at.endpoint),
        at,
        wait=time.sleep,
        chance=random.random,
        broken=google_session.broken_connections(),
        denied=google_session.lost_credentials(),
    )
    return VertexClient(rest)


def require_name(job: str) -> None:
    """Raises UsageError where a word names no job."""
    if not FULL_NAME.fullmatch(job) and not re.fullmatch(r"\d+", job):
        accept = "a number, or projects/P/locations/R/customJobs/NUMBER"
        raise UsageError(f"{job!r} is not a job of Vertex AI", accept, "Write what submit printed as its name")


def of_name(job: str, *, project: str, region: str, service: ServiceOptions) -> VertexJob:
    """The job of a full name, which says project and region itself, or of a bare number.

    Args:
      job: what submit printed as its name.
      project: for a bare number.
      region: likewise.
      service: where Vertex AI and Cloud Logging are asked.

    Raises:
      UsageError: it is no name of a job.
      ServiceError: there is none of that name.
    """
    require_name(job)
    match = FULL_NAME.fullmatch(job)
    at = vertex_service.location(*((match[1], match[2]) if match else (project, region)), service.endpoint)
    client = open_client(at)
    return VertexJob(client, client.resolve(job), service.logging_endpoint)


def _made(job: Request) -> str:
    """When it was made, with nine decimal places; long ago where the service does not say."""
    return f"{str(job.get('createTime') or '1970-01-01T00:00:00')[:19]}.000000000Z"
