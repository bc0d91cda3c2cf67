"""What a study may be, and what is said of one that may not."""

from __future__ import annotations

from typing import Any

import pytest

from trainer.job.errors import FindingsError
from trainer.launch.study.parameter import Kind, Parameter, Scale
from trainer.launch.study.stopping import ConvexStopping, StudyStopping
from trainer.launch.study.study import Algorithm, Goal, Study

RATE = Parameter(name="learning_rate", kind=Kind.DOUBLE, minimum=1e-3, maximum=0.1, scale=Scale.LOG)
UNITS = Parameter(name="lstm_units", spelled="lstm-units", kind=Kind.INTEGER, minimum=2, maximum=32)
OPTIMIZER = Parameter(name="optimizer", kind=Kind.CATEGORICAL, values=("adam", "momentum"))
BATCH = Parameter(name="train_batch_size", kind=Kind.DISCRETE, values=(50.0, 100.0))
MOMENTUM = Parameter(
    name="momentum", kind=Kind.DOUBLE, minimum=0.5, maximum=0.99, parent="optimizer", parent_values=("momentum",)
)


def study(*parameters: Parameter, **settings: Any) -> Study:
    given = {"goal": Goal.MINIMIZE, "metric": "rmse", "max_trials": 20} | settings
    return Study(parameters=parameters, **given)


def test_flags_are_those_that_a_cloud_passes() -> None:
    whole = study(RATE, UNITS, BATCH, OPTIMIZER, MOMENTUM)
    assignment = {"learning_rate": 0.01, "lstm_units": 8, "train_batch_size": 100.0, "optimizer": "adam"}
    assert whole.flags(assignment) == [
        *("--learning_rate=0.01", "--lstm-units=8", "--train_batch_size=100", "--optimizer=adam")
    ]
    assert RATE.flag(1e-05) == "--learning_rate=1e-05"


def test_a_parameter_is_active_when_its_parent_has_one_of_its_values() -> None:
    whole = study(OPTIMIZER, MOMENTUM)
    assert whole.active(OPTIMIZER, {})
    assert whole.active(MOMENTUM, {"optimizer": "momentum"})
    assert not whole.active(MOMENTUM, {"optimizer": "adam"})
    assert not whole.active(MOMENTUM, {})


