"""The saves of one training: when they are due, and what listens to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trainer.estimator.contract.hooks import CheckpointSaverListener, LastSaveListener, tell
from trainer.estimator.saving.saver import Saver
from trainer.estimator.steps.cadence import Cadence, steps_to


class Saves:
    """Saves of one training.

    Args:
      saver: writes checkpoints; None saves nothing, whatever is due.
      cadence: how often.
      listeners: around each save.
      start: the global step that training begins at, from which a cadence in steps counts.
      now: seconds, from which a cadence in seconds counts.

    Attributes:
      last_step: the step saved last; None before the first save.
    """

    def __init__(
        self,
        saver: Saver | None,
        cadence: Cadence,
        listeners: Sequence[CheckpointSaverListener],
        start: int,
        now: float,
    ) -> None:
        self._saver, self._cadence, self._listeners = saver, cadence, listeners
        self._start, self._saved_at = start, now
        self.last_step: int | None = None

    @property
    def on(self) -> bool:
        """Whether anything is saved at all."""
        return self._saver is not None

    def begin(self) -> None:
        """Before the first step."""
        for listener in self._listeners:
            listener.begin()

    def training_ended(self, step: int) -> bool:
        """After the last step; returns whether that is still to be saved."""
        for listener in self._listeners:
            if isinstance(listener, LastSaveListener):
                listener.training_ended()
        return self.last_step != step

    def end(self, step: int) -> None:
        """After the last save."""
        for listener in self._listeners:
            tell(listener.end, step)

    def steps_until_due(self, step: int) -> int | None:
        """Steps until a save is due; None where steps do not decide."""
        return steps_to(step, self._start, self._cadence.save_steps) if self._saver else None

    def due(self, step: int, now: float) -> bool:
        """Whether one is due at a step and a time, in seconds."""
        if self._saver is None:
            return False
        if self._cadence.save_secs is not None:
            return now - self._saved_at >= self._cadence.save_secs
        every, last = self._cadence.save_steps, self._start if self.last_step is None else self.last_step
        return every is not None and (step - self._start) // every > (last - self._start) // every

    def save(self, step: int, tensors: Mapping[str, Any], now: float) -> None:
        """Saves; listeners hear of it before.

        Args:
          step: the global step.
          tensors: what to save, by name.
          now: seconds.
        """
        assert self._saver is not None  # callers look at `on` first
        for listener in self._listeners:
            tell(listener.before_save, step)
        self._saved_at = now
        self._saver.save(step, tensors, now)
        self.last_step = step

    def tell_saved(self, step: int) -> bool:
        """Tells the listeners that the checkpoint is there; returns whether one asks to end training."""
        return any([tell(listener.after_save, step) for listener in self._listeners])  # a list: each one hears it

    def last_good(self) -> str:
        """Where the last checkpoint is, in words."""
        if self._saver is None or self.last_step is None:
            return "no checkpoint was saved"
        return f"the last good checkpoint is model.ckpt-{self.last_step} in {self._saver.store.path}"
