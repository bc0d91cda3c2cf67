"""Why training ends, and where anything may ask for it."""

from __future__ import annotations

import enum
import threading

from trainer.job.errors import JobError
from trainer.job.signals import SAVED_EXIT_CODE


class StopReason(enum.Enum):
    """Why training ended; of several reasons in several processes the last one here counts."""

    DATA_END = "data_end"
    MAX_STEPS = "max_steps"
    EARLY_STOP = "early_stop"
    INTERRUPTED = "interrupted"

    @property
    def code(self) -> int:
        """Its place among the reasons, which processes that train in step compare; 0 is that of the data's end."""
        return list(StopReason).index(self)

    @staticmethod
    def of_code(code: int) -> StopReason:
        """The reason of a `code`."""
        return list(StopReason)[code]


class StopRequestedError(JobError):
    """Work that leaves nothing behind, such as an evaluation, was given up because a stop was asked for."""

    exit_code = SAVED_EXIT_CODE


class Stop:
    """Where anything, a signal handler included, asks training to end after the running call.

    Attributes:
      reason: the first one given; None before there was one.
    """

    def __init__(self) -> None:
        self._asked = threading.Event()
        self.reason: str | None = None

    def request(self, reason: str) -> None:
        """Asks for the end, in any thread."""
        self.reason = self.reason or reason
        self._asked.set()

    def __bool__(self) -> bool:
        return self._asked.is_set()

    def check(self, what: str) -> None:
        """Ends work that is of no use half done: raises StopRequestedError where a stop was asked for."""
        if self:
            raise StopRequestedError(
                f"{what} was given up after {self.reason}", do="Run the same command again: it is made then"
            )

    def answer(self, reason: StopReason) -> None:
        """Takes the request back if it is what ended training: another one comes too late for that, and stays."""
        if reason is StopReason.INTERRUPTED:
            self.clear()

    def clear(self) -> None:
        """Takes the request back."""
        self._asked.clear()
        self.reason = None
