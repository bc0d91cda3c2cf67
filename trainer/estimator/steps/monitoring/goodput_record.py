"""`goodput.json`: what a job has spent its time on, kept in its directory across restarts.

It is written after each save, beside files that are written then anyway, and on disks every few seconds besides. So
what a kill keeps from being recorded is little, and `job.goodput` says what is taken of it.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any

from trainer import storage
from trainer.estimator.contract.hooks import PatientListener, RunContext, RunValues, TrainingHook
from trainer.estimator.saving.job_directory import JobDirectory
from trainer.job import goodput, records
from trainer.job.errors import JobError
from trainer.job.goodput import History, Tally, TimeAccount
from trainer.job.records import DamagedRecordError

GOODPUT = "goodput.json"
_KEPT_SAVES = 20
_EVERY_SECS, _SHARE = 3.0, 0.01
"""How long between two writings at the least, and the most of the time that they may take."""

log = logging.getLogger("trainer")


class GoodputRecord(TrainingHook, PatientListener):
    """Records the time of the process that owns a job's directory: a hook of its training and a listener of its saves.

    Args:
      directory: of the job.
      account: of this process.
      clock: seconds since 1970.
    """

    every_n_steps = None

    def __init__(self, directory: JobDirectory, account: TimeAccount, clock: Callable[[], float] = time.time) -> None:
        self._directory, self._account, self._clock = directory, account, clock
        self._history, self._last_sign, self._due_at = History(), 0.0, 0.0
        account.is_recorded = True
        self._step: int | None = None  # None until this process has resumed
        self._at_save = Tally(at=0.0)

    def begin(self, *_: Any) -> None:
        """Reads what earlier processes left, before this one writes anything."""
        if self._step is None:
            self._history = read(self._directory)
            self._last_sign = _last_sign(self._directory)

    def before_run(self, run_context: RunContext) -> None:
        self._resume(run_context.global_step)

    def after_run(self, run_context: RunContext, run_values: RunValues) -> None:
        self._step = run_values.global_step
        # In a bucket each writing is a request, so there only saves are recorded.
        if self._directory.synced is None and self._clock() >= self._due_at:
            self._write()

    def before_save(self, global_step_value: int) -> None:
        """Counts up to the step that is saved: when the checkpoint is there, further ones may have been made."""
        self._resume(global_step_value)
        self._step = global_step_value
        self._at_save = self.tally()

    def after_save(self, global_step_value: int) -> None:
        saves = [save for save in self._history.saves if save.step < global_step_value]
        self._history = History(saves=[*saves, self._at_save][-_KEPT_SAVES:])
        self._write()

    def end(self, *_: Any) -> None:
        """Nothing: `ended` says more."""

    def ended(self, *, well: bool) -> None:
        """Records the end of the process, if it made steps; not well where another has to go on."""
        if self._step is not None:
            self._write(ended=well)

    def tally(self) -> Tally:
        """Of the job up to now."""
        return self._account.tally(self._step or 0, self._clock())

    def _resume(self, step: int) -> None:
        if self._step is not None:
            return
        self._step = step
        now = self._account.tally(step, self._clock())
        started_at = now.at - now.total_secs
        self._account.before = goodput.resumed(self._history, step, started_at, self._last_sign)

    def _write(self, *, ended: bool = False) -> None:
        now = self.tally()
        record = {"now": now.record(), "ended": ended, "saves": [save.record() for save in self._history.saves]}
        with contextlib.suppress(OSError, JobError):  # whoever writes what matters says that nothing can be written
            content = records.text(records.sealed(records.strict(record)))
            self._directory.records.write(GOODPUT, content.encode())
        self._due_at = self._clock() + max(_EVERY_SECS, (self._clock() - now.at) / _SHARE)


def read(directory: JobDirectory) -> History:
    """What a job's directory holds; nothing where there is no record, or one that cannot be read."""
    content = directory.records.read(GOODPUT)
    if content is None:
        return History()
    try:
        record = records.parsed(content, storage.join(directory.path, GOODPUT), {"saves": list, "now": dict})
        saves = [Tally.of_record(save) for save in record["saves"]]
        return History(saves=saves, now=Tally.of_record(record["now"]), ended=record["ended"] is True)
    except (DamagedRecordError, ValueError, TypeError, KeyError) as error:
        log.info("%s in %s is not a record of ours (%s): goodput is counted anew.", GOODPUT, directory.path, error)
        return History()


def _last_sign(directory: JobDirectory) -> float:
    """When a process that trains last wrote an event there, in seconds since 1970; 0.0 where none did."""
    with contextlib.suppress(OSError, JobError):
        events = storage.entries(storage.join(storage.escaped(directory.path), "events.out*"))
        return max((entry.updated for entry in events), default=0.0)
    return 0.0
