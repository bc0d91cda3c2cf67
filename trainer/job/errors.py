"""The exceptions of a job, each with what we got, what we accept and what to do, and an exit code."""

from __future__ import annotations


class JobError(Exception):
    """A failure that ends the job with one clear message.

    Args:
      got: what was met, with the place (flag, file and line, variable).
      accept: what would have been accepted; None where `got` says it all.
      do: what the person can do about it; None where there is nothing to say.
    """

    exit_code = 1

    def __init__(self, got: str, accept: str | None = None, do: str | None = None) -> None:
        self.got, self.accept, self.do = got, accept, do
        super().__init__(". ".join(part.rstrip(".") for part in (got, accept, do) if part) + ".")


class UsageError(JobError):
    """A wrong flag or a wrong setting."""

    exit_code = 2


class DataError(JobError):
    """A fault in the data or in the paths to them."""

    exit_code = 2


class TrainingError(JobError):
    """Training itself failed."""

    exit_code = 1
