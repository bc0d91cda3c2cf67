"""The space of a study as a unit cube with a coordinate for each parameter, and as Optuna's distributions.

Samplers choose and learn in the cube. Equal distances in it are equal on the parameter's scale: equal differences
(linear), equal ratios (log), or equal ratios of the distances from just above the maximum (reverse log). Each whole or
listed number has an equal share of its coordinate.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from trainer.launch.study.parameter import Assignment, Kind, Parameter, Scale, Value
from trainer.launch.study.study import Study

MIDDLE = 0.5


def decode(study: Study, point: Sequence[float]) -> Assignment:
    """The values at a point of the cube; a parameter that a trial with the other values does not have is left out."""
    assignment: dict[str, Value] = {}
    for parameter, coordinate in zip(study.parameters, point, strict=True):
        if study.active(parameter, assignment):
            assignment[parameter.name] = value_at(parameter, coordinate)
    return assignment


def encode(study: Study, assignment: Assignment) -> list[float]:
    """The point of the cube with these values; a parameter that is absent is in the middle."""
    return [
        coordinate_of(parameter, assignment[parameter.name]) if parameter.name in assignment else MIDDLE
        for parameter in study.parameters
    ]


def value_at(parameter: Parameter, coordinate: float) -> Value:
    """The value of a parameter at `coordinate`, 0 to 1."""
    if parameter.kind in (Kind.CATEGORICAL, Kind.DISCRETE):
        return parameter.values[min(int(coordinate * len(parameter.values)), len(parameter.values) - 1)]
    low, high = _bounds(parameter)
    minimum, maximum = limits(parameter)
    value = min(max(_scaled(parameter.scale, low, high, coordinate), minimum), maximum)
    return min(max(round(value), int(minimum)), int(maximum)) if parameter.kind is Kind.INTEGER else float(value)


def coordinate_of(parameter: Parameter, value: Value) -> float:
    """The inverse of `value_at`: the middle of the value's share where it has one."""
    if parameter.kind in (Kind.CATEGORICAL, Kind.DISCRETE):
        return (parameter.values.index(value) + MIDDLE) / len(parameter.values)
    low, high = _bounds(parameter)
    if low == high or isinstance(value, str):
        return MIDDLE
    match parameter.scale:
        case Scale.LOG:
            coordinate = math.log(value / low) / math.log(high / low)
        case Scale.REVERSE_LOG:
            coordinate = 1 - math.log((low + high - value) / low) / math.log(high / low)
        case _:
            coordinate = (value - low) / (high - low)
    return min(max(coordinate, 0.0), 1.0)


def grid(study: Study) -> Iterator[Assignment]:
    """Every combination, the last parameter changing fastest; whole numbers from the minimum up."""
    yield from _combinations(study, 0, {})


def _combinations(study: Study, at: int, before: dict[str, Value]) -> Iterator[Assignment]:
    if at == len(study.parameters):
        yield dict(before)
        return
    parameter = study.parameters[at]
    if not study.active(parameter, before):
        yield from _combinations(study, at + 1, before)
        return
    for value in _listed(parameter):
        yield from _combinations(study, at + 1, {**before, parameter.name: value})


def _listed(parameter: Parameter) -> Iterator[Value]:
    if parameter.kind is Kind.INTEGER:
        minimum, maximum = limits(parameter)
        yield from itertools.takewhile(lambda value: value <= maximum, itertools.count(int(minimum)))
    else:
        yield from parameter.values


def distribution(parameter: Parameter) -> BaseDistribution:
    """What Optuna's tools are told of a parameter; of the reverse logarithm they know nothing."""
    if parameter.kind in (Kind.CATEGORICAL, Kind.DISCRETE):
        return CategoricalDistribution(parameter.values)
    low, high = limits(parameter)
    is_log = parameter.scale is Scale.LOG
    if parameter.kind is Kind.INTEGER:
        return IntDistribution(int(low), int(high), log=is_log)
    return FloatDistribution(float(low), float(high), log=is_log)


def suggested(study: Study, trial: optuna.Trial) -> Assignment:
    """The values that the sampler of the trial's study gives to it, parents first; those it has already stay."""
    assignment: dict[str, Value] = {}
    for parameter in study.parameters:
        if study.active(parameter, assignment):
            assignment[parameter.name] = _suggested(parameter, trial)
    return assignment


def _suggested(parameter: Parameter, trial: optuna.Trial) -> Value:
    if parameter.kind in (Kind.CATEGORICAL, Kind.DISCRETE):
        value = trial.suggest_categorical(parameter.name, parameter.values)
        assert isinstance(value, float | int | str)
        return value
    low, high = limits(parameter)
    is_log = parameter.scale is Scale.LOG
    if parameter.kind is Kind.INTEGER:
        return trial.suggest_int(parameter.name, int(low), int(high), log=is_log)
    return trial.suggest_float(parameter.name, float(low), float(high), log=is_log)


def limits(parameter: Parameter) -> tuple[float, float]:
    """The least and the greatest value of a DOUBLE or INTEGER."""
    assert parameter.minimum is not None and parameter.maximum is not None  # `Parameter` has checked it
    return parameter.minimum, parameter.maximum


def _bounds(parameter: Parameter) -> tuple[float, float]:
    """The values at the ends of the coordinate: half a share beyond the limits of an INTEGER.

    So that its least and its greatest number have shares as large as the others'.
    """
    minimum, maximum = limits(parameter)
    return (minimum - MIDDLE, maximum + MIDDLE) if parameter.kind is Kind.INTEGER else (minimum, maximum)


def _scaled(scale: Scale, low: float, high: float, coordinate: float) -> float:
    match scale:
        case Scale.LOG:
            return low * (high / low) ** coordinate
        case Scale.REVERSE_LOG:
            return low + high - low * (high / low) ** (1 - coordinate)
        case _:
            return low + (high - low) * coordinate
