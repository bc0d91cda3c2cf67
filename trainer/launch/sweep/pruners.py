"""Which trial ends early: the stopping rules of a study as pruners of Optuna.

A pruner compares the learning curve of a running trial with those of the trials that were trained to their end.
"""

from __future__ import annotations

import abc
import math
import statistics
from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial, TrialState

from trainer.launch.study.stopping import ConvexStopping, DecayCurveStopping, MedianStopping
from trainer.launch.study.study import Goal, Study
from trainer.launch.sweep.evaluations import Evaluation, loss
from trainer.launch.sweep.trial_records import evaluations_of

# So many finished trials have to have come as far before a trial is compared with them.
_LEAST_FOR_MEDIAN, _LEAST_FOR_FORECAST = 3, 5
_DOUBT_DEVIATIONS = 1.645  # one side of a normal distribution has 5 % beyond it

Curve = Sequence[tuple[float, float]]  # (step or seconds, loss), in order


class CurvePruner(optuna.pruners.BasePruner, abc.ABC):
    """Compares learning curves.

    Args:
      goal: of the study.
      by_time: curves are over seconds since the trial's start; False: over steps.
    """

    def __init__(self, goal: Goal, *, by_time: bool) -> None:
        self._goal, self.by_time = goal, by_time

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Whether the trial should end now."""
        return self.reason(study, trial) is not None

    def reason(self, study: optuna.Study, trial: FrozenTrial) -> str | None:
        """Why the trial should end, as a part of a sentence; None: it should not."""
        curve = self._curve(evaluations_of(trial))
        if not curve:
            return None
        finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        curves = (self._curve(evaluations_of(other)) for other in finished if other.number != trial.number)
        return self.compare(curve, [other for other in curves if other])

    @abc.abstractmethod
    def compare(self, curve: Curve, others: Sequence[Curve]) -> str | None:
        """Why the trial with `curve`, which is not empty, should end; `others` are of finished trials."""

    def _curve(self, evaluations: Sequence[Evaluation]) -> Curve:
        finite = [entry for entry in evaluations if math.isfinite(entry.value)]
        return [(entry.secs if self.by_time else float(entry.step), loss(entry.value, self._goal)) for entry in finite]


class MedianPruner(CurvePruner):
    """The rule of Vizier (Golovin et al. 2017): the best value so far against the median of the running averages.

    Optuna's own median rule compares with the others' values at one step, which all trials must report.
    """

    def compare(self, curve: Curve, others: Sequence[Curve]) -> str | None:
        at = curve[-1][0]
        averages = [statistics.fmean(seen) for other in others if (seen := _until(other, at))]
        if len(averages) < _LEAST_FOR_MEDIAN:
            return None
        best, median = min(value for _, value in curve), statistics.median(averages)
        return f"its best is worse than the median of {len(averages)} trials" if best > median else None


class ForecastPruner(CurvePruner):
    """Forecasts the final value by a line through (value here, final value) of the finished trials.

    A simple stand-in for the services' own models, with the same question: is the best still within reach?

    Args:
      goal: of the study.
      rule: which of them.
    """

    def __init__(self, goal: Goal, rule: DecayCurveStopping | ConvexStopping) -> None:
        super().__init__(goal, by_time=rule.use_elapsed_duration)
        limits = rule if isinstance(rule, ConvexStopping) else ConvexStopping()
        self._last = None if self.by_time else limits.max_step_count
        self._least_step = 0 if self.by_time else limits.min_step_count or 0
        self._least_evaluations = limits.min_measurement_count or 0

    def compare(self, curve: Curve, others: Sequence[Curve]) -> str | None:
        at, value = curve[-1]
        if len(curve) < self._least_evaluations or at < self._least_step:
            return None
        pairs = [
            (seen[-1], _final(other, self._last))
            for other in others
            if other[-1][0] > at and (seen := _until(other, at))
        ]
        if len(pairs) < _LEAST_FOR_FORECAST:
            return None
        forecast = _forecast(value, pairs)
        if forecast is None or forecast <= min(_final(other, self._last) for other in others):
            return None
        return f"{len(pairs)} trials like it make it unlikely to become the best"


def pruner(definition: Study) -> CurvePruner | None:
    """The stopping rule of the study; None where it has none."""
    match definition.stopping:
        case None:
            return None
        case MedianStopping() as rule:
            return MedianPruner(definition.goal, by_time=rule.use_elapsed_duration)
        case rule:
            return ForecastPruner(definition.goal, rule)


def _forecast(value: float, pairs: Sequence[tuple[float, float]]) -> float | None:
    """The lowest final value that can be expected of a trial with `value`; None where there is no line.

    Args:
      value: the loss of the trial here.
      pairs: of other trials, the loss here and at the end.
    """
    here, final = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    try:
        slope, intercept = statistics.linear_regression(here, final)
    except statistics.StatisticsError:
        return None
    errors = [end - (intercept + slope * start) for start, end in pairs]
    deviation = math.sqrt(sum(error**2 for error in errors) / (len(pairs) - 2))
    return intercept + slope * value - _DOUBT_DEVIATIONS * deviation


def _until(curve: Curve, at: float) -> list[float]:
    return [value for place, value in curve if place <= at]


def _final(curve: Curve, last: float | None) -> float:
    return curve[-1][1] if last is None else (_until(curve, last) or [curve[-1][1]])[-1]
