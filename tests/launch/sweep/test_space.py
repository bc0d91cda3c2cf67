"""The unit cube of a study: scales, kinds, conditions, grids."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.launch.study.parameter import Kind, Parameter, Scale
from trainer.launch.study.study import Algorithm, Goal, Study
from trainer.launch.sweep import space

RATE = Parameter(name="rate", kind=Kind.DOUBLE, minimum=0.001, maximum=0.1, scale=Scale.LOG)
MOMENTUM = Parameter(name="momentum", kind=Kind.DOUBLE, minimum=0.5, maximum=0.99, scale=Scale.REVERSE_LOG)
UNITS = Parameter(name="units", kind=Kind.INTEGER, minimum=2, maximum=5)
WIDTH = Parameter(name="width", kind=Kind.INTEGER, minimum=1, maximum=64, scale=Scale.LOG)
BATCH = Parameter(name="batch", kind=Kind.DISCRETE, values=(16.0, 32.0, 128.0))
MODEL = Parameter(name="model", kind=Kind.CATEGORICAL, values=("lstm", "dnn"))
LAYERS = Parameter(name="layers", kind=Kind.INTEGER, minimum=1, maximum=3, parent="model", parent_values=("dnn",))
ALL = (RATE, MOMENTUM, UNITS, WIDTH, BATCH, MODEL)


def study(*parameters: Parameter, algorithm: Algorithm = Algorithm.BAYESIAN) -> Study:
    return Study(goal=Goal.MINIMIZE, metric="rmse", parameters=parameters, algorithm=algorithm)


@pytest.mark.parametrize(
    ("parameter", "coordinate", "value"),
    [
        (RATE, 0.0, 0.001),
        (RATE, 0.5, 0.01),
        (RATE, 1.0, 0.1),
        (MOMENTUM, 0.0, 0.5),
        (MOMENTUM, 1.0, 0.99),
        (UNITS, 0.0, 2),
        (UNITS, 0.24, 2),
        (UNITS, 0.26, 3),
        (UNITS, 1.0, 5),
        (BATCH, 0.0, 16.0),
        (BATCH, 0.34, 32.0),
        (BATCH, 1.0, 128.0),
        (MODEL, 0.49, "lstm"),
        (MODEL, 0.51, "dnn"),
    ],
)
def test_a_coordinate_is_a_value_by_the_scale(parameter: Parameter, coordinate: float, value: float | str) -> None:
    decoded = space.value_at(parameter, coordinate)
    assert decoded == (pytest.approx(value) if isinstance(value, float) else value)
    assert type(decoded) is type(value)


def test_the_reverse_logarithm_spreads_what_is_near_the_maximum() -> None:
    mirrored = Parameter(name="x", kind=Kind.DOUBLE, minimum=0.5, maximum=0.99, scale=Scale.LOG)
    for coordinate in (0.1, 0.5, 0.8):
        from_top = space.value_at(mirrored, 1 - coordinate)
        assert space.value_at(MOMENTUM, coordinate) == pytest.approx(0.5 + 0.99 - float(from_top))


@given(st.sampled_from(ALL), st.floats(0, 1))
def test_every_value_is_one_of_the_parameter_and_comes_back(parameter: Parameter, coordinate: float) -> None:
    value = space.value_at(parameter, coordinate)
    assert parameter.has(value)
    again = space.value_at(parameter, space.coordinate_of(parameter, value))
    assert again == value or (isinstance(again, float) and math.isclose(again, value, rel_tol=1e-9))


def test_a_parameter_is_there_only_with_its_parents_value() -> None:
    searched = study(MODEL, LAYERS)
    assert space.decode(searched, [0.1, 0.9]) == {"model": "lstm"}
    assert space.decode(searched, [0.9, 0.9]) == {"model": "dnn", "layers": 3}
    assert space.encode(searched, {"model": "lstm"}) == [0.25, space.MIDDLE]


def test_a_grid_has_every_combination_once() -> None:
    combinations = list(space.grid(study(MODEL, LAYERS, BATCH, algorithm=Algorithm.GRID)))
    assert combinations[0] == {"model": "lstm", "batch": 16.0}
    assert combinations[3] == {"model": "dnn", "layers": 1, "batch": 16.0}
    assert len(combinations) == 3 + 3 * 3
    assert all(one != other for one, other in itertools.combinations(combinations, 2))


def test_the_ends_of_a_single_value_are_no_trouble() -> None:
    fixed = Parameter(name="x", kind=Kind.DOUBLE, minimum=2.0, maximum=2.0)
    assert space.value_at(fixed, 0.3) == 2.0 and space.coordinate_of(fixed, 2.0) == space.MIDDLE
