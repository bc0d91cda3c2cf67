"""How long and how often a request is tried again: exponential waits with jitter, and an end."""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Callable
from typing import TypeVar

from trainer.storage.errors import UnavailableError

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """Times in seconds.

    Attributes:
      connect_secs: for a connection.
      silence_secs: without a byte of the answer; a stalled request is given up after it.
      total_secs: for all tries of one request together.
      first_wait_secs: the most that is waited before the second try; doubled for each further one.
      longest_wait_secs: the most that is waited between two tries.
    """

    connect_secs: float = 10.0
    silence_secs: float = 20.0
    total_secs: float = 300.0
    first_wait_secs: float = 0.25
    longest_wait_secs: float = 16.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if not getattr(self, field.name) > 0:
                raise ValueError(f"{field.name} is {getattr(self, field.name)}. It takes a number greater than 0")

    def wait_secs(self, tries: int, chance: float) -> float:
        """Seconds to wait after so many tries.

        Args:
          tries: made so far, 1 or more.
          chance: from [0, 1). Half of the wait is left to it, so that clients that failed together do not come back
            together (Amazon's "equal jitter").
        """
        longest = min(self.longest_wait_secs, self.first_wait_secs * 2 ** min(tries - 1, 32))
        return longest * (0.5 + 0.5 * chance)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Retrying:
    """Tries a request again while its failures are transient.

    Attributes:
      policy: how often and how long.
      transient_reason: why a request failed, in words, where another try may succeed; None where it cannot.
      clock: seconds.
      wait: waits so many seconds.
      chance: gives numbers from [0, 1).
    """

    policy: RetryPolicy
    transient_reason: Callable[[Exception], str | None]
    clock: Callable[[], float] = time.monotonic
    wait: Callable[[float], object] = time.sleep
    chance: Callable[[], float] = random.random

    def run(self, attempt: Callable[[], T], action: str) -> T:
        """The result of the first attempt that succeeds.

        Args:
          attempt: one request.
          action: what it does, for the message, as "Reading gs://bucket/name".

        Raises:
          UnavailableError: every attempt within `total_secs` failed.
        """
        began, tries = self.clock(), 0
        while True:
            try:
                return attempt()
            except Exception as error:
                reason, tries = self.transient_reason(error), tries + 1
                if reason is None:
                    raise
                secs = self.policy.wait_secs(tries, self.chance())
                if self.clock() - began + secs > self.policy.total_secs:
                    raise UnavailableError(
                        f"{action} failed {tries} times in {self.clock() - began:.0f} s; the last time: {reason}",
                        None,
                        "Check that the bucket can be reached from here, and run the same command again",
                    ) from None
            self.wait(secs)
