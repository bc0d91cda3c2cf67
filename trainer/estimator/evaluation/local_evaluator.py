"""Evaluations in the process that trains, between its steps."""

from __future__ import annotations

import logging
import os

from trainer.estimator.contract.hooks import LastSaveListener
from trainer.estimator.evaluation.evaluations import Evaluations
from trainer.estimator.steps.timing.stop import StopRequestedError
from trainer.job import system_errors

log = logging.getLogger("trainer")


class LocalEvaluator(LastSaveListener):
    """Evaluates checkpoints of the training that it listens to, but for the first: that of the initial values.

    Args:
      evaluations: what to do with a checkpoint.
      max_steps: the global step that the training ends at; None where the data say when.
      throttle_secs: the least time between the beginnings of two evaluations.
    """

    def __init__(self, evaluations: Evaluations, max_steps: int | None, throttle_secs: float) -> None:
        self._evaluations, self._max_steps, self._throttle = evaluations, max_steps, throttle_secs
        self._saves, self._training_ended = 0, False

    def training_ended(self) -> None:
        """From here on checkpoints are left to `finish`, which knows that there is no further one."""
        self._training_ended = True

    def waits_for(self, global_step_value: int) -> bool:
        """Training waits for a checkpoint that is evaluated: what it reads there decides which step is its last."""
        return self._is_due(self._saves + 1)

    def _is_due(self, saves: int) -> bool:
        """Whether the checkpoint with this number of this training, from 1, is to be evaluated now."""
        hurried = bool(self._evaluations.estimator.stop)  # a runner that ends the process leaves it seconds
        if saves == 1 or hurried or self._training_ended:
            return False
        return self._evaluations.secs_since_last() >= self._throttle

    def after_save(self, global_step_value: int) -> None:
        """Evaluates, if an evaluation is due."""
        self._saves += 1
        if self._is_due(self._saves):
            self._evaluate(
                global_step_value, final=self._max_steps is not None and global_step_value >= self._max_steps
            )

    def _evaluate(self, step: int, final: bool) -> None:
        """Evaluates and exports. Where the machine does not let it, training goes on, unless this was to be the last.

        Args:
          step: of the checkpoint.
          final: whether it is the last one of the job.
        """
        try:
            self._evaluations.evaluate(final)
        except StopRequestedError:
            pass  # of which the training hears next
        except Exception as error:
            trouble = self._passing_trouble(error)
            if final or trouble is None:
                raise
            self._evaluations.checkpoint = None  # so that the last one is evaluated in any case
            log.error("Step %s could not be evaluated and exported. %s.", f"{step:,}", trouble)

    def _passing_trouble(self, error: Exception) -> str | None:
        """Why an evaluation failed, in words, where the next one may succeed."""
        directory = self._evaluations.estimator.directory
        trouble = system_errors.of(error, directory.local)
        if trouble is not None and trouble.kind.passes:
            return f"{trouble}. {trouble.kind.do}"
        name = os.path.basename(self._evaluations.checkpoint or "")
        return None if directory.checkpoints.exists(name) else f"{name} was deleted meanwhile"

    def finish(self) -> None:
        """Evaluates the last checkpoint if it was not, and lets exporters that export the final model do so."""
        if self._saves:
            self._evaluations.finish()
