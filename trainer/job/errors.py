"""The exceptions of a job, each with what we got, what we accept and what to do, and an exit code."""

from __future__ import annotations

from collections.abc import Iterable

from trainer.job.findings import Finding, Level


class JobError(Exception):
    """A failure that ends the job with one clear message.

    Args:
      got: what was met, with the place (flag, file and line, variable).
      accept: what would have been accepted; None where `got` says it all.
      do: what the person can do about it; None where there is nothing to say.

    Attributes:
      findings: what ended the job, as records; one, but for a `FindingsError`.
    """

    exit_code = 1

    def __init__(self, got: str, accept: str | None = None, do: str | None = None) -> None:
        self.findings: tuple[Finding, ...] = (Finding(got=got, accept=accept, do=do),)
        super().__init__(str(self.findings[0]))

    @property
    def got(self) -> str:
        """What was met."""
        return self.findings[0].got

    @property
    def accept(self) -> str | None:
        """What would have been accepted; None where `got` says it all."""
        return self.findings[0].accept

    @property
    def do(self) -> str | None:
        """What the person can do about it; None where there is nothing to say."""
        return self.findings[0].do


class UsageError(JobError):
    """A wrong flag or a wrong setting."""

    exit_code = 2


class FindingsError(UsageError):
    """Everything that is wrong with one document, each finding with its place.

    Args:
      findings: at least one.
      heading: a line above them; None where they say enough.
    """

    def __init__(self, findings: Iterable[Finding], heading: str | None = None) -> None:
        records = tuple(findings)
        super().__init__(records[0].got, records[0].accept, records[0].do)
        self.findings = records
        self.args = ("\n".join([*([heading] if heading else []), *map(str, records)]),)


class DataError(JobError):
    """An error in the data or in the paths to them."""

    exit_code = 2


class TrainingError(JobError):
    """Training itself failed."""

    exit_code = 1


def refuse(findings: Iterable[Finding], heading: str | None = None) -> tuple[Finding, ...]:
    """Lets notes pass, and returns them.

    Raises:
      FindingsError: with all errors, where there are any.
    """
    records = tuple(findings)
    errors = [finding for finding in records if finding.level is Level.ERROR]
    if errors:
        raise FindingsError(errors, heading)
    return tuple(finding for finding in records if finding.level is Level.NOTE)
