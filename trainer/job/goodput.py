"""Goodput: how much of a job's time made steps that count, and what the rest went into, across restarts.

The words are those of Google's ml-goodput-measurement (github.com/AI-Hypercomputer/ml-goodput-measurement), which
measures jobs on TPUs: goodput is the share of the elapsed time that made productive progress which was preserved; the
rest is badput, by its cause. A step that is lost with its process and made again counts once: the time that it took
first is `lost`.

    process 1   startup  compile  progress  save  progress   killed
    process 2                                                   idle   startup  compile  progress
                                            └ the checkpoint that it resumes from: this progress is lost

Within a process time is counted on a clock that only grows. Between processes it is the wall clock's, so that a clock
which was set back counts as no time at all.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import enum
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any


class Activity(enum.StrEnum):
    """What the time of a job goes into."""

    PROGRESS = "progress"
    """Steps that count."""
    STARTUP = "startup"
    """From the start of the process to its first step: imports, the data's description, tracing, restoring."""
    COMPILE = "compile"
    """What first calls took longer than later ones, and the wait for XLA."""
    INPUT = "input"
    """The wait for the next batches."""
    SAVE = "save"
    EVALUATE = "evaluate"
    EXPORT = "export"
    LOST = "lost"
    """Steps that were made after the checkpoint which a later process resumed from."""
    IDLE = "idle"
    """From the last sign of a process to the start of the next one."""
    OTHER = "other"
    """Hooks, summaries, listeners, and the end of the run."""


