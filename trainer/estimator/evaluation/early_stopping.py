"""Hooks that end training when an evaluated metric says so; the names below `experimental` in tf.estimator.

They read the events that evaluations write, so they see evaluations of any process.
"""

from __future__ import annotations

import dataclasses
import logging
import operator
import os
import time
from collections.abc import Callable

from trainer.estimator.contract.hooks import RunContext, RunValues, TrainingHook
from trainer.estimator.estimator import Estimator
from trainer.estimator.evaluation.stopping_rules import History, beyond, stalled
from trainer.estimator.saving.events import read_scalars

log = logging.getLogger("trainer")


class EarlyStoppingHook(TrainingHook):
    """Asks a function, now and then, whether to end training."""

    def __init__(
        self,
        should_stop_fn: Callable[[], bool],
        run_every_secs: float | None,
        run_every_steps: int | None,
        clock: Callable[[], float],
    ) -> None:
        self._should_stop, self._secs, self._clock = should_stop_fn, run_every_secs, clock
        self.every_n_steps = run_every_steps
        self._checked_at: float | None = None

    def begin(self) -> None:
        self._checked_at = None

    def before_run(self, run_context: RunContext) -> None:
        if self._checked_at is None:
            self._check(run_context)

    def after_run(self, run_context: RunContext, run_values: RunValues) -> None:
        if self._due(run_values.global_step):
            self._check(run_context)

    def look_soon(self) -> None:
        """Asks after the device call that runs now: an evaluation has just been made."""
        self._checked_at = None

    def _due(self, step: int) -> bool:
        if self.every_n_steps is not None:
            return step % self.every_n_steps == 0
        return self._checked_at is None or self._clock() - self._checked_at >= (self._secs or 0)

    def _check(self, run_context: RunContext) -> None:
        self._checked_at = self._clock()
        if self._should_stop():
            run_context.request_stop("early stopping")


