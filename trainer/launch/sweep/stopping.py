"""Which trial is hopeless: the stopping rules of a study, as functions of learning curves."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from trainer.launch.study.study import ConvexStopping, Goal, MedianStopping, Stopping
from trainer.launch.sweep.evaluations import Evaluation, loss

# So many finished trials have to have come as far, before one is compared with them.
_LEAST_FOR_MEDIAN, _LEAST_FOR_FORECAST = 3, 5
_DOUBT_DEVIATIONS = 1.645  # one side of a normal distribution has 5 % beyond it

Curve = Sequence[tuple[float, float]]  # (step or seconds, loss), in order


def hopeless(
    rule: Stopping, goal: Goal, current: Sequence[Evaluation], finished: Sequence[Sequence[Evaluation]]
) -> str | None:
    """Why a trial should end, as a part of a sentence; None while there is hope.

    Args:
      rule: of the study.
      goal: of the study.
      current: evaluations of the trial so far.
      finished: of each trial that was trained to its end.
    """
    by_time = rule.use_elapsed_duration
    curve = _curve(current, goal, by_time=by_time)
    if not curve or _too_early(rule, curve):
        return None
    others = [other for entry in finished if (other := _curve(entry, goal, by_time=by_time))]
    if isinstance(rule, MedianStopping):
        return _worse_than_median(curve, others)
    last = rule.max_step_count if isinstance(rule, ConvexStopping) and not by_time else None
    return _unlikely_to_win(curve, others, last)


def _curve(evaluations: Sequence[Evaluation], goal: Goal, *, by_time: bool) -> Curve:
    finite = [entry for entry in evaluations if math.isfinite(entry.value)]
    return [(entry.secs if by_time else float(entry.step), loss(entry.value, goal)) for entry in finite]


def _too_early(rule: Stopping, curve: Curve) -> bool:
    if not isinstance(rule, ConvexStopping):
        return False
    few = rule.min_measurement_count is not None and len(curve) < rule.min_measurement_count
    early = rule.min_step_count is not None and not rule.use_elapsed_duration and curve[-1][0] < rule.min_step_count
    return few or early


def _until(curve: Curve, at: float) -> list[float]:
    return [value for place, value in curve if place <= at]


def _worse_than_median(curve: Curve, others: Sequence[Curve]) -> str | None:
    """The rule of Vizier (Golovin et al. 2017): own best so far against the median of running averages."""
    at = curve[-1][0]
    averages = [statistics.fmean(seen) for other in others if (seen := _until(other, at))]
    if len(averages) < _LEAST_FOR_MEDIAN:
        return None
    best, median = min(value for _, value in curve), statistics.median(averages)
    return f"its best is worse than the median of {len(averages)} trials" if best > median else None


def _unlikely_to_win(curve: Curve, others: Sequence[Curve], last: float | None) -> str | None:
    """Forecasts the final value by a line through (value here, final value) of the finished trials.

    A simple stand-in for the services' own models, with the same question: is the best still within reach?
    """
    at, value = curve[-1]
    pairs = [(seen[-1], _final(other, last)) for other in others if other[-1][0] > at and (seen := _until(other, at))]
    if len(pairs) < _LEAST_FOR_FORECAST:
        return None
    here, final = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    try:
        slope, intercept = statistics.linear_regression(here, final)
    except statistics.StatisticsError:
        return None
    errors = [end - (intercept + slope * start) for start, end in pairs]
    deviation = math.sqrt(sum(error**2 for error in errors) / (len(pairs) - 2))
    forecast, best = intercept + slope * value, min(_final(other, last) for other in others)
    if forecast - _DOUBT_DEVIATIONS * deviation <= best:
        return None
    return f"{len(pairs)} trials like it make it unlikely to become the best"


def _final(curve: Curve, last: float | None) -> float:
    return curve[-1][1] if last is None else (_until(curve, last) or [curve[-1][1]])[-1]
