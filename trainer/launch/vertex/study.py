"""A study as Vertex AI's REST API takes it in a HyperparameterTuningJob, and back.

Names are those of JSON (camelCase), numbers of 64 bits are texts there, and durations end in `s`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainer.launch.files import nodes
from trainer.launch.study import study_file
from trainer.launch.study.parameter import Kind, Parameter, Scale
from trainer.launch.study.stopping import ConvexStopping, DecayCurveStopping, MedianStopping, Stopping, StudyStopping
from trainer.launch.study.study import Study

_CONDITIONS = {
    Kind.DISCRETE: "parentDiscreteValues",
    Kind.INTEGER: "parentIntValues",
    Kind.CATEGORICAL: "parentCategoricalValues",
}


def tuning(study: Study) -> dict[str, Any]:
    """The fields of a HyperparameterTuningJob that the study fills: `studySpec` and the counts of trials."""
    return {
        "studySpec": study_spec(study),
        "maxTrialCount": study.max_trials,
        "parallelTrialCount": study.max_parallel_trials,
        "maxFailedTrialCount": study.max_failed_trials,
    }


def study_spec(study: Study) -> dict[str, Any]:
    """The `StudySpec`; parameters that depend on others are inside those."""
    spec: dict[str, Any] = {
        "metrics": [{"metricId": study.metric, "goal": study.goal.value}],
        "parameters": [_parameter(entry, study) for entry in study.parameters if entry.parent is None],
        "algorithm": study.algorithm.value,
        "measurementSelectionType": study.measurement.value,
    }
    if study.stopping is not None:
        spec |= _stopping(study.stopping, study)
    if study.study_stopping is not None:
        spec["studyStoppingConfig"] = _study_stopping(study.study_stopping)
    return spec


def from_tuning(job: Mapping[str, Any]) -> Study:
    """The study of a HyperparameterTuningJob in JSON, its other fields left aside.

    Raises FindingsError with everything that is wrong in it.
    """
    job = {name: job[name] for name in tuning_fields() if name in job}
    examined = study_file.of_documents([nodes.of_json(job, "HyperparameterTuningJob")], [], None)
    return study_file.require(examined)


def tuning_fields() -> tuple[str, ...]:
    """Names of the fields that `tuning` fills."""
    return "studySpec", "maxTrialCount", "parallelTrialCount", "maxFailedTrialCount"


def _parameter(entry: Parameter, study: Study) -> dict[str, Any]:
    spec: dict[str, Any] = {"parameterId": entry.spelled, **_values(entry)}
    if entry.scale is not Scale.NONE:
        spec["scaleType"] = entry.scale.value
    children = [child for child in study.parameters if child.parent == entry.name]
    if children:
        spec["conditionalParameterSpecs"] = [_conditional(child, entry, study) for child in children]
    return spec


def _values(entry: Parameter) -> dict[str, Any]:
    match entry.kind:
        case Kind.DOUBLE:
            return {"doubleValueSpec": {"minValue": entry.minimum, "maxValue": entry.maximum}}
        case Kind.INTEGER:
            return {"integerValueSpec": {"minValue": str(entry.minimum), "maxValue": str(entry.maximum)}}
        case Kind.CATEGORICAL:
            return {"categoricalValueSpec": {"values": list(entry.values)}}
        case Kind.DISCRETE:
            return {"discreteValueSpec": {"values": list(entry.values)}}


def _conditional(entry: Parameter, parent: Parameter, study: Study) -> dict[str, Any]:
    is_int64 = parent.kind is Kind.INTEGER
    values = [str(value) if is_int64 else value for value in entry.parent_values]
    return {"parameterSpec": _parameter(entry, study), _CONDITIONS[parent.kind]: {"values": values}}


def _stopping(rule: Stopping, study: Study) -> dict[str, Any]:
    by_time = {"useElapsedDuration": rule.use_elapsed_duration}
    match rule:
        case DecayCurveStopping():
            return {"decayCurveStoppingSpec": by_time}
        case MedianStopping():
            return {"medianAutomatedStoppingSpec": by_time}
        case ConvexStopping():
            return {"convexAutomatedStoppingSpec": _convex(rule, study) | by_time}


def _convex(rule: ConvexStopping, study: Study) -> dict[str, Any]:
    counts = {
        "maxStepCount": rule.max_step_count,
        "minStepCount": rule.min_step_count,
        "minMeasurementCount": rule.min_measurement_count,
    }
    spelled = {entry.name: entry.spelled for entry in study.parameters}
    spec: dict[str, Any] = {name: str(count) for name, count in counts.items() if count is not None}
    if rule.learning_rate_parameter is not None:
        spec["learningRateParameterName"] = spelled[rule.learning_rate_parameter]
    if rule.update_all_stopped_trials is not None:
        spec["updateAllStoppedTrials"] = rule.update_all_stopped_trials
    return spec


def _study_stopping(limits: StudyStopping) -> dict[str, Any]:
    spec = {
        "shouldStopAsap": limits.should_stop_asap,
        "minimumRuntimeConstraint": _time(limits.min_runtime_secs, limits.min_end_time),
        "maximumRuntimeConstraint": _time(limits.max_runtime_secs, limits.max_end_time),
        "minNumTrials": limits.min_num_trials,
        "maxNumTrials": limits.max_num_trials,
        "maxNumTrialsNoProgress": limits.max_num_trials_no_progress,
        "maxDurationNoProgress": _duration(limits.max_secs_no_progress),
    }
    return {name: value for name, value in spec.items() if value is not None}


def _time(secs: float | None, moment: str | None) -> dict[str, str] | None:
    if moment is not None:
        return {"endTime": moment}
    duration = _duration(secs)
    return None if duration is None else {"maxDuration": duration}


def _duration(secs: float | None) -> str | None:
    """As JSON has it: at most nine decimal places."""
    return None if secs is None else f"{secs:.9f}".rstrip("0").rstrip(".") + "s"
