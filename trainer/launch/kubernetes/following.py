"""Follows a job on Kubernetes until it ends: its states, what it waits for, and the lines of its processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

from trainer.launch.kubernetes import jobs, waiting
from trainer.launch.kubernetes.jobs import JobName
from trainer.launch.kubernetes.kubectl import Kubectl
from trainer.launch.kubernetes.log_streams import Line, LogStreams

Object = Mapping[str, Any]
LAUNCHER = "job"
"""Who says what is not the line of a process."""
_FIRST_POLL_SECS = 1.0
_REST_SECS, _REST_OF_FAILED_SECS = 600.0, 5.0


def lines(
    client: Kubectl, which: JobName, *, poll_secs: float, patience_secs: float | None = None, tail: int | None = None
) -> Generator[Line, None, int | None]:
    """Everything that happens, as it happens; ends with the job, and returns 0 where it succeeded, else 1.

    Where pods have waited longer for nodes than `patience_secs`, it ends before and returns None.

    Args:
      client: of the cluster.
      which: the job.
      poll_secs: between two looks at it, at most: until the first process speaks, they are shorter.
      patience_secs: None for ever.
      tail: how many of the lines that were said before are given; None for all.
    """
    streams, shown, secs = LogStreams(client, which.namespace, tail), set[str](), min(_FIRST_POLL_SECS, poll_secs)
    fitted_at = time.monotonic()
    try:
        while True:
            job, pods = client.find(which), client.pods(which)
            if job is None:
                yield LAUNCHER, "deleted: it was cancelled, or its time to live was over"
                return 1
            streams.open(pods)
            if (code := jobs.exit_code(job)) is not None:
                # The evaluator of a job that succeeded may still evaluate; processes of one that failed may stay.
                yield from streams.rest(_REST_SECS if code == 0 else _REST_OF_FAILED_SECS)
                yield from ((LAUNCHER, text) for text in (*waiting.ends(pods), jobs.described(job)))
                return code
            for text in _news(client, which, job, pods):
                if text not in shown:
                    shown.add(text)
                    yield LAUNCHER, text
            fitted_at = fitted_at if any(waiting.has_no_node(pod) for pod in pods) else time.monotonic()
            if patience_secs is not None and time.monotonic() - fitted_at > patience_secs:
                return None
            yield from streams.lines(secs)
            secs = poll_secs if streams.are_open else min(secs * 1.5, poll_secs)
    finally:
        streams.close()


def wait(
    client: Kubectl,
    which: JobName,
    *,
    poll_secs: float,
    write: Callable[[Line], None],
    patience_secs: float | None = None,
    tail: int | None = None,
) -> int | None:
    """Hands every line on until the job ends; 0 where it succeeded, else 1, None where `lines` gave it up.

    Args:
      client: of the cluster.
      which: the job.
      poll_secs: between two looks at it.
      write: gets the lines.
      patience_secs: how long pods may wait for nodes; None for ever.
      tail: how many of the lines that were said before are given; None for all.
    """
    following = lines(client, which, poll_secs=poll_secs, patience_secs=patience_secs, tail=tail)
    while True:
        try:
            write(next(following))
        except StopIteration as end:
            code: int | None = end.value
            return code


def said(client: Kubectl, which: JobName, tail: int | None = None) -> Iterator[Line]:
    """What all pods have said until now, one after the other.

    Args:
      client: of the cluster.
      which: the job.
      tail: how many lines of each pod; None for all.
    """
    for pod in client.pods(which):
        streams = LogStreams(client, which.namespace, tail, follow=False)
        try:
            streams.open([pod])
            yield from streams.rest(_REST_SECS)
        finally:
            streams.close()


def _news(client: Kubectl, which: JobName, job: Object, pods: list[Object]) -> Iterator[str]:
    """The state; where something waits, what for. Events are asked for only then."""
    yield jobs.described(job)
    if not pods or any((pod.get("status") or {}).get("phase") == "Pending" for pod in pods):
        yield from waiting.reasons(job, pods, client.events(which))
