"""When trials and studies end early: the rules of Vertex AI's `StudySpec`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator

from trainer.job import errors
from trainer.job.findings import Finding


@dataclasses.dataclass(frozen=True, kw_only=True)
class MedianStopping:
    """Ends a trial whose best result so far is worse than the median of the others' running averages at that point.

    Attributes:
      use_elapsed_duration: "at that point" means seconds since the trial's start; False: steps.
    """

    use_elapsed_duration: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecayCurveStopping:
    """Ends a trial whose learning curve, extrapolated by what others' curves did, is unlikely to beat the best.

    Attributes:
      use_elapsed_duration: curves are over seconds since the trial's start; False: over steps.
    """

    use_elapsed_duration: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConvexStopping:
    """Ends a trial whose final value, predicted by a model of the learning curves, will not beat the best.

    Attributes:
      max_step_count: the last step of a trial, at which it is predicted; None: learned from the finished trials.
      min_step_count: steps that a trial makes before it may be ended; None: a tenth of `max_step_count`.
      min_measurement_count: evaluations of a trial, and finished trials, before one may be ended; None: 5.
      learning_rate_parameter: name of the parameter that sets the learning rate, if one does.
      use_elapsed_duration: curves are over seconds since the trial's start, and so are the counts of steps above.
      update_all_stopped_trials: predicted values of ended trials count as their results; None: the optimiser's choice.
    """

    max_step_count: int | None = None
    min_step_count: int | None = None
    min_measurement_count: int | None = None
    learning_rate_parameter: str | None = None
    use_elapsed_duration: bool = False
    update_all_stopped_trials: bool | None = None

    def __post_init__(self) -> None:
        errors.refuse(_convex_findings(self))


Stopping = MedianStopping | DecayCurveStopping | ConvexStopping


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudyStopping:
    """When a study ends before `max_trials`. Every limit may be None, which is no limit.

    Attributes:
      should_stop_asap: as soon as a limit is met, running trials are ended too; False: they finish.
      min_num_trials: no other limit counts before this many trials.
      max_num_trials: no new trial after this many.
      max_num_trials_no_progress: no new trial when this many in a row have not improved the best result.
      min_runtime_secs: no other limit counts before this many seconds of the study.
      min_end_time: nor before this moment (RFC 3339, `2026-01-31T12:00:00Z`); excludes `min_runtime_secs`.
      max_runtime_secs: no new trial after this many seconds of the study.
      max_end_time: nor after this moment; excludes `max_runtime_secs`.
      max_secs_no_progress: no new trial when the best result is older than this.
    """

    should_stop_asap: bool = False
    min_num_trials: int | None = None
    max_num_trials: int | None = None
    max_num_trials_no_progress: int | None = None
    min_runtime_secs: float | None = None
    min_end_time: str | None = None
    max_runtime_secs: float | None = None
    max_end_time: str | None = None
    max_secs_no_progress: float | None = None

    def __post_init__(self) -> None:
        errors.refuse(_study_stopping_findings(self))


def count_findings(holder: object, fields: Iterable[str], *, least: int = 1) -> Iterator[Finding]:
    """What is wrong with counts.

    Args:
      holder: of the counts.
      fields: their names; a count that is None is right.
      least: the smallest that is right.
    """
    for field in fields:
        count = getattr(holder, field)
        if count is not None and count < least:
            accept = f"a whole number from {least} up"
            yield Finding(where=(field,), got=f"{_camel(field)}: {count}", accept=accept, do="Change the number")


def _camel(field: str) -> str:
    head, *rest = field.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _convex_findings(rule: ConvexStopping) -> Iterator[Finding]:
    yield from count_findings(rule, ("max_step_count", "min_measurement_count"))
    yield from count_findings(rule, ("min_step_count",), least=0)
    if rule.max_step_count is not None and (rule.min_step_count or 0) > rule.max_step_count:
        got = f"minStepCount {rule.min_step_count} is above maxStepCount {rule.max_step_count}"
        yield Finding(where=("min_step_count",), got=got, accept="minStepCount up to maxStepCount", do="Swap them")


def _study_stopping_findings(limits: StudyStopping) -> Iterator[Finding]:
    counts = ("min_num_trials", "max_num_trials", "max_num_trials_no_progress")
    yield from count_findings(limits, counts)
    for field in ("min_runtime_secs", "max_runtime_secs", "max_secs_no_progress"):
        secs = getattr(limits, field)
        if secs is not None and not (math.isfinite(secs) and secs > 0):
            yield Finding(where=(field,), got=f"{secs} seconds", accept="more than 0 seconds", do='Write it as "3600s"')
    for least, most, words in (
        ("min_num_trials", "max_num_trials", "minNumTrials {:g} is above maxNumTrials {:g}"),
        (
            "min_runtime_secs",
            "max_runtime_secs",
            "minimumRuntimeConstraint {:g}s is above maximumRuntimeConstraint {:g}s",
        ),
    ):
        low, high = getattr(limits, least), getattr(limits, most)
        if low is not None and high is not None and low > high:
            yield Finding(
                where=(least,), got=words.format(low, high), accept="the minimum up to the maximum", do="Swap them"
            )
    for secs_field, time_field in (("min_runtime_secs", "min_end_time"), ("max_runtime_secs", "max_end_time")):
        if getattr(limits, secs_field) is not None and getattr(limits, time_field) is not None:
            got = "maxDuration together with endTime"
            yield Finding(where=(time_field,), got=got, accept="one of the two", do="Remove one of them")
