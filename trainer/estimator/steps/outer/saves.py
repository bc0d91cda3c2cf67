"""The saves of one training: when they are due, and what listens to them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trainer.estimator.contract.hooks import CheckpointSaverListener
from trainer.estimator.saving import slices
from trainer.estimator.saving.background_saver import BackgroundSaver
from trainer.estimator.saving.saver import Saver
from trainer.estimator.steps.outer.save_listeners import SaveListeners
from trainer.estimator.steps.outer.save_trouble import SaveTrouble
from trainer.estimator.steps.steps import KeptStep
from trainer.estimator.steps.timing.cadence import Cadence, SaveSchedule

_LAST_TRIES, _BETWEEN_SECS = 12, 5.0
"""How often the last save is tried again while there is no room for it, and the time between: a minute in all."""


class Saves:
    """Saves of one training.

    The first and the last one are made while training waits, and so is one that a listener has to hear of before the
    next step. All others are written beside the steps that follow; whoever saves next waits for them.

    Args:
      saver: writes checkpoints; None saves nothing, whatever is due.
      cadence: how often.
      listeners: around each save.
      start: the global step that training begins at, from which a cadence in steps counts.
      now: seconds, from which a cadence in seconds counts.

    Attributes:
      listeners: of each save.
      schedule: when one is due.
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
        self._wait, self._has_ended = wait, False
        self._saver, self.listeners = saver, SaveListeners(listeners)
        self.schedule = SaveSchedule(cadence, start, saved_at=now, tried=start)
        self._beside = None if saver is None else BackgroundSaver(saver)
        self._trouble = SaveTrouble(None if saver is None else saver.store)
        self.last_step: int | None = None

    @property
    def on(self) -> bool:
        """Whether anything is saved at all."""
        return self._saver is not None

    def training_ended(self, step: int) -> bool:
        """After the last step; returns whether that is still to be saved."""
        self._has_ended = True
        self.listeners.training_ended()
        arrived = self.arrived(wait=True)
        if arrived is not None:
            self.listeners.after_save(arrived)
        return self.last_step != step

    def close(self) -> None:
        """However training ended: what is being written is written to its end."""
        if self._beside is None:
            return
        if self._beside.step is not None:
            with contextlib.suppress(Exception):  # training ended by an error of its own, which says more
                self.training_ended(self._beside.step)
        self._beside.close()

    def save(self, step: int, tensors: Mapping[str, Any], now: float, *, at_once: bool = False) -> bool:
        """Saves, after the save before has arrived; listeners hear of it before.

        A disk that is full, or away, does not end a training that has saved before: what it learns meanwhile is lost
        only if there is still no room at the end. The last save is tried for a minute.

        Args:
          step: the global step.
          tensors: what to save, by name.
          now: seconds.
          at_once: training waits for it.

        Returns:
          Whether the checkpoint is there; otherwise it is being written, or could not be.
        """
        assert self._saver is not None and self._beside is not None  # callers look at `on` first
        self.listeners.before_save(step)
        self.schedule.saved_at, self.schedule.tried = now, step
        if self.last_step is not None:
            self._trouble.look_for_directory()
        at_once = at_once or self._has_ended or self.last_step is None
        if not at_once and not self.listeners.wait_for(step):
            snapshot = slices.snapshot(tensors)
            if snapshot is not None:
                self._beside.begin(step, snapshot, now)
                return False
        return self._save_at_once(step, tensors, now)

    def _save_at_once(self, step: int, tensors: Mapping[str, Any], now: float) -> bool:
        assert self._saver is not None
        for tries in range(1, (_LAST_TRIES if self._has_ended else 1) + 1):
            try:
                self._saver.save(step, tensors, now)
            except Exception as error:
                self._bear(error, step, tries)
                if self._has_ended:
                    self._wait(_BETWEEN_SECS)
            else:
                self._note_saved(step)
                return True
        return False

    def arrived(self, *, wait: bool = False) -> int | None:
        """The step whose checkpoint, written beside the training, is there now; None where no new one is.

        Args:
          wait: until what is being written is there.
        """
        if self._beside is None or self._beside.step is None or (self._beside.is_writing and not wait):
            return None
        step = self._beside.step
        try:
            self._beside.finish()
        except Exception as error:
            self._bear(error, step, tries=1)
            return None
        self._note_saved(step)
        return step

    def _bear(self, error: Exception, step: int, tries: int) -> None:
        last_good = None if self.last_step is None else self._last_saved()
        self._trouble.bear(error, step, last_good, tries=tries, most_tries=_LAST_TRIES if self._has_ended else None)

    def _note_saved(self, step: int) -> None:
        self._trouble.is_over(step)
        self.last_step = step

    def rescue(self, kept: KeptStep | None, now: float) -> None:
        """Saves what is known of a training that was cut off. Nobody evaluates it: others wait for this process.

        Args:
          kept: the last step that is known; None for none.
          now: seconds.
        """
        self.arrived(wait=True)
        if kept is not None and self.on and kept.step > (self.last_step or self.schedule.start):
            self.save(kept.step, kept.tensors, now, at_once=True)

    def last_good(self) -> str:
        """Where the last checkpoint is, in words, after what is being written."""
        self.arrived(wait=True)
        return self._last_saved()

    def _last_saved(self) -> str:
        if self._saver is None or self.last_step is None:
            return "no checkpoint was saved"
        return f"the last good checkpoint is model.ckpt-{self.last_step} in {self._saver.store.path}"
