"""What a sweep shows while it runs: a live table on a terminal, else a line for each event."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TextIO

from trainer.job.score_table import figure
from trainer.launch.console import Console
from trainer.launch.study.parameter import Value
from trainer.launch.study.study import Study
from trainer.launch.sweep.evaluations import loss
from trainer.launch.sweep.progress import Progress
from trainer.launch.sweep.trial_records import Outcome, TrialRecord

if TYPE_CHECKING:
    from rich.table import Table

_MOST_ROWS = 16
_REDRAW_SECS = 0.25
_COLOURS = {None: "cyan", Outcome.DONE: "default", Outcome.STOPPED: "yellow", Outcome.FAILED: "red"}


class View(Protocol):
    """Where a sweep shows what happens. `closed` is set when its reader is gone."""

    closed: bool

    def event(self, secs: float, text: str) -> None:
        """Shows an event, `secs` after the start."""

    def show(self, progress: Progress) -> None:
        """Shows how far the study is."""

    def close(self) -> None:
        """Stops showing anything."""


class Lines(Console):
    """Plain lines."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream, [], colour=False)

    def show(self, progress: Progress) -> None:
        """Plain lines show events only."""

    def close(self) -> None:
        """Nothing is open."""


class LiveTable:
    """A table that is redrawn a few times a second, below the events."""

    closed = False

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console as RichConsole
        from rich.console import Group
        from rich.live import Live

        self._group = Group
        self._console = RichConsole(file=stream)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._live.start()
        self._drawn_at = 0.0

    def event(self, secs: float, text: str) -> None:
        self._console.print(f"{secs:8.1f} s  {text}", markup=False, highlight=False)

    def show(self, progress: Progress) -> None:
        if time.monotonic() - self._drawn_at >= _REDRAW_SECS:
            self._drawn_at = time.monotonic()
            self._live.update(self._group(headline(progress), table(progress)), refresh=True)

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._live.stop()


def table(progress: Progress) -> Table:
    """The running trials, and the best of the others."""
    from rich.table import Table
    from rich.text import Text  # which takes brackets as they are

    study = progress.study
    drawn = Table(box=None, pad_edge=False)
    drawn.add_column("trial", justify="right")
    drawn.add_column("state")
    for parameter in study.parameters:
        drawn.add_column(Text(parameter.name), justify="right")
    for name in ("step", study.metric, "seconds"):
        drawn.add_column(Text(name), justify="right")
    best = progress.best
    for trial in _rows(study, progress.trials):
        style = "bold green" if best is not None and trial.number == best.number else _COLOURS[trial.outcome]
        drawn.add_row(*map(Text, _cells(study, trial, progress.now)), style=style)
    return drawn


def headline(progress: Progress) -> str:
    """`7 of 20 trials · 2 under way · best accuracy 0.93 (trial 4) · about 1 min 10 s left`."""
    ended = len(progress.trials) - progress.count(None)
    parts = [f"{ended} of {progress.study.max_trials} trials", f"{progress.count(None)} under way"]
    for outcome in (Outcome.STOPPED, Outcome.FAILED):
        if progress.count(outcome):
            parts.append(f"{progress.count(outcome)} {outcome.value}")
    best = progress.best
    if best is not None:
        parts.append(f"best {progress.study.metric} {figure(best.value)} (trial {best.number})")
    left = progress.secs_left
    if left is not None and ended < progress.study.max_trials:
        parts.append(f"about {duration(left)} left")
    return " · ".join(parts)


def duration(secs: float) -> str:
    """`48 s`, `3 min 20 s` or `2 h 05 min`."""
    whole = round(secs)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def settings(trial: TrialRecord) -> str:
    """`learning_rate=0.01, optimizer=adam`."""
    return ", ".join(f"{name}={shown(value)}" for name, value in trial.assignment.items())


def shown(value: Value) -> str:
    """A value of a parameter, for people."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else figure(value)
    return str(value)


def _rows(study: Study, trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    under_way = [trial for trial in trials if trial.outcome is None]
    valued = [trial for trial in trials if trial.outcome is not None and trial.value is not None]
    valued.sort(key=lambda trial: loss(trial.value or 0.0, study.goal))
    failed = [trial for trial in trials if trial.outcome is Outcome.FAILED]
    return [*under_way, *[*valued, *failed][: max(_MOST_ROWS - len(under_way), 3)]]


def _cells(study: Study, trial: TrialRecord, now: float) -> list[str]:
    last = trial.evaluations[-1] if trial.evaluations else None
    value = trial.value if trial.value is not None else last.value if last else None
    secs = trial.secs if trial.secs is not None else now - trial.started_at
    return [
        str(trial.number),
        trial.outcome.value if trial.outcome else "runs",
        *(shown(trial.assignment[entry.name]) if entry.name in trial.assignment else "" for entry in study.parameters),
        trial.step or (f"{last.step:,}" if last else ""),
        figure(value),
        f"{secs:.1f}",
    ]
