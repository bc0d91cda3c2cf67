"""When trials and studies end early, as files of studies say it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainer.job.errors import FindingsError
from trainer.job.findings import Place
from trainer.launch.files import values
from trainer.launch.files.fields import Fields, Keys
from trainer.launch.study.search_space import normal
from trainer.launch.study.stopping import ConvexStopping, DecayCurveStopping, MedianStopping, Stopping, StudyStopping

RULES = ("decayCurveStoppingSpec", "medianAutomatedStoppingSpec", "convexAutomatedStoppingSpec")
LIMITS = "studyStoppingConfig"

_SIMPLE_RULE = Keys(read=("useElapsedDuration",))
_CONVEX_RULE = Keys(
    read=(
        *("maxStepCount", "minStepCount", "minMeasurementCount", "learningRateParameterName"),
        *("useElapsedDuration", "updateAllStoppedTrials"),
    )
)
_CONVEX_COUNTS = {
    "max_step_count": "maxStepCount",
    "min_step_count": "minStepCount",
    "min_measurement_count": "minMeasurementCount",
}
_LIMITS = Keys(
    read=(
        *("shouldStopAsap", "minimumRuntimeConstraint", "maximumRuntimeConstraint", "minNumTrials", "maxNumTrials"),
        *("maxNumTrialsNoProgress", "maxDurationNoProgress"),
    )
)
_LIMIT_COUNTS = {
    "min_num_trials": "minNumTrials",
    "max_num_trials": "maxNumTrials",
    "max_num_trials_no_progress": "maxNumTrialsNoProgress",
}
_TIME_CONSTRAINT = Keys(read=("maxDuration", "endTime"))


def rule(fields: Fields) -> tuple[Stopping | None, Place]:
    """The rule that stops trials without prospects, None where there is none or it is wrong; and its place."""
    present = fields.present(RULES)
    for other in present[1:]:
        got = f"{other} together with {present[0]}"
        fields.error(fields.place(other), got, "one stopping rule", "Remove one of them")
    if not present:
        return None, fields.place("")
    place = fields.place(present[0])
    keys = _CONVEX_RULE if present[0] == "convexAutomatedStoppingSpec" else _SIMPLE_RULE
    inner = values.mapping(fields, present[0], keys, "a mapping, as {} or {useElapsedDuration: true}")
    if inner is None:
        return None, place
    by_time = values.switch(inner, "useElapsedDuration") or False
    match present[0]:
        case "decayCurveStoppingSpec":
            return DecayCurveStopping(use_elapsed_duration=by_time), place
        case "medianAutomatedStoppingSpec":
            return MedianStopping(use_elapsed_duration=by_time), place
    return _convex(inner, by_time=by_time), inner.place("learningRateParameterName")


def limits(fields: Fields) -> StudyStopping | None:
    """When the study ends before its last trial; None where that is not said, or wrong."""
    inner = values.mapping(fields, LIMITS, _LIMITS, "a mapping of limits")
    if inner is None:
        return None
    settings: dict[str, Any] = {field: values.whole(inner, name) for field, name in _LIMIT_COUNTS.items()}
    places = {field: inner.place(name) for field, name in _LIMIT_COUNTS.items()}
    settings["should_stop_asap"] = values.switch(inner, "shouldStopAsap") or False
    settings["max_secs_no_progress"] = values.secs(inner, "maxDurationNoProgress")
    places["max_secs_no_progress"] = inner.place("maxDurationNoProgress")
    for word in ("min", "max"):
        time = values.mapping(
            inner, f"{word}imumRuntimeConstraint", _TIME_CONSTRAINT, 'a mapping, such as {maxDuration: "3600s"}'
        )
        if time is not None:
            settings |= {
                f"{word}_runtime_secs": values.secs(time, "maxDuration"),
                f"{word}_end_time": values.moment(time, "endTime"),
            }
            places[f"{word}_runtime_secs"] = time.place("maxDuration")
            places[f"{word}_end_time"] = time.place("endTime")
    return _limits(inner, settings, places)


def _limits(fields: Fields, settings: Mapping[str, Any], places: Mapping[str, Place]) -> StudyStopping | None:
    try:
        return StudyStopping(**settings)
    except FindingsError as error:
        fields.report(error.findings, places)
        return None


def _convex(fields: Fields, *, by_time: bool) -> Stopping | None:
    rate = values.text(fields, "learningRateParameterName", "a parameter of the study")
    try:
        return ConvexStopping(
            **{field: values.whole(fields, name, is_int64=True) for field, name in _CONVEX_COUNTS.items()},
            learning_rate_parameter=normal(rate) if rate else None,
            use_elapsed_duration=by_time,
            update_all_stopped_trials=values.switch(fields, "updateAllStoppedTrials"),
        )
    except FindingsError as error:
        fields.report(error.findings, {field: fields.place(name) for field, name in _CONVEX_COUNTS.items()})
        return None