def make_early_stopping_hook(
    estimator: Estimator,
    should_stop_fn: Callable[[], bool],
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> EarlyStoppingHook:
    """A hook that ends training when a function says so.

    Args:
      estimator: what is trained.
      should_stop_fn: takes nothing; True ends training.
      run_every_secs: seconds between calls of the function; the first call is immediate.
      run_every_steps: steps between calls instead; then `run_every_secs` is None.
      clock: seconds.

    Raises:
      TypeError: no Estimator or no function.
      ValueError: both cadences, or neither, or one out of range.
    """
    if not isinstance(estimator, Estimator):
        raise TypeError(f"estimator is {estimator!r}. It takes an Estimator")
    if not callable(should_stop_fn):
        raise TypeError(f"should_stop_fn is {should_stop_fn!r}. It takes a function")
    if (run_every_secs is None) == (run_every_steps is None):
        raise ValueError(
            f"run_every_secs is {run_every_secs} and run_every_steps is {run_every_steps}. "
            "One of them is given, the other is None"
        )
    if run_every_steps is not None and run_every_steps < 1:
        raise ValueError(f"run_every_steps is {run_every_steps}. It takes 1 or more")
    if run_every_secs is not None and run_every_secs < 0:
        raise ValueError(f"run_every_secs is {run_every_secs}. It takes 0 or more")
    return EarlyStoppingHook(should_stop_fn, run_every_secs, run_every_steps, clock)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Evaluations:
    """Where a hook looks, and how often.

    Attributes:
      estimator: what is trained.
      metric_name: the metric.
      eval_dir: of the evaluations' events; None for those of an evaluation without a name.
      min_steps: evaluations before this step do not count.
      run_every_secs: seconds between looks.
      run_every_steps: steps between looks instead.
    """

    estimator: Estimator
    metric_name: str
    eval_dir: str | os.PathLike[str] | None
    min_steps: int
    run_every_secs: float | None
    run_every_steps: int | None

    def hook(self, reason: Callable[[History], str | None]) -> EarlyStoppingHook:
        def should_stop() -> bool:
            why = reason(self._history())
            if why:
                log.info("Training ends early: %s %s.", self.metric_name, why)
            return why is not None

        return make_early_stopping_hook(self.estimator, should_stop, self.run_every_secs, self.run_every_steps)

    def _history(self) -> History:
        """The evaluations that count.

        Raises:
          ValueError: there are evaluations, and none of them has the metric.
        """
        name, directory = self.metric_name, os.fsdecode(self.eval_dir or self.estimator.eval_dir())
        evaluations = read_scalars(self.estimator.directories.local_events(directory))
        known = {tag for scalars in evaluations.values() for tag in scalars}
        if known and name not in known:
            raise ValueError(
                f"Early stopping looks at {name!r}; the evaluations in {directory} have {', '.join(sorted(known))}. "
                "Name one of those"
            )
        return [(step, tags[name]) for step, tags in evaluations.items() if step >= self.min_steps and name in tags]


def stop_if_higher_hook(
    estimator: Estimator,
    metric_name: str,
    threshold: float,
    eval_dir: str | os.PathLike[str] | None = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> TrainingHook:
    """Ends training when a metric was above a threshold in an evaluation at `min_steps` or later.

    Args:
      estimator: that is trained.
      metric_name: of the metric.
      threshold: above which training ends.
      eval_dir: of the events of evaluations; None for those of the estimator's `evaluate`.
      min_steps: evaluations at an earlier step do not count.
      run_every_secs: seconds between looks; None to count steps.
      run_every_steps: steps between looks; None to count seconds.
    """
    evaluations = _Evaluations(
        estimator=estimator,
        metric_name=metric_name,
        eval_dir=eval_dir,
        min_steps=min_steps,
        run_every_secs=run_every_secs,
        run_every_steps=run_every_steps,
    )
    return evaluations.hook(lambda history: beyond(history, threshold, operator.gt))


def stop_if_lower_hook(
    estimator: Estimator,
    metric_name: str,
    threshold: float,
    eval_dir: str | os.PathLike[str] | None = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> TrainingHook:
    """Ends training when a metric was below a threshold in an evaluation at `min_steps` or later.

    Args:
      estimator: that is trained.
      metric_name: of the metric.
      threshold: below which training ends.
      eval_dir: of the events of evaluations; None for those of the estimator's `evaluate`.
      min_steps: evaluations at an earlier step do not count.
      run_every_secs: seconds between looks; None to count steps.
      run_every_steps: steps between looks; None to count seconds.
    """
    evaluations = _Evaluations(
        estimator=estimator,
        metric_name=metric_name,
        eval_dir=eval_dir,
        min_steps=min_steps,
        run_every_secs=run_every_secs,
        run_every_steps=run_every_steps,
    )
    return evaluations.hook(lambda history: beyond(history, threshold, operator.lt))


def stop_if_no_increase_hook(
    estimator: Estimator,
    metric_name: str,
    max_steps_without_increase: int,
    eval_dir: str | os.PathLike[str] | None = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> TrainingHook:
    """Ends training when a metric has not risen for so many steps of training.

    Args:
      estimator: that is trained.
      metric_name: of the metric.
      max_steps_without_increase: how many.
      eval_dir: of the events of evaluations; None for those of the estimator's `evaluate`.
      min_steps: evaluations at an earlier step do not count.
      run_every_secs: seconds between looks; None to count steps.
      run_every_steps: steps between looks; None to count seconds.
    """
    evaluations = _Evaluations(
        estimator=estimator,
        metric_name=metric_name,
        eval_dir=eval_dir,
        min_steps=min_steps,
        run_every_secs=run_every_secs,
        run_every_steps=run_every_steps,
    )
    return evaluations.hook(lambda history: stalled(history, max_steps_without_increase, operator.gt))


def stop_if_no_decrease_hook(
    estimator: Estimator,
    metric_name: str,
    max_steps_without_decrease: int,
    eval_dir: str | os.PathLike[str] | None = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> TrainingHook:
    """Ends training when a metric has not fallen for so many steps of training.

    Args:
      estimator: that is trained.
      metric_name: of the metric.
      max_steps_without_decrease: how many.
      eval_dir: of the events of evaluations; None for those of the estimator's `evaluate`.
      min_steps: evaluations at an earlier step do not count.
      run_every_secs: seconds between looks; None to count steps.
      run_every_steps: steps between looks; None to count seconds.
    """
    evaluations = _Evaluations(
        estimator=estimator,
        metric_name=metric_name,
        eval_dir=eval_dir,
        min_steps=min_steps,
        run_every_secs=run_every_secs,
        run_every_steps=run_every_steps,
    )
    return evaluations.hook(lambda history: stalled(history, max_steps_without_decrease, operator.lt))


def stop_if_not_better_hook(
    estimator: Estimator,
    metric_name: str,
    max_steps: int,
    *,
    maximizes: bool,
    min_delta: float = 0.0,
    run_every_secs: float = 10.0,
) -> EarlyStoppingHook:
    """Ends training when a metric has not got better for so many steps of training.

    Args:
      estimator: what is trained.
      metric_name: the metric.
      max_steps: the most steps without a better value.
      maximizes: whether more is better.
      min_delta: how much better a value has to be to count.
      run_every_secs: seconds between looks at the evaluations.
    """
    evaluations = _Evaluations(
        estimator=estimator,
        metric_name=metric_name,
        eval_dir=None,
        min_steps=0,
        run_every_secs=run_every_secs,
        run_every_steps=None,
    )
    sign = 1.0 if maximizes else -1.0
    return evaluations.hook(
        lambda history: stalled(history, max_steps, lambda value, best: sign * (value - best) > min_delta)
    )
