"""Why training ends, and where anything may ask for it."""

from __future__ import annotations

import enum
import threading


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

    def clear(self) -> None:
        """Takes the request back."""
        self._asked.clear()
        self.reason = None
