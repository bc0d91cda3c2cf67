"""Follows a job on Vertex AI until it ends, saying what changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TextIO

from trainer.launch.vertex import jobs as vertex_jobs
from trainer.launch.vertex.client import VertexClient


def follow(client: VertexClient, name: str, stream: TextIO, *, wait: Callable[[], object]) -> int:
    """Looks at the job again and again, and returns its exit code: 0 where it succeeded, else 1.

    Args:
      client: asks the service.
      name: full name of the job.
      stream: gets a line for each change.
      wait: waits until the next look.
    """
    last = ""
    while True:
        job = client.get(name)
        now = vertex_jobs.described(job)
        if now != last:
            print(f"{_moment(job)}{now}", file=stream, flush=True)
            last = now
        code = vertex_jobs.exit_code(job)
        if code is not None:
            best = vertex_jobs.best_trial(job)
            if best:
                print(_of_trial(best), file=stream, flush=True)
            return code
        wait()


def _moment(job: Mapping[str, object]) -> str:
    """When the service last changed the job, in its own words."""
    time = str(job.get("updateTime") or job.get("createTime") or "")
    return f"{time[:19].replace('T', ' ')}  " if time else ""


def _of_trial(trial: Mapping[str, object]) -> str:
    parameters = trial.get("parameters") or []
    assert isinstance(parameters, list)
    words = [f"--{entry['parameterId']}={entry.get('value')}" for entry in parameters]
    return f"best trial {trial.get('id')}: {' '.join(words)}"
