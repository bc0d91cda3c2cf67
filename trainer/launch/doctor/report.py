"""The doctor's table: a row for each finding, with its fix below."""

from __future__ import annotations

from trainer.job import findings
from trainer.job.findings import Finding, Level

_MARKS = {Level.OK: "ok", Level.NOTE: "note", Level.ERROR: "ERROR"}


def row(finding: Finding) -> str:
    """The finding's line, and its fix on a second one."""
    accept = f" (accepted: {finding.accept})" if finding.accept else ""
    line = f"{_MARKS[finding.level]:<6}{findings.shown(finding.where):<14}{finding.got}{accept}"
    return f"{line}\n{'':<20}fix: {finding.do}" if finding.do else line


def ok(subject: str, got: str) -> Finding:
    """What is as it should be."""
    return Finding(where=subject, got=got, level=Level.OK)


def note(subject: str, got: str, do: str | None) -> Finding:
    """What is worth knowing.

    Args:
      subject: of the row.
      got: what was found.
      do: what can be done about it; None where nothing need be.
    """
    return Finding(where=subject, got=got, do=do, level=Level.NOTE)


def wrong(subject: str, got: str, do: str) -> Finding:
    """What would end a job.

    Args:
      subject: of the row.
      got: what was found.
      do: the fix.
    """
    return Finding(where=subject, got=got, do=do)


def gigabytes(amount: int) -> str:
    """Bytes as a person reads them."""
    return f"{amount / 1e9:.1f} GB"
