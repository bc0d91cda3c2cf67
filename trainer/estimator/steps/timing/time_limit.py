"""How long something may take that is done after a failure, and what ends it before."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from trainer.estimator.steps.timing.stop import Stop


class OutOfTimeError(Exception):
    """Something was not done in its time, or the process is asked to end. The message says which."""


@dataclasses.dataclass(frozen=True)
class TimeLimit:
    """Seconds from now on.

    Attributes:
      secs: how many there are.
      clock: seconds.
      stop: whatever asks training to end asks this, too.
    """

    secs: float
    clock: Callable[[], float]
    stop: Stop

    def __post_init__(self) -> None:
        object.__setattr__(self, "_until", self.clock() + self.secs)

    def check(self) -> None:
        """Raises OutOfTimeError when the time is over."""
        if self.stop:
            raise OutOfTimeError("the process was asked to end")
        if self.clock() > self._until:  # type: ignore[attr-defined]
            raise OutOfTimeError(f"{self.secs:g} seconds were not enough (--explain_nan_secs)")
