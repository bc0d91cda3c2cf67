"""Hooks that end training when an evaluated metric says so; the names below `experimental` in tf.estimator.

They read the events that evaluations write, so they see evaluations of any process.
"""

from __future__ import annotations

import logging
import operator
import time
from collections.abc import Callable

from trainer.estimator.estimator import Estimator
from trainer.estimator.hooks import RunContext, RunValues, TrainingHook
from trainer.estimator.reporting import read_scalars

log = logging.getLogger("trainer")


class _EarlyStoppingHook(TrainingHook):
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
        self._steps = 0

    def begin(self) -> None:
        self._checked_at = None

    def before_run(self, run_context: RunContext) -> None:
        if self._checked_at is None:
            self._check(run_context)

    def after_run(self, run_context: RunContext, run_values: RunValues) -> None:
        due = (
            run_values.global_step % self.every_n_steps == 0
            if self.every_n_steps
            else self._clock() - (self._checked_at or 0.0) >= (self._secs or 0.0)
        )
        if due:
            self._check(run_context)

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
) -> TrainingHook:
    """A hook that ends training when a function says so.

    Args:
      estimator: what is trained.
      should_stop_fn: takes nothing; True ends training.
      run_every_secs: seconds between calls of the function; the first call is immediate.
      run_every_steps: steps between calls instead; then `run_every_secs` is None.
      clock: seconds.

    Raises:
      TypeError: no Estimator or no function.
      ValueError: both cadences, or neither.
    """
    if not isinstance(estimator, Estimator):
        raise TypeError(f"estimator is {estimator!r}. It takes an Estimator")
    if not callable(should_stop_fn):
        raise TypeError(f"should_stop_fn is {should_stop_fn!r}. It takes a function")
    if (run_every_secs is None) == (run_every_steps is None):
        raise ValueError(
            f"run_every_secs is {run_every_secs} and run_every_steps is {run_every_steps}. One of them is given, the other is None"
        )
    return _EarlyStoppingHook(should_stop_fn, run_every_secs, run_every_steps, clock)


def read_eval_metrics(eval_dir: str) -> dict[int, dict[str, float]]:
    """The metrics of every evaluation in a directory, by global step."""
    return read_scalars(eval_dir)


def _history(estimator: Estimator, metric_name: str, eval_dir: str | None, min_steps: int) -> list[tuple[int, float]]:
    """(global step, value) of the evaluations from `min_steps` on."""
    metrics = read_eval_metrics(eval_dir or estimator.eval_dir())
    return [(step, found[metric_name]) for step, found in metrics.items() if step >= min_steps and metric_name in found]


def _threshold_hook(
    better: Callable[[float, float], bool],
    estimator: Estimator,
    metric_name: str,
    threshold: float,
    eval_dir: str | None,
    min_steps: int,
    run_every_secs: float | None,
    run_every_steps: int | None,
) -> TrainingHook:
    def should_stop() -> bool:
        for step, value in _history(estimator, metric_name, eval_dir, min_steps):
            if better(value, threshold):
                log.info("Training ends early: %s was %g at step %d; the threshold is %g.", metric_name, value, step, threshold)
                return True
        return False

    return make_early_stopping_hook(estimator, should_stop, run_every_secs, run_every_steps)


def _no_improvement_hook(
    better: Callable[[float, float], bool],
    estimator: Estimator,
    metric_name: str,
    max_steps: int,
    eval_dir: str | None,
    min_steps: int,
    run_every_secs: float | None,
    run_every_steps: int | None,
) -> TrainingHook:
    def should_stop() -> bool:
        best: float | None = None
        best_step = 0
        for step, value in _history(estimator, metric_name, eval_dir, min_steps):
            if best is None or better(value, best):
                best, best_step = value, step
            if step - best_step >= max_steps:
                log.info("Training ends early: %s has not improved on %g of step %d by step %d.", metric_name, best, best_step, step)
                return True
        return False

    return make_early_stopping_hook(estimator, should_stop, run_every_secs, run_every_steps)


def stop_if_higher_hook(
    estimator: Estimator,
    metric_name: str,
    threshold: float,
    eval_dir: str | None = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> TrainingHook:
    """Ends training when a metric was above a threshold in an evaluation at `min_steps` or later."""
    return _threshold_hook(
        operator.gt, estimator, metric_name, threshold, eval_dir, min_steps, run_every_secs, run_every_steps
    )


def stop_if_lower_hook(
    estimator: Estimator,
    metric_name: str,
    threshold: float,
    eval_dir: str | None = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> TrainingHook:
    """Ends training when a metric was below a threshold in an evaluation at `min_steps` or later."""
    return _threshold_hook(
        operator.lt, estimator, metric_name, threshold, eval_dir, min_steps, run_every_secs, run_every_steps
    )


def stop_if_no_increase_hook(
    estimator: Estimator,
    metric_name: str,
    max_steps_without_increase: int,
    eval_dir: str | None = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> TrainingHook:
    """Ends training when a metric has not risen for so many steps of training."""
    return _no_improvement_hook(
        operator.gt, estimator, metric_name, max_steps_without_increase, eval_dir, min_steps, run_every_secs, run_every_steps
    )


def stop_if_no_decrease_hook(
    estimator: Estimator,
    metric_name: str,
    max_steps_without_decrease: int,
    eval_dir: str | None = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> TrainingHook:
    """Ends training when a metric has not fallen for so many steps of training."""
    return _no_improvement_hook(
        operator.lt, estimator, metric_name, max_steps_without_decrease, eval_dir, min_steps, run_every_secs, run_every_steps
    )
