"""What a program has of a job that it submitted, whatever runs it."""

from __future__ import annotations

from typing import Protocol, TextIO


class SubmittedJob(Protocol):
    """A job on Vertex AI or Kubernetes: looked at, waited for, read and cancelled."""

    @property
    def name(self) -> str:
        """As the commands `status`, `logs` and `cancel` take it."""

    @property
    def hints(self) -> list[str]:
        """Commands and pages about it."""

    def status(self) -> str:
        """Its state in words, and what it waits for."""

    def exit_code(self) -> int | None:
        """0 where it succeeded, 1 where it ended otherwise, None while it runs."""

    def wait(self, stream: TextIO | None = None, *, logs: bool = True, poll_secs: float = 15.0) -> int | None:
        """Follows it to its end, and returns its exit code.

        Args:
          stream: gets states and log lines; None for standard output.
          logs: whether to show what its processes say.
          poll_secs: between two looks.
        """

    def logs(self, stream: TextIO | None = None, *, follow: bool = False, poll_secs: float = 5.0) -> int:
        """Writes the lines of its processes, with `follow` until it ends; how many there were without, else its code.

        Args:
          stream: gets them; None for standard output.
          follow: goes on until the end of the job.
          poll_secs: between two looks.
        """

    def cancel(self) -> bool:
        """Asks for its end; False where there was nothing to end."""
