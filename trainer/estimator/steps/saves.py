"""The saves of one training: when they are due, and what listens to them."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trainer.estimator.contract.hooks import CheckpointSaverListener, LastSaveListener, tell
from trainer.estimator.saving.saver import Saver
from trainer.estimator.steps.cadence import Cadence, steps_to
from trainer.estimator.steps.steps import KeptStep
from trainer.job import system_errors
from trainer.job.system_errors import Kind, Trouble

log = logging.getLogger("trainer")

_LAST_TRIES, _BETWEEN_SECS = 12, 5.0
"""How often the last save is tried again while there is no room for it, and the time between: a minute in all."""


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
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self._wait, self._has_ended, self._failing = wait, False, False
        self._saver, self._cadence, self._listeners = saver, cadence, listeners
        self._start, self._saved_at, self._tried = start, now, start
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
        self._has_ended = True
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
        every = self._cadence.save_steps
        return every is not None and (step - self._start) // every > (self._tried - self._start) // every

    def save(self, step: int, tensors: Mapping[str, Any], now: float) -> bool:
        """Saves; listeners hear of it before.

        A disk that is full, or away, does not end a training that has saved before: what it learns meanwhile is lost
        only if there is still no room at the end. The last save is tried for a minute.

        Args:
          step: the global step.
          tensors: what to save, by name.
          now: seconds.

        Returns:
          Whether it was saved.
        """
        assert self._saver is not None  # callers look at `on` first
        for listener in self._listeners:
            tell(listener.before_save, step)
        self._saved_at, self._tried = now, step
        self._look_for_directory()
        for tries in range(1, (_LAST_TRIES if self._has_ended else 1) + 1):
            try:
                self._saver.save(step, tensors, now)
            except Exception as error:
                trouble = system_errors.of(error, self._saver.store.local)
                if not self._can_wait(trouble, tries):
                    raise
                if tries == 1:
                    self._warn(step, trouble)
                if self._has_ended:
                    self._wait(_BETWEEN_SECS)
            else:
                self._note_saved(step)
                return True
        return False

    def _look_for_directory(self) -> None:
        """Says so where somebody deleted the directory: it is made again, with less in it than there was."""
        assert self._saver is not None
        store = self._saver.store
        if self.last_step is not None and not os.path.isdir(store.local):
            log.error(
                "%s was deleted, with all checkpoints in it. Training continues, and saves there again.", store.path
            )

    def _can_wait(self, trouble: Trouble | None, tries: int) -> bool:
        """Whether a save may be left for later: something is saved, and the trouble may pass before the end."""
        if trouble is None or not trouble.kind.passes or self.last_step is None:
            return False
        return not self._has_ended or (tries < _LAST_TRIES and trouble.kind is not Kind.TOO_LARGE)

    def _warn(self, step: int, trouble: Trouble | None) -> None:
        self._failing = True
        until = "It is tried for a minute" if self._has_ended else "Training continues, and the next save tries again"
        do = trouble.kind.do if trouble else ""
        log.error("Step %s could not be saved. %s. %s; %s. %s.", f"{step:,}", trouble, until, self.last_good(), do)

    def _note_saved(self, step: int) -> None:
        if self._failing:
            log.info("Step %s is saved: it could be written again.", f"{step:,}")
        self._failing, self.last_step = False, step

    def rescue(self, kept: KeptStep | None, now: float) -> None:
        """Saves what is known of a training that was cut off. Nobody evaluates it: others wait for this process.

        Args:
          kept: the last step that is known; None for none.
          now: seconds.
        """
        if kept is not None and self.on and kept.step > (self.last_step or self._start):
            self.save(kept.step, kept.tensors, now)

    def tell_saved(self, step: int) -> bool:
        """Tells the listeners that the checkpoint is there; returns whether one asks to end training."""
        return any([tell(listener.after_save, step) for listener in self._listeners])  # a list: each one hears it

    def last_good(self) -> str:
        """Where the last checkpoint is, in words."""
        if self._saver is None or self.last_step is None:
            return "no checkpoint was saved"
        return f"the last good checkpoint is model.ckpt-{self.last_step} in {self._saver.store.path}"
