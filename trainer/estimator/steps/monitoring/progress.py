"""Shows how far training is: a live line on a terminal, else a plain line every few seconds."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import math
import sys
import time
from collections.abc import Callable, Iterator
from typing import TextIO

from trainer.estimator.contract.hooks import RunContext, RunValues, TrainingHook
from trainer.job import json_log

WINDOW_SECS, LONG_SECS = 30.0, 300.0
PLAIN_EVERY_SECS = 5.0

Clock = Callable[[], float]


@dataclasses.dataclass
class Speed:
    """Steps and seconds of the device calls; those of the first, which compiles, apart."""

    steps: int = 0
    seconds: float = 0.0
    calls: int = 0
    first_steps: int = 0
    first_seconds: float = 0.0

    def add(self, steps: int, seconds: float) -> None:
        """Counts a device call."""
        if self.calls == 0:
            self.first_steps, self.first_seconds = steps, seconds
        else:
            self.steps, self.seconds = self.steps + steps, self.seconds + seconds
        self.calls += 1

    @property
    def steps_per_sec(self) -> float | None:
        """Without the first call, unless it is the only one; None before that."""
        steps, seconds = (self.steps, self.seconds) if self.calls > 1 else (self.first_steps, self.first_seconds)
        return steps / seconds if seconds > 0 and steps else None


class Window:
    """The latest of what came in so many seconds, the oldest of it first, each at least `apart` seconds after another.

    Args:
      secs: its length.
      apart: 0 keeps all.
    """

    def __init__(self, secs: float, apart: float = 0.0) -> None:
        self._secs, self._apart = secs, apart
        self._seen: collections.deque[tuple[float, float]] = collections.deque()
        self._last = (0.0, 0.0)

    def add(self, at: float, step: float) -> None:
        """Notes a step that was reached at a time, which only grows."""
        self._last = at, step
        if not self._seen or at - self._seen[-1][0] >= self._apart:
            self._seen.append(self._last)
        while len(self._seen) > 2 and at - self._seen[0][0] > self._secs:
            self._seen.popleft()

    @property
    def steps_per_sec(self) -> float | None:
        """None while there are not two times."""
        if not self._seen or self._last[0] <= self._seen[0][0]:
            return None
        return (self._last[1] - self._seen[0][1]) / (self._last[0] - self._seen[0][0])


class Pace:
    """How fast training has been lately.

    The speed is that of the device calls of half a minute, as `summary.json` has that of all. The time left is by the
    clock of five minutes, with saves and evaluations in it, so that one of these does not throw it about.
    """

    def __init__(self) -> None:
        self._calls, self._clock, self._busy = Window(WINDOW_SECS), Window(LONG_SECS, apart=1.0), 0.0

    def add(self, now: float, step: int, busy_secs: float) -> None:
        """Notes a device call.

        Args:
          now: when it ended, in seconds.
          step: the global step after it.
          busy_secs: that it took.
        """
        self._busy += busy_secs
        self._calls.add(self._busy, step)
        self._clock.add(now, step)

    @property
    def steps_per_sec(self) -> float | None:
        """None until two calls have ended, because the first one compiles."""
        return self._calls.steps_per_sec

    def secs_left(self, steps: int) -> float | None:
        """Seconds that so many steps will take; None while that is not known."""
        pace = self._clock.steps_per_sec
        return steps / pace if pace else None


class Progress(TrainingHook):
    """A hook that shows step, speed, loss and the time left.

    Args:
      max_steps: the last step; None to train to the end of the data.
      stream: where to write, standard error by default; a terminal gets one live line.
      clock: seconds, as of `time.monotonic`.
    """

    every_n_steps = None

    def __init__(self, max_steps: int | None, *, stream: TextIO | None = None, clock: Clock = time.monotonic) -> None:
        self.speed = Speed()
        self.global_step: int | None = None
        self._max_steps, self._stream, self._clock = max_steps, stream or sys.stderr, clock
        self._pace, self._last_shown = Pace(), -math.inf
        self._line = self._printed = ""
        self._figures: dict[str, float | None] = {}
        self._live: _LiveLine | None = None

    @contextlib.contextmanager
    def shown(self) -> Iterator[Progress]:
        """Within it a terminal shows the live line, which is removed at the end, also after an error."""
        if not self._stream.isatty():
            yield self
            return
        with _LiveLine(self._stream) as self._live:
            try:
                yield self
            finally:
                self._live = None

    def after_run(self, run_context: RunContext, run_values: RunValues) -> None:
        now, losses, self.global_step = self._clock(), run_values.losses, run_values.global_step
        self.speed.add(len(losses), run_values.seconds)
        self._pace.add(now, run_values.global_step, run_values.seconds)
        loss = float(losses[-1]) if len(losses) else math.nan
        speed, left = self._pace.steps_per_sec, None
        if self._max_steps is not None:
            left = self._pace.secs_left(self._max_steps - run_values.global_step)
        self._figures = {"step": self.global_step, "max_steps": self._max_steps, "steps_per_sec": speed, "loss": loss}
        self._line = line(run_values.global_step, self._max_steps, speed, loss, left)
        self._show(now)

    def end(self, run_context: RunContext) -> None:
        """Prints the line of the last step, if it has not been printed."""
        if self._line != self._printed:
            self._print()

    def _show(self, now: float) -> None:
        if self._live is not None:
            self._live.show(self._line)
        elif now - self._last_shown >= PLAIN_EVERY_SECS:
            self._last_shown = now
            self._print()

    def _print(self) -> None:
        self._printed = self._line
        if self._live is not None:
            self._live.above(self._line)
            return
        json_log.say(self._line, self._stream, self._figures)


def line(step: int, max_steps: int | None, steps_per_sec: float | None, loss: float, secs_left: float | None) -> str:
    """`step 1,200/2,000 (60 %) · 850 steps/s · loss 0.0123 · 1 s left`; what is not known is left out.

    Args:
      step: the global step.
      max_steps: the last one; None where it is not known.
      steps_per_sec: None where it is not known.
      loss: of the last step.
      secs_left: None where it is not known.
    """
    parts = [f"step {step:,}" if max_steps is None else f"step {step:,}/{max_steps:,} ({100 * step // max_steps} %)"]
    if steps_per_sec is not None:
        parts.append(f"{steps_per_sec:,.0f} steps/s" if steps_per_sec >= 10 else f"{steps_per_sec:.2g} steps/s")
    parts.append(f"loss {loss:.4g}")
    if max_steps is not None and secs_left is not None and step < max_steps:
        parts.append(f"{duration(secs_left)} left")
    return " · ".join(parts)


def duration(secs: float) -> str:
    """`8 s`, `3 min 20 s` or `2 h 5 min`, rounded up."""
    whole = math.ceil(secs)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class _LiveLine:
    """A line on a terminal that stays below whatever else is printed, and is removed at the end."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console(file=stream)
        redirects = sys.stdout.isatty()
        self._live = Live("", console=self._console, transient=True, redirect_stdout=redirects)

    def __enter__(self) -> _LiveLine:
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def show(self, text: str) -> None:
        """Replaces the line."""
        from rich.text import Text

        self._live.update(Text(text, no_wrap=True, overflow="ellipsis"))

    def above(self, text: str) -> None:
        """Prints a line that stays, in place of the live one."""
        self._live.update("")
        self._console.print(text, markup=False, highlight=False)
