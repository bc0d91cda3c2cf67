"""The evaluator's role: follows the checkpoints of a training in other processes.

It evaluates each checkpoint once, across its own restarts, and exports it. It ends when training has ended, for
whatever reason, and the last checkpoint is evaluated. Its record, `evaluator.json`, tells the chief which checkpoint is
being read, so that it stays, and what the last evaluation gave. While the evaluator waits it writes the record again
every few seconds, and says there when it leaves. So a chief whose evaluator is gone, because an earlier run of the job
failed, knows it and evaluates by itself.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from trainer.estimator.evaluation.evaluations import Evaluations
from trainer.estimator.saving.checkpoints import step_of
from trainer.estimator.saving.coordination_files import EVALUATOR, TRAINING_DONE, read_record, write_record
from trainer.estimator.saving.job_directory import JobDirectory
from trainer.estimator.saving.verification import DamagedCheckpointError
from trainer.estimator.steps.timing.stop import Stop, StopRequestedError

log = logging.getLogger("trainer")

_POLL_SECS = 0.5
_DOUBT_SECS = 60.0
"""How long a record of ended training that is there from the start may be one of an earlier training."""
_BEAT_SECS = 10.0
_SILENT_SECS = 60.0
"""An evaluator that waits, and has not written its record for so long, is gone."""


class Follower:
    """Evaluates checkpoints as they appear.

    Args:
      evaluations: what to do with a checkpoint.
      start_delay_secs: before the first evaluation.
      throttle_secs: the least time between the beginnings of two evaluations.
      max_steps: the global step that the training ends at; None where the data say when.
      stop: where anything outside asks for the end.
      wait: waits some seconds; the clock's other half.
    """

    def __init__(
        self,
        evaluations: Evaluations,
        start_delay_secs: float,
        throttle_secs: float,
        max_steps: int | None,
        stop: Stop,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._evaluations, self._delay, self._throttle = evaluations, start_delay_secs, throttle_secs
        self._max_steps, self._stop, self._wait, self._waited = max_steps, stop, wait, 0.0
        self._estimator = evaluations.estimator
        self._directory = self._estimator.directory
        self._found_at_start = read_record(self._directory, TRAINING_DONE)
        earlier = read_record(self._directory, EVALUATOR)
        self._evaluated: int | None = earlier.get("global_step")
        self._finished = bool(earlier.get("final"))
        self._metrics: Mapping[str, Any] = earlier.get("metrics", {})
        self._written = 0.0
        self._said = ""

    def follow(self) -> None:
        """Evaluates until training has ended and its last checkpoint is evaluated, or a stop is asked for."""
        self._write(reading=None)
        self._pause(self._delay)
        while not self._stop:
            done = self._done()
            latest = self._latest(done)
            if latest is not None and step_of(latest) != self._evaluated:
                if self._evaluate(latest, final=self._is_last(latest, done)):
                    self._pause(self._throttle - self._evaluations.secs_since_last())
            elif done is not None or self._is_at_max_steps(latest):
                self._finish(latest)
                return
            else:
                self._rest(_POLL_SECS)

    def _rest(self, secs: float) -> None:
        self._wait(secs)
        self._waited += secs
        if self._waited - self._written >= _BEAT_SECS:
            self._write(reading=None)

    def _done(self) -> Mapping[str, Any] | None:
        """The record of the ended training; None for one that an earlier training may have left.

        A training that resumes removes the record when it begins, which may be a while after this process did.
        """
        done = read_record(self._directory, TRAINING_DONE)
        if not done:
            return None
        if self._max_steps is not None and done["reason"] == "max_steps":
            return done if done["global_step"] >= self._max_steps else None
        return None if done == self._found_at_start and self._waited < _DOUBT_SECS else done

    def _is_last(self, latest: str, done: Mapping[str, Any] | None) -> bool:
        if done is not None:
            return done.get("checkpoint") == os.path.basename(latest)
        return self._is_at_max_steps(latest)

    def _is_at_max_steps(self, latest: str | None) -> bool:
        """Whether no checkpoint will follow, recorded or not: plain `train` calls leave no record of their end."""
        return latest is not None and self._max_steps is not None and step_of(latest) >= self._max_steps

    def _pause(self, secs: float) -> None:
        """Waits, but not beyond the end of training."""
        while secs > 0 and not self._stop and not self._has_ended():
            self._rest(min(secs, _POLL_SECS))
            secs -= _POLL_SECS

    def _has_ended(self) -> bool:
        done = self._done()
        return done is not None or self._is_at_max_steps(self._latest(done))

    def _latest(self, done: Mapping[str, Any] | None) -> str | None:
        """The newest whole checkpoint; None where there is none yet: while training runs, it may save another one."""
        try:
            return self._estimator.latest_checkpoint()
        except DamagedCheckpointError as error:
            if done is not None:
                raise
            if str(error) != self._said:
                log.warning("%s; waiting for another one.", error.got)
            self._said = str(error)
            return None

    def _evaluate(self, checkpoint: str, final: bool) -> bool:
        """Evaluates a checkpoint, which is kept meanwhile; False where it was deleted before that was known."""
        name = os.path.basename(checkpoint)
        self._write(reading=name)
        try:
            self._evaluations.evaluate(final, checkpoint)
        except StopRequestedError:  # it is evaluated by the next evaluator
            self._write(reading=None)
            return True
        except Exception:
            if self._directory.checkpoints.has_files(name):
                raise
            log.warning("%s was deleted before it was evaluated; going on with a newer one.", checkpoint)
            return False
        self._evaluated, self._finished = step_of(checkpoint), final
        self._metrics = self._evaluations.metrics or {}
        self._write(reading=None)
        return True

    def _finish(self, latest: str | None) -> None:
        if latest is not None and not self._finished:
            if self._evaluations.checkpoint is None:
                self._evaluations.recall(latest, self._metrics)
            self._evaluations.finish()
            self._finished = True
        self._write(reading=None, left=True)

    def _write(self, reading: str | None, left: bool = False) -> None:
        self._written = self._waited
        record = {"reading": reading, "left": left, **_result(self._evaluated, self._finished, self._metrics)}
        write_record(self._directory, EVALUATOR, record)


def _result(step: int | None, final: bool, metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {"at": time.time(), "global_step": step, "final": final, "metrics": metrics}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Awaited:
    """What came of waiting for the evaluator.

    Attributes:
      metrics: of the last checkpoint; None when they did not come.
      gone: whether nobody is there any more to give them.
    """

    metrics: dict[str, Any] | None = None
    gone: bool = False


def wait_for_last(
    directory: JobDirectory, step: int, secs: float, wait: Callable[[float], None] = time.sleep
) -> Awaited:
    """Waits for the evaluation of the last checkpoint, as long as an evaluator may still give it.

    Args:
      directory: of the job.
      step: of the last checkpoint.
      secs: the longest wait.
      wait: waits some seconds.
    """
    waited = changed = 0.0
    seen: dict[str, Any] = {}
    while waited < secs:
        record = read_record(directory, EVALUATOR)
        if record.get("final") and record.get("global_step") == step:
            return Awaited(metrics=dict(record["metrics"]))
        if record != seen:
            seen, changed = record, waited
        if _is_gone(record, waited - changed):
            return Awaited(gone=True)
        wait(_POLL_SECS)
        waited += _POLL_SECS
    if not seen:
        return Awaited(gone=True)
    log.warning("The evaluator has not evaluated step %d in time, so the job ends without its metrics.", step)
    return Awaited()


def _is_gone(record: Mapping[str, Any], silent_secs: float) -> bool:
    """Whether the evaluator of a record is known to give no further one.

    How long it was silent is measured here, by changes of the record: clocks of two machines may differ. One that reads
    a checkpoint is silent meanwhile, and one without a record may still start.
    """
    if not record or record.get("reading"):
        return False
    return bool(record.get("left")) or silent_secs >= _SILENT_SECS


def stand_in(evaluations: Evaluations) -> None:
    """Does what an evaluator that is gone has left: evaluates the last checkpoint, if that was not, and exports.

    The record says so to an evaluator that comes back.
    """
    estimator = evaluations.estimator
    latest, known = estimator.latest_checkpoint(), read_record(estimator.directory, EVALUATOR)
    if latest is None:
        return
    step = step_of(latest)
    log.warning("The evaluator is gone, so the chief evaluates step %d and exports it itself.", step)
    if known.get("global_step") == step:
        evaluations.recall(latest, known.get("metrics", {}))
    evaluations.finish()
    record = {"reading": None, "left": True, **_result(step, True, evaluations.metrics or {})}
    write_record(estimator.directory, EVALUATOR, record)