def test_values_are_reported_from_others() -> None:
    assert UNITS.has(2) and UNITS.has(32.0) and not UNITS.has(2.5) and not UNITS.has(33) and not UNITS.has("8")
    assert RATE.has(0.05) and not RATE.has(0.2)
    assert OPTIMIZER.has("adam") and not OPTIMIZER.has("sgd")
    assert (UNITS.space, BATCH.space) == ("2 to 32", "50, 100")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": Kind.DOUBLE, "minimum": 1.0}, "x, a DOUBLE, has no maxValue. Accepted: minValue and maxValue, both."),
        (
            {"kind": Kind.INTEGER, "minimum": 5, "maximum": 2},
            "minValue 5 is above maxValue 2. Accepted: minValue up to",
        ),
        ({"kind": Kind.INTEGER, "minimum": 1.5, "maximum": 2}, "minValue: 1.5 of an INTEGER. Accepted: a whole number"),
        ({"kind": Kind.INTEGER, "minimum": 1, "maximum": 2**70}, "Accepted: a number of 64 bits"),
        ({"kind": Kind.DOUBLE, "minimum": 1.0, "maximum": float("inf")}, "maxValue: inf. Accepted: a finite number"),
        ({"kind": Kind.DOUBLE, "minimum": 0.0, "maximum": 1.0, "scale": Scale.LOG}, "minValue 0 on UNIT_LOG_SCALE."),
        (
            {"kind": Kind.DISCRETE, "values": (-1.0, 2.0), "scale": Scale.REVERSE_LOG},
            "The discrete value -1 on UNIT_REVERSE_LOG_SCALE. Accepted: values above 0 only",
        ),
        ({"kind": Kind.DISCRETE}, "x, a DISCRETE, has no values. Accepted: 1 to 1000 numbers."),
        (
            {"kind": Kind.DISCRETE, "values": tuple(map(float, range(1001)))},
            "x has 1001 discrete values. Accepted: at mo",
        ),
        ({"kind": Kind.DISCRETE, "values": (2.0, 1.0)}, "The discrete value 1 after 2. Accepted: increasing values"),
        ({"kind": Kind.DISCRETE, "values": (1.0, 1.0)}, "The discrete value 1 appears twice."),
        (
            {"kind": Kind.DISCRETE, "values": (1.0, 1.0 + 1e-12)},
            "right after 1.0. Accepted: increasing values, at least",
        ),
        (
            {"kind": Kind.DISCRETE, "values": (1.0, float("nan"))},
            "nan among discrete values. Accepted: finite numbers.",
        ),
        ({"kind": Kind.DISCRETE, "values": (1.0,), "minimum": 1.0}, "x, a DISCRETE, has minValue. Accepted: a list"),
        ({"kind": Kind.DOUBLE, "minimum": 1.0, "maximum": 2.0, "values": (1.0,)}, "x, a DOUBLE, has values."),
        ({"kind": Kind.CATEGORICAL}, "x, a CATEGORICAL, has no values."),
        ({"kind": Kind.CATEGORICAL, "values": ("a", "a")}, "The categorical value 'a' appears twice."),
        ({"kind": Kind.CATEGORICAL, "values": ("a",), "scale": Scale.LINEAR}, "scaleType UNIT_LINEAR_SCALE of a CATEG"),
        ({"kind": Kind.CATEGORICAL, "values": ("a",), "parent": "y"}, "x has a parent without values"),
    ],
)
def test_a_parameter_that_cannot_be_searched_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(FindingsError) as caught:
        Parameter(name="x", **settings)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("parameters", "settings", "message"),
    [
        ((), {}, "No parameter. Accepted: 1 or more."),
        ((RATE, RATE), {}, "The parameter learning_rate appears twice. Accepted: each parameter once."),
        ((RATE,), {"metric": ""}, "No metric. Accepted: one name without spaces. Name one that the job reports."),
        ((RATE,), {"metric": "my metric"}, "The metric 'my metric'. Accepted: one name without spaces."),
        ((RATE,), {"max_trials": 0}, "maxTrials: 0. Accepted: a whole number from 1 up."),
        ((RATE,), {"max_parallel_trials": -1}, "maxParallelTrials: -1. Accepted: a whole number from 1 up."),
        ((RATE,), {"max_failed_trials": -1}, "maxFailedTrials: -1. Accepted: a whole number from 0 up."),
        ((RATE,), {"algorithm": Algorithm.GRID}, "learning_rate, a DOUBLE, under GRID_SEARCH."),
        ((MOMENTUM, OPTIMIZER), {}, "momentum depends on optimizer, which is not above it."),
        (
            (Parameter(name="optimizer", kind=Kind.CATEGORICAL, values=("adam",)), MOMENTUM),
            {},
            "momentum depends on optimizer being momentum, which it never is. Accepted: values of optimizer: adam.",
        ),
        (
            (RATE, Parameter(name="x", kind=Kind.CATEGORICAL, values=("a",), parent=RATE.name, parent_values=(0.1,))),
            {},
            "x depends on learning_rate, a DOUBLE. Accepted: a parent of type INTEGER, DISCRETE or CATEGORICAL.",
        ),
        (
            (UNITS,),
            {"stopping": ConvexStopping(learning_rate_parameter="learning_rate")},
            "learningRateParameterName: learning_rate, which is not searched. Accepted: a parameter of the study: lstm",
        ),
    ],
)
def test_a_study_that_cannot_run_is_refused(
    parameters: tuple[Parameter, ...], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(FindingsError) as caught:
        study(*parameters, **settings)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_num_trials": 0}, "maxNumTrials: 0. Accepted: a whole number from 1 up."),
        ({"min_num_trials": 9, "max_num_trials": 3}, "minNumTrials 9 is above maxNumTrials 3."),
        ({"max_runtime_secs": 0.0}, "0.0 seconds. Accepted: more than 0 seconds."),
        (
            {"min_runtime_secs": 60.0, "max_runtime_secs": 6.0},
            "minimumRuntimeConstraint 60s is above maximumRuntimeConstraint 6s.",
        ),
        (
            {"max_runtime_secs": 6.0, "max_end_time": "2026-01-31T12:00:00Z"},
            "maxDuration together with endTime. Accepted: one",
        ),
    ],
)
def test_limits_that_contradict_each_other_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(FindingsError) as caught:
        StudyStopping(**settings)
    assert message in str(caught.value)


def test_all_errors_are_reported_at_once() -> None:
    with pytest.raises(FindingsError) as caught:
        study(RATE, RATE, max_trials=0, metric="")
    assert [finding.where for finding in caught.value.findings] == [("metric",), ("max_trials",), ("parameters", 1)]
    with pytest.raises(FindingsError, match="minStepCount 5 is above maxStepCount 2"):
        ConvexStopping(max_step_count=2, min_step_count=5)