Seconds = Mapping[Activity, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tally:
    """What a job has spent its time on up to a moment.

    Attributes:
      at: the moment, in seconds since 1970.
      step: the global step.
      secs: seconds of all processes so far, by activity.
      restarts: processes so far that resumed from a checkpoint, or from nothing, of one that did not end by itself.
      lost_steps: steps that were made and not kept.
    """

    at: float
    step: int = 0
    secs: Seconds = dataclasses.field(default_factory=dict)
    restarts: int = 0
    lost_steps: int = 0

    @property
    def total_secs(self) -> float:
        """Of all activities."""
        return sum(self.secs.values())

    @property
    def goodput(self) -> float | None:
        """The share of the time that made steps that count, from 0 to 1; None before there was any time."""
        total = self.total_secs
        return self.secs.get(Activity.PROGRESS, 0.0) / total if total > 0 else None

    def record(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "at": round(self.at, 3),
            "step": self.step,
            "secs": {activity.value: round(secs, 3) for activity, secs in self.secs.items()},
            "restarts": self.restarts,
            "lost_steps": self.lost_steps,
        }

    @classmethod
    def of_record(cls, record: Any) -> Tally:
        """From what `record` gives. Raises ValueError, TypeError or KeyError where it is something else."""
        secs = {Activity(name): float(value) for name, value in dict(record["secs"]).items()}
        counts = {name: int(record[name]) for name in ("step", "restarts", "lost_steps")}
        return cls(at=float(record["at"]), secs=secs, **counts)


@dataclasses.dataclass(frozen=True, kw_only=True)
class History:
    """What the processes of a job left of their time.

    Attributes:
      saves: the tallies at the last checkpoints, oldest first.
      now: the last tally of all; None before there was one.
      ended: whether the last process ended by itself, with nothing left to do.
    """

    saves: Sequence[Tally] = ()
    now: Tally | None = None
    ended: bool = False


def resumed(history: History, step: int, started_at: float, last_sign: float) -> Tally:
    """What a process begins with that resumes at a step: the tally of the job up to the start of the process.

    What happened between the checkpoint and the end of the process before is counted as it was recorded, its progress
    as lost; what was recorded no longer, as lost too up to the last sign of that process.

    Args:
      history: of the earlier processes.
      step: of the checkpoint that it resumes from; 0 without one.
      started_at: of this process, in seconds since 1970.
      last_sign: when an earlier process was last known to be alive; where it is not known, anything earlier.
    """
    if history.now is None:
        return Tally(at=started_at, step=step)
    now = history.now
    if history.ended and now.step == step:
        return dataclasses.replace(now, at=started_at)  # it was finished: what lies between is nobody's time
    saved = _at_checkpoint(history, step)
    secs = collections.defaultdict(float, now.secs)
    lost = max(now.secs.get(Activity.PROGRESS, 0.0) - saved.secs.get(Activity.PROGRESS, 0.0), 0.0)
    secs[Activity.PROGRESS] -= lost
    alive_until = min(max(last_sign, now.at), max(started_at, now.at))
    secs[Activity.LOST] += lost + alive_until - now.at
    secs[Activity.IDLE] += max(started_at - alive_until, 0.0)
    return Tally(
        at=started_at,
        step=step,
        secs=dict(secs),
        restarts=now.restarts + 1,
        lost_steps=now.lost_steps + max(now.step - step, 0),
    )


def _at_checkpoint(history: History, step: int) -> Tally:
    """The tally at the checkpoint of a step.

    Where the process was ended between writing the checkpoint and the tally, as many steps count as it made at the
    speed of those before.
    """
    assert history.now is not None
    known = [*history.saves, history.now]
    exact = next((tally for tally in reversed(known) if tally.step == step), None)
    if exact is not None:
        return exact
    before = max((tally for tally in known if tally.step < step), key=lambda tally: tally.step, default=None)
    if before is None:
        return Tally(at=0.0)
    progress = before.secs.get(Activity.PROGRESS, 0.0)
    progress += (step - before.step) * progress / max(before.step, 1)
    return dataclasses.replace(before, step=step, secs={**before.secs, Activity.PROGRESS: progress})


@dataclasses.dataclass
class FirstCall:
    """The first device call of a process, which compiles: how long it would have taken later is progress.

    Attributes:
      steps: that it made.
      secs: that it took; 0 before there was one.
      later_steps: made by the calls after it.
    """

    steps: int = 0
    secs: float = 0.0
    later_steps: int = 0

    def settled(self, progress_secs: float) -> tuple[float, float]:
        """The seconds of progress and those of compiling in the first call.

        Args:
          progress_secs: of the calls after it.
        """
        rate = progress_secs / self.later_steps if self.later_steps else 0.0
        progress = min(self.secs, self.steps * rate)
        return progress, self.secs - progress


class TimeAccount:
    """The time of one process, by what it goes into; of activities within each other, the innermost counts.

    It belongs to the thread that trains. What other threads do beside it takes none of its time.

    Args:
      clock: seconds that only grow.

    Attributes:
      before: the tally of the job up to the start of this process.
      is_recorded: whether it is kept for the next process, so that TensorBoard shows that of the whole job.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.before, self.is_recorded = Tally(at=0.0), False
        self._clock = clock
        self._secs: collections.defaultdict[Activity, float] = collections.defaultdict(float)
        self._outermost = self._current = Activity.STARTUP
        self._since = clock()
        self._first = FirstCall()

    def began(self, secs_ago: float) -> None:
        """Says how long ago the process began: all of that was its start."""
        self._secs.clear()
        self._secs[Activity.STARTUP] = secs_ago
        self._since = self._clock()

    @contextlib.contextmanager
    def spent(self, activity: Activity) -> Iterator[None]:
        """Within it the time goes into an activity."""
        outer = self._switch(activity)
        try:
            yield
        finally:
            self._switch(self._outermost if outer is Activity.STARTUP else outer)

    @contextlib.contextmanager
    def call(self) -> Iterator[None]:
        """Around a device call. The first one ends the start of the process."""
        self._outermost = Activity.OTHER
        first = not self._first.secs
        before = self._secs[Activity.PROGRESS]
        with self.spent(Activity.PROGRESS):
            yield
        if first:
            self._first.secs = self._secs[Activity.PROGRESS] - before
            self._secs[Activity.PROGRESS] = before

    def made(self, steps: int) -> None:
        """Says how many steps the last call made."""
        if not self._first.steps:
            self._first.steps = steps
        else:
            self._first.later_steps += steps

    def counted(self, activity: Activity) -> float:
        """The seconds of this process that were counted for an activity, up to its last change."""
        return self._secs.get(activity, 0.0)

    def of_process(self) -> dict[Activity, float]:
        """The seconds of this process up to now, by activity."""
        self._switch(self._current)
        progress, compiling = self._first.settled(self._secs[Activity.PROGRESS])
        secs = {activity: self._secs.get(activity, 0.0) for activity in Activity}
        secs[Activity.PROGRESS] += progress
        secs[Activity.COMPILE] += compiling
        return secs

    def tally(self, step: int, at: float) -> Tally:
        """Of the whole job up to now.

        Args:
          step: the global step.
          at: the time in seconds since 1970.
        """
        secs = {activity: self.before.secs.get(activity, 0.0) + own for activity, own in self.of_process().items()}
        return dataclasses.replace(self.before, at=at, step=step, secs=secs)

    def _switch(self, activity: Activity) -> Activity:
        """From now on the time goes into another activity; returns the one before."""
        now, earlier = self._clock(), self._current
        self._secs[earlier] += now - self._since
        self._since, self._current = now, activity
        return earlier
