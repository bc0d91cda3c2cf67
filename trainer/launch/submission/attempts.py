"""A job that is submitted again, otherwise, where machines are short: one handle, whichever of them runs now.

Each cloud says what an attempt is: how it is sent, and when it is over for lack of machines. What follows is the same.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TextIO, TypeVar

from trainer.job.errors import JobError
from trainer.launch.submission.submitted_job import SubmittedJob

Job = TypeVar("Job", bound=SubmittedJob)
Told = Callable[[Job], object]


class Attempt(Protocol[Job]):
    """A checked submission that can be sent."""

    @property
    def where(self) -> str:
        """On which machines, in words."""

    def send(self, *, is_first: bool) -> Job:
        """Sends it.

        Args:
          is_first: whether none was sent before.

        Raises:
          JobError: it is refused.
        """

    def is_shortage(self, error: JobError) -> bool:
        """Whether it was refused for lack of machines."""

    def follow(self, job: Job, stream: TextIO | None, *, logs: bool, poll_secs: float, is_last: bool) -> int | None:
        """Follows the job to its end; its exit code, or None where it found no machines and has ended for that.

        Args:
          job: that this attempt sent.
          stream: gets states and log lines; None for standard output.
          logs: whether to show what its processes say.
          poll_secs: between two looks.
          is_last: whether nothing else can be tried, so that it may wait for ever.
        """


class AttemptedJob(Generic[Job]):
    """The job of the attempt that was sent last; `wait` goes on to the next where there are no machines for it.

    Args:
      attempts: in the order in which they are tried; the first is sent at once.
      told: hears of each job that was sent.
    """

    def __init__(self, attempts: Sequence[Attempt[Job]], told: Told[Job] = lambda job: None) -> None:
        self._attempts, self._told = list(attempts), told
        self._now: Attempt[Job]
        self._job: Job
        self._send_next(is_first=True)

    @property
    def name(self) -> str:
        """Of the job that was sent last."""
        return self._job.name

    @property
    def hints(self) -> list[str]:
        """Commands and pages about that one."""
        return self._job.hints

    def status(self) -> str:
        """Its state in words, and what it waits for."""
        return self._job.status()

    def exit_code(self) -> int | None:
        """0 where it succeeded, 1 where it ended otherwise, None while it runs."""
        return self._job.exit_code()

    def wait(self, stream: TextIO | None = None, *, logs: bool = True, poll_secs: float = 15.0) -> int:
        """Follows the job to its end, or the one after it where it found no machines, and returns its exit code.

        Args:
          stream: gets states and log lines; None for standard output.
          logs: whether to show what its processes say.
          poll_secs: between two looks.
        """
        while True:
            code = self._now.follow(self._job, stream, logs=logs, poll_secs=poll_secs, is_last=not self._attempts)
            if code is not None or not self._attempts:
                return 1 if code is None else code
            _note(f"no machines for {self._now.where}\nnext: {self._attempts[0].where}")
            self._send_next(is_first=False)

    def logs(self, stream: TextIO | None = None, *, follow: bool = False, poll_secs: float = 5.0) -> int:
        """Writes the lines of its processes; how many there were, or with `follow` the exit code, as of `wait`.

        Args:
          stream: gets them; None for standard output.
          follow: goes on until the end of the job.
          poll_secs: between two looks.
        """
        return self.wait(stream, poll_secs=poll_secs) if follow else self._job.logs(stream)

    def cancel(self) -> bool:
        """Asks for its end, and nothing comes after it; False where there was nothing to end."""
        self._attempts.clear()
        return self._job.cancel()

    def _send_next(self, *, is_first: bool) -> None:
        while True:
            self._now = self._attempts.pop(0)
            try:
                self._job = self._now.send(is_first=is_first)
            except JobError as error:
                if not (self._attempts and self._now.is_shortage(error)):
                    raise
                _note(f"{error}\nnext: {self._attempts[0].where}")
            else:
                self._told(self._job)
                return


def announce(job: SubmittedJob) -> None:
    """The job's name on standard output, the commands about it on standard error."""
    print(job.name, flush=True)
    for hint in job.hints:
        _note(hint)


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
