"""Faults to inject, as `--kill=worker:1@20s`: which process gets which signal, and when."""

from __future__ import annotations

import dataclasses
import re
import signal

from trainer.job import cluster, spelling
from trainer.job.errors import UsageError

ACCEPTED = "ROLE:INDEX@SECSs, or ROLE:INDEX@SECSs:SIGNAL"
_FAULT = re.compile(r"([A-Za-z]+):(\d{1,6})@(\d{1,9}(?:\.\d+)?)s?(?::([A-Za-z0-9]+))?")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fault:
    """One signal to one process, once.

    Attributes:
      text: as the person wrote it.
      name: the process, `worker:1`.
      at_secs: after the start of the job; where the process is not alive then, as soon as it is.
      signal: what it gets.
    """

    text: str
    name: str
    at_secs: float
    signal: signal.Signals = signal.SIGKILL


def parse(text: str) -> Fault:
    """The fault that `text` describes. Raises UsageError naming what is not understood."""
    match = _FAULT.fullmatch(text.strip())
    if not match:
        raise UsageError(f"--kill={text}", ACCEPTED, "Write it as worker:1@20s or chief:0@20s:TERM")
    role, index, secs, signal_name = match.groups()
    return Fault(
        text=text,
        name=f"{_role(role, text)}:{int(index)}",
        at_secs=float(secs),
        signal=_signal(signal_name or "KILL", text),
    )


def _role(role: str, text: str) -> str:
    if role in cluster.JOB_TYPES:
        return role
    do = spelling.suggestion(role, cluster.JOB_TYPES, "Use one of these")
    raise UsageError(f"--kill={text}: {role!r} is not a role", ", ".join(cluster.JOB_TYPES), do)


def _signal(name: str, text: str) -> signal.Signals:
    known = {number.name.removeprefix("SIG"): number for number in signal.Signals}
    wanted = name.upper().removeprefix("SIG")
    if wanted in known:
        return known[wanted]
    do = spelling.suggestion(wanted, known, "Leave it out for KILL")
    raise UsageError(f"--kill={text}: {name!r} is not a signal", "KILL, TERM, INT, STOP and the like", do)
