"""How often things happen between device calls, and how long a call may be so that nothing is kept waiting."""

from __future__ import annotations

import dataclasses

from trainer.estimator.contract.run_config import RunConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cadence:
    """How often things happen, in steps or seconds; None for never.

    Attributes:
      save_steps: steps between checkpoints.
      save_secs: seconds between checkpoints.
      summary_steps: steps between summaries, from the first step on.
      log_steps: steps between reports of the speed, from the first step on.
    """

    save_steps: int | None = None
    save_secs: float | None = None
    summary_steps: int | None = None
    log_steps: int | None = None

    @classmethod
    def of(cls, config: RunConfig) -> Cadence:
        """That of a run's settings."""
        return cls(
            save_steps=config.save_checkpoints_steps,
            save_secs=config.save_checkpoints_secs,
            summary_steps=config.save_summary_steps,
            log_steps=config.log_step_count_steps,
        )


def steps_to(step: int, origin: int, every: int | None) -> int | None:
    """Steps to the next time that something is due: at origin, origin + every, …

    Args:
      step: the global step now.
      origin: the first step at which it is due.
      every: steps between the times; None or 0 for never.

    Returns:
      1 or more; None for never.
    """
    if not every:
        return None
    return origin - step if step < origin else every - (step - origin) % every


def steps_due(before: int, after: int, origin: int, every: int | None) -> range:
    """The steps of a device call at which something is due: of origin, origin + every, …

    Args:
      before: the global step before the call.
      after: the one after it.
      origin: the first step at which it is due.
      every: steps between the times; None or 0 for never.
    """
    distance = steps_to(before, origin, every)
    return range(0) if distance is None else range(before + distance, after + 1, every or 1)


@dataclasses.dataclass
class SaveSchedule:
    """When a save is due.

    Attributes:
      cadence: how often.
      start: the global step that training begins at, from which a cadence in steps counts.
      saved_at: seconds, from which a cadence in seconds counts: those of the last save that was tried.
      tried: the step of that save.
    """

    cadence: Cadence
    start: int
    saved_at: float
    tried: int

    def steps_until_due(self, step: int) -> int | None:
        """Steps until a save is due; None where steps do not decide."""
        return steps_to(step, self.start, self.cadence.save_steps)

    def due(self, step: int, now: float) -> bool:
        """Whether one is due at a step and a time, in seconds."""
        if self.cadence.save_secs is not None:
            return now - self.saved_at >= self.cadence.save_secs
        every = self.cadence.save_steps
        return every is not None and (step - self.start) // every > (self.tried - self.start) // every


@dataclasses.dataclass
class Pacer:
    """Chooses how many steps a call may make: about as many as take `target` seconds.

    Attributes:
      target: seconds.
      limit: steps that the next call may make. It grows from one, and sixteenfold at the most, since the first calls
        also compile.
    """

    target: float = 0.5
    limit: int = 1

    def observe(self, steps: int, seconds: float) -> None:
        """Learns how long a call took."""
        affordable = max(1, int(steps * self.target / max(seconds, 1e-6)))
        self.limit = min(affordable, self.limit * 16)
