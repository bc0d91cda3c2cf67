"""Saves in a thread of its own, while training goes on: one save at a time."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor

from trainer.estimator.graph.inside.modes import eager_in_thread
from trainer.estimator.saving.saver import Saver
from trainer.estimator.saving.slices import Snapshot

_NICENESS = 5


class BackgroundSaver:
    """Has a `Saver` save snapshots.

    Args:
      saver: which nobody else uses while a save is under way.

    Attributes:
      step: of the save that is under way, or of which nobody has asked how it went; None where there is none.
    """

    def __init__(self, saver: Saver) -> None:
        self._saver = saver
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="saving", initializer=_give_way)
        self._saving: Future[None] | None = None
        self.step: int | None = None

    def begin(self, step: int, snapshot: Snapshot, now: float) -> None:
        """Begins a save, after the one before was finished.

        Args:
          step: the global step.
          snapshot: what to save.
          now: the time in seconds.
        """
        assert self._saving is None  # callers have finished it
        self.step, self._saving = step, self._thread.submit(self._save, step, snapshot, now)

    def _save(self, step: int, snapshot: Snapshot, now: float) -> None:
        with eager_in_thread():
            self._saver.save(step, snapshot, now)

    @property
    def is_writing(self) -> bool:
        """Whether there is something to wait for."""
        return self._saving is not None and not self._saving.done()

    def finish(self) -> None:
        """Waits until the save that was begun is made; raises what it raised."""
        saving, self._saving, self.step = self._saving, None, None
        if saving is not None:
            saving.result()

    def close(self) -> None:
        """Saves no more; waits for what is under way."""
        self._thread.shutdown()


def _give_way() -> None:
    """Lets the threads that train have the processors first. Elsewhere a thread has no priority of its own."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
