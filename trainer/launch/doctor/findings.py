"""What a look at a machine finds: good, worth knowing or wrong, each with its fix."""

from __future__ import annotations

import dataclasses
import enum


class Level(enum.Enum):
    OK = "ok"
    NOTE = "note"
    WRONG = "WRONG"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at, and what to do about it where something can be done."""

    level: Level
    subject: str
    found: str
    fix: str | None = None


def shown(finding: Finding) -> str:
    """The finding's line, and its fix on a second one."""
    head = f"{finding.level.value:<6}{finding.subject:<14}"
    lines = [f"{head}{finding.found}"] + ([f"{'':<20}fix: {finding.fix}"] if finding.fix else [])
    return "\n".join(lines)


def ok(subject: str, found: str) -> Finding:
    return Finding(level=Level.OK, subject=subject, found=found)


def note(subject: str, found: str, fix: str | None) -> Finding:
    return Finding(level=Level.NOTE, subject=subject, found=found, fix=fix)


def wrong(subject: str, found: str, fix: str) -> Finding:
    return Finding(level=Level.WRONG, subject=subject, found=found, fix=fix)


def gigabytes(amount: int) -> str:
    return f"{amount / 1e9:.1f} GB"
