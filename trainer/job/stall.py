"""When a process that waits says so: decisions only, from what was seen at which time."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Hashable


class News(enum.Enum):
    """What there is to say after a look."""

    NOTHING = enum.auto()
    STALLED = enum.auto()
    RESUMED = enum.auto()
    PAUSED = enum.auto()  # this process itself was stopped, or its machine slept


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a look at a process gave.

    Attributes:
      news: what there is to say.
      secs: how long nothing had changed, or the process was stopped.
    """

    news: News
    secs: float


class Patience:
    """Compares what is seen of a process with what was seen before. Times are seconds of one clock.

    Args:
      timeout_secs: without a change, after which it is a stall; said again each time that twice as long has passed.
      look_secs: between two looks.
    """

    def __init__(self, timeout_secs: float, look_secs: float) -> None:
        self._timeout, self._pause = timeout_secs, 3 * look_secs + 5.0
        self._mark: Hashable = None
        self._since: float | None = None
        self._looked = 0.0
        self._say_after = timeout_secs

    def look(self, now: float, mark: Hashable) -> Verdict:
        """What is to be said now.

        Args:
          now: the time.
          mark: what changes whenever the process gets on.
        """
        since, gap = self._since, 0.0 if self._since is None else now - self._looked
        self._looked = now
        if since is None or mark != self._mark:
            said = self._say_after > self._timeout
            self._mark, self._since, self._say_after = mark, now, self._timeout
            return Verdict(news=News.RESUMED if said else News.NOTHING, secs=now - (now if since is None else since))
        if gap > self._pause:
            self._since = now
            return Verdict(news=News.PAUSED, secs=gap)
        if now - since < self._say_after:
            return Verdict(news=News.NOTHING, secs=now - since)
        self._say_after *= 2
        return Verdict(news=News.STALLED, secs=now - since)
