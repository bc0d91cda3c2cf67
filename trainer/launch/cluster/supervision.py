"""What follows when a process of a job ends, and how long the others may continue: decisions only."""

from __future__ import annotations

import enum
import signal

from trainer.job.cluster import CHIEF, EVALUATOR, WORKER
from trainer.job.signals import SAVED_EXIT_CODE

USAGE_EXIT_CODE = 2
# Workers that train in step with the chief end by themselves at the same step; this long they may take for it.
SYNC_GRACE_SECS = 5.0


class Phase(enum.Enum):
    """How far the job is."""

    RUNNING = enum.auto()
    FINISHING = enum.auto()  # the chief has ended with 0; the others are being ended
    STOPPING = enum.auto()  # everything is being ended


class Decision(enum.Enum):
    """What follows from the end of one process."""

    FINISH = enum.auto()  # the job is done; end the others
    RESTART = enum.auto()  # start it again, same address, same TF_CONFIG
    STOP = enum.auto()  # end the job with this process's exit code
    CONTINUE = enum.auto()  # go on without it


def classify_exit(
    role: str, code: int, *, phase: Phase, asked_to_end: bool, restarts: int, max_restarts: int
) -> Decision:
    """Decides as a cloud runner does, which restarts what fails.

    Args:
      role: of the process that ended.
      code: its exit code, 128 + n after signal n.
      phase: of the job.
      asked_to_end: whether the launcher had sent SIGTERM.
      restarts: how often this process was started again before.
      max_restarts: how often it may be.
    """
    if phase is Phase.STOPPING or asked_to_end:
        return Decision.CONTINUE
    if code == USAGE_EXIT_CODE:
        return Decision.STOP
    if code == 0:
        return Decision.FINISH if role == CHIEF else Decision.CONTINUE
    if phase is Phase.FINISHING and role != EVALUATOR:
        return Decision.CONTINUE
    if restarts < max_restarts:
        return Decision.RESTART
    return Decision.CONTINUE if role == EVALUATOR else Decision.STOP


def grace_secs(role: str, *, has_ps: bool, last_evaluation_secs: float) -> float:
    """How long a process may continue after the chief has ended with 0, before it gets SIGTERM.

    Args:
      role: of the process.
      has_ps: whether workers train by themselves; those in step with the chief end by themselves at once.
      last_evaluation_secs: what the evaluator gets.
    """
    if role == EVALUATOR:
        return last_evaluation_secs
    return SYNC_GRACE_SECS if role == WORKER and not has_ps else 0.0


def described(code: int) -> str:
    """What an exit code says, as a part of a sentence."""
    if code != SAVED_EXIT_CODE and code > 128 and code - 128 in signal.valid_signals():
        return f"was killed by {_signal_name(code - 128)}"
    return f"ended with {code}"


def _signal_name(number: int) -> str:
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
