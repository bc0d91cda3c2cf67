"""Bayesian optimisation for large studies: Optuna's tree-structured Parzen estimator, over the unit cube of a space."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence

import optuna

from trainer.launch.study.study import Assignment, Kind, Parameter, Study, Value
from trainer.launch.sweep import space


def suggest(
    study: Study, tried: Sequence[tuple[Assignment, float]], pending: Sequence[Assignment], seed: int
) -> Assignment:
    """Values for the next trial.

    Args:
      study: for its parameters.
      tried: values and the loss that each gave.
      pending: values of trials under way.
      seed: of the choice.
    """
    with quiet():
        sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True)
        memory = optuna.create_study(sampler=sampler)
        for assignment, value in tried:
            memory.add_trial(_frozen(study, assignment, value))
        for assignment in pending:
            memory.add_trial(_frozen(study, assignment, None))
        return _asked(study, memory.ask())


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without Optuna's log lines and its remarks that a part of it is new."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


def _asked(study: Study, trial: optuna.Trial) -> Assignment:
    found: dict[str, Value] = {}
    for parameter in study.parameters:
        if not study.active(parameter, found):
            continue
        if parameter.kind is Kind.CATEGORICAL:
            index = trial.suggest_categorical(parameter.name, range(len(parameter.values)))
            found[parameter.name] = parameter.values[index]
        else:
            found[parameter.name] = space.value_at(parameter, trial.suggest_float(parameter.name, 0.0, 1.0))
    return found


def _frozen(study: Study, assignment: Assignment, value: float | None) -> optuna.trial.FrozenTrial:
    entries = [parameter for parameter in study.parameters if parameter.name in assignment]
    states = optuna.trial.TrialState
    return optuna.trial.create_trial(
        state=states.RUNNING if value is None else states.COMPLETE,
        value=value,
        params={entry.name: _inner(entry, assignment[entry.name]) for entry in entries},
        distributions={entry.name: _distribution(entry) for entry in entries},
    )


def _inner(parameter: Parameter, value: Value) -> float:
    if parameter.kind is Kind.CATEGORICAL:
        return parameter.values.index(value)
    return space.coordinate_of(parameter, value)


def _distribution(parameter: Parameter) -> optuna.distributions.BaseDistribution:
    if parameter.kind is Kind.CATEGORICAL:
        return optuna.distributions.CategoricalDistribution(range(len(parameter.values)))
    return optuna.distributions.FloatDistribution(0.0, 1.0)
