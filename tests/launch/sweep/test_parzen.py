"""Optuna's estimator behind the seam."""

from __future__ import annotations

import warnings

import optuna

from trainer.launch.study.study import Goal, Kind, Parameter, Scale, Study
from trainer.launch.sweep import parzen

STUDY = Study(
    goal=Goal.MINIMIZE,
    metric="m",
    parameters=(
        Parameter(name="model", kind=Kind.CATEGORICAL, values=("a", "b")),
        Parameter(
            name="rate",
            kind=Kind.DOUBLE,
            minimum=0.01,
            maximum=1.0,
            scale=Scale.REVERSE_LOG,
            parent="model",
            parent_values=("b",),
        ),
    ),
)


def test_it_suggests_what_was_good_and_the_same_for_the_same_seed() -> None:
    tried = [({"model": "a"}, 5.0 + number) for number in range(15)]
    tried += [({"model": "b", "rate": 0.1 + number / 100}, number / 100) for number in range(15)]  # type: ignore[list-item]
    found = [parzen.suggest(STUDY, tried, [{"model": "a"}], seed) for seed in range(10)]
    assert sum(values["model"] == "b" for values in found) >= 8
    assert all(("rate" in values) == (values["model"] == "b") for values in found)
    assert found[3] == parzen.suggest(STUDY, tried, [{"model": "a"}], 3)


def test_optuna_is_quiet_inside_and_as_before_outside() -> None:
    before = optuna.logging.get_verbosity()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with parzen.quiet():
            assert optuna.logging.get_verbosity() == optuna.logging.ERROR
            warnings.warn("new", optuna.exceptions.ExperimentalWarning, stacklevel=1)
    assert optuna.logging.get_verbosity() == before
