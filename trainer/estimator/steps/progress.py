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

WINDOW_SECS = 30.0
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


class RecentRate:
    """Steps a second over the last half minute of the clock, saves and evaluations included."""

    def __init__(self) -> None:
        self._seen: collections.deque[tuple[float, int]] = collections.deque()

    def add(self, now: float, step: int) -> None:
        """Notes the global step that was reached at a time, in seconds."""
        self._seen.append((now, step))
        while len(self._seen) > 2 and now - self._seen[0][0] > WINDOW_SECS:
            self._seen.popleft()

    @property
    def steps_per_sec(self) -> float | None:
        """None until two calls have ended, because the first one compiles."""
        if len(self._seen) < 2 or self._seen[-1][0] <= self._seen[0][0]:
            return None
        (first_time, first_step), (last_time, last_step) = self._seen[0], self._seen[-1]
        return (last_step - first_step) / (last_time - first_time)


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
        self._recent, self._last_shown = RecentRate(), -math.inf
        self._line = self._printed = ""
        self._figures: dict[str, float | None] = {}
        self._live: Callable[[str], None] | None = None

    @contextlib.contextmanager
    def shown(self) -> Iterator[Progress]:
        """Within it a terminal shows the live line, which is removed at the end, also after an error."""
        if not self._stream.isatty():
            yield self
            return
        with _live_line(self._stream) as self._live:
            try:
                yield self
            finally:
                self._live = None

    def after_run(self, run_context: RunContext, run_values: RunValues) -> None:
        now, losses, self.global_step = self._clock(), run_values.losses, run_values.global_step
        self.speed.add(len(losses), run_values.seconds)
        self._recent.add(now, run_values.global_step)
        loss = float(losses[-1]) if len(losses) else math.nan
        speed = self._recent.steps_per_sec
        self._figures = {"step": self.global_step, "max_steps": self._max_steps, "steps_per_sec": speed, "loss": loss}
        self._line = line(run_values.global_step, self._max_steps, self._recent.steps_per_sec, loss)
        self._show(now)

    def end(self, run_context: RunContext) -> None:
        """Prints the line of the last step, if it has not been printed."""
        if self._line != self._printed:
            self._print()

    def _show(self, now: float) -> None:
        if self._live is not None:
            self._live(self._line)
        elif now - self._last_shown >= PLAIN_EVERY_SECS:
            self._last_shown = now
            self._print()

    def _print(self) -> None:
        self._printed = self._line
        json_log.say(self._line, self._stream, self._figures)


def line(step: int, max_steps: int | None, steps_per_sec: float | None, loss: float) -> str:
    """`step 1,200/2,000 (60 %) · 850 steps/s · loss 0.0123 · 1 s left`; what is not known is left out.

    Args:
      step: the global step.
      max_steps: the last one; None where it is not known.
      steps_per_sec: None where it is not known.
      loss: of the last step.
    """
    parts = [f"step {step:,}" if max_steps is None else f"step {step:,}/{max_steps:,} ({100 * step // max_steps} %)"]
    if steps_per_sec is not None:
        parts.append(f"{steps_per_sec:,.0f} steps/s" if steps_per_sec >= 10 else f"{steps_per_sec:.2g} steps/s")
    parts.append(f"loss {loss:.4g}")
    if max_steps is not None and steps_per_sec and step < max_steps:
        parts.append(f"{duration((max_steps - step) / steps_per_sec)} left")
    return " · ".join(parts)


def duration(secs: float) -> str:
    """`8 s`, `3 min 20 s` or `2 h 5 min`, rounded up."""
    whole = math.ceil(secs)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


@contextlib.contextmanager
def _live_line(stream: TextIO) -> Iterator[Callable[[str], None]]:
    """A line that stays below whatever else is printed; what it yields replaces its text."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(file=stream)
    with Live(Text(""), console=console, transient=True, redirect_stdout=sys.stdout.isatty()) as live:
        yield lambda text: live.update(Text(text, no_wrap=True, overflow="ellipsis"))
