"""A name of its own for each submission, so that the same command twice makes two jobs that can be told apart."""

from __future__ import annotations

import datetime
import secrets

SUFFIX_LENGTH = 15
"""Characters that `unique` adds to a name."""


def unique(prefix: str, now: datetime.datetime, token: str) -> str:
    """`PREFIX-MMDD-HHMM-XXXX`, in letters, digits and dashes where the prefix is.

    Args:
      prefix: as the person named the job.
      now: of the submission, in whatever time zone the person shall read.
      token: at least four random hexadecimal digits, which keep two submissions of one minute apart.
    """
    return f"{prefix}-{now:%m%d-%H%M}-{token[:4]}"


def of_now(prefix: str) -> str:
    """The same for a submission that is made now, in this machine's time."""
    return unique(prefix, datetime.datetime.now(), secrets.token_hex(2))
