"""When the evaluations of a metric end training: pure decisions, each with its reason."""

from __future__ import annotations

import math
from collections.abc import Callable

History = list[tuple[int, float]]
"""(global step, value) of a metric in one evaluation after the other."""

Better = Callable[[float, float], bool]
"""Whether the first value is better than the second."""


def beyond(history: History, threshold: float, better: Better) -> str | None:
    """Why training ends: the first value that is better than the threshold.

    Args:
      history: of the metric.
      threshold: that it is compared with.
      better: whether one value is better than another.

    Returns:
      The reason; None while there is no such value.
    """
    for step, value in history:
        if better(value, threshold):
            return f"was {value:g} at step {step}, and the threshold is {threshold:g}"
    return None


def stalled(history: History, max_steps: int, better: Better) -> str | None:
    """Why training ends: no better value within some steps of the best one.

    Args:
      history: of the metric. NaN is never best in it.
      max_steps: of training.
      better: whether one value is better than another.

    Returns:
      The reason; None while there were not so many steps.
    """
    best, best_step = math.nan, 0
    for index, (step, value) in enumerate(history):
        if index == 0 or better(value, best) or (math.isnan(best) and not math.isnan(value)):
            best, best_step = value, step
        if step - best_step >= max_steps:
            return f"has not improved on {best:g} of step {best_step} by step {step}"
    return None
