"""A job on Kubernetes that was submitted: look at it, wait for it, read its logs, cancel it."""

from __future__ import annotations

import sys
from typing import TextIO

from trainer.launch.kubernetes import following, jobs, waiting
from trainer.launch.kubernetes.jobs import JobName
from trainer.launch.kubernetes.kubectl import Kubectl
from trainer.launch.kubernetes.log_streams import Line


class KubernetesJob:
    """One job.

    Args:
      client: of its cluster.
      which: the job.
    """

    def __init__(self, client: Kubectl, which: JobName) -> None:
        self._client, self._which = client, which

    @property
    def name(self) -> str:
        """`tfjob/NAME`, which every command takes."""
        return str(self._which)

    @property
    def hints(self) -> list[str]:
        """Commands about it."""
        return jobs.hints(self._which)

    def status(self) -> str:
        """The state, and a line more for each thing that it waits for and each pod that failed. Raises JobError."""
        job, pods = self._client.job(self._which), self._client.pods(self._which)
        lines = [f"{self.name}: {jobs.described(job)}"]
        if jobs.exit_code(job) is None:
            lines += waiting.reasons(job, pods, self._client.events(self._which))
        return "\n".join([*lines, *waiting.ends(pods)])

    def exit_code(self) -> int | None:
        """0 or 1 of a job that has ended; None while it runs."""
        return jobs.exit_code(self._client.job(self._which))

    @property
    def has_pods(self) -> bool:
        """Whether any process of it is left, running or ended."""
        return bool(self._client.pods(self._which))

    def wait(
        self,
        stream: TextIO | None = None,
        *,
        logs: bool = True,
        poll_secs: float = 15.0,
        patience_secs: float | None = None,
    ) -> int | None:
        """Follows the job to its end, and returns its exit code: 0 where it succeeded, else 1.

        Args:
          stream: gets states and log lines; None for standard output.
          logs: whether to show what the processes say.
          poll_secs: between two looks.
          patience_secs: how long pods may wait for nodes before the job is left as it is, which makes the exit code
            None; None for ever.
        """

        def write(line: Line) -> None:
            if logs or line[0] == following.LAUNCHER:
                _write(line, stream)

        return following.wait(self._client, self._which, poll_secs=poll_secs, patience_secs=patience_secs, write=write)

    def logs(
        self,
        stream: TextIO | None = None,
        *,
        follow: bool = False,
        poll_secs: float = 5.0,
        tail: int | None = None,
    ) -> int:
        """Writes the lines of its processes, with `follow` until it ends; how many there were without, else its code.

        Args:
          stream: gets them; None for standard output.
          follow: goes on until the end of the job.
          poll_secs: between two looks.
          tail: how many of the lines that each has said already; None for all.
        """
        if follow:
            code = following.wait(
                self._client, self._which, poll_secs=poll_secs, tail=tail, write=lambda line: _write(line, stream)
            )
            return code or 0
        count = 0
        for line in following.said(self._client, self._which, tail):
            _write(line, stream)
            count += 1
        return count

    def cancel(self) -> bool:
        """Ends it, with everything that was created for it; False where there was nothing."""
        return bool(self._client.delete(self._which))


def _write(line: Line, stream: TextIO | None) -> None:
    who, text = line
    print(f"{who:<11}| {text}", file=stream or sys.stdout, flush=True)
