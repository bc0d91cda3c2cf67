"""Explains why a training broke: within a time, and without a failure of its own in the place of that one."""

from __future__ import annotations

import dataclasses
import logging
import os
import time

import tensorflow as tf

from trainer.estimator.distribution.strategies import Strategy
from trainer.estimator.saving.job_directory import JobDirectory
from trainer.estimator.steps.diagnosis.explanation import explain
from trainer.estimator.steps.diagnosis.explanation_text import text_of
from trainer.estimator.steps.diagnosis.nan_loss import Why
from trainer.estimator.steps.diagnosis.refusals import told
from trainer.estimator.steps.plan import TrainingPlan
from trainer.estimator.steps.steps import Steps
from trainer.estimator.steps.timing.stop import Stop
from trainer.estimator.steps.timing.time_limit import OutOfTimeError, TimeLimit
from trainer.job.goodput import TimeAccount

log = logging.getLogger("trainer")


@dataclasses.dataclass(frozen=True)
class Explainer:
    """Explains why steps broke.

    Attributes:
      strategy: that began them.
      plan: that they began with.
      steps: themselves.
      directory: of the job, with the last checkpoint from before they broke.
      stop: ends the search.
    """

    strategy: Strategy
    plan: TrainingPlan
    steps: Steps
    directory: JobDirectory
    stop: Stop

    @property
    def together(self) -> bool:
        """Whether all processes have to look at once."""
        return self.strategy.together

    def __call__(self, last: int, in_loss: bool) -> Why:
        """Why training broke.

        Args:
          last: the step at which it is known to be broken.
          in_loss: whether its loss shows that, which all processes that train together see.
        """
        secs = self.plan.config.explain_nan_secs
        if not secs:
            return Why()
        if self.strategy.together and not in_loss:
            return Why("Which operation it was is not known: the other processes are needed for that, and train on.")
        log.info("Looking for the operation that broke step %d, for %g s at most (--explain_nan_secs).", last, secs)
        return self.strategy.shared(self._own(last, TimeLimit(secs, time.monotonic, self.stop)))

    def _own(self, last: int, limit: TimeLimit) -> Why:
        """What this process finds."""
        try:
            return self._why(last, limit)
        except OutOfTimeError as over:
            return Why(f"Which operation it was is not known: {over}.")
        except tf.errors.InvalidArgumentError as error:  # which XLA does not raise
            return Why(f"Made again as a graph, a step up to {last} fails: {told(error)}.", found=True)
        except (tf.errors.OpError, ValueError, TypeError, RuntimeError) as error:
            # Whatever goes wrong here must not stand in the place of the failure that it was to explain.
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            return Why(f"Which operation it was could not be found out ({type(error).__name__}: {reason}).")

    def _why(self, last: int, limit: TimeLimit) -> Why:
        checkpoint = self.directory.checkpoints.latest()
        if checkpoint is None and self.plan.config.is_chief:
            return Why("Which operation it was is not known: there is no checkpoint to make the steps again from.")
        plan = dataclasses.replace(
            self.plan, position=checkpoint, values=self.plan.values.at(checkpoint), account=TimeAccount()
        )
        for bad in self.strategy.bad_steps(plan, self.steps, last, limit.check):
            found = explain(bad, limit.check)
            if found is not None:
                return Why(text_of(found), bad.number, tuple(found.rows or ()), found=True)
        name = os.path.basename(checkpoint or "the last checkpoint")
        return Why(f"Made again from {name}, op by op, the steps up to {last} give finite numbers only.")
