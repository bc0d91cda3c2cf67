"""Who chooses the parameters of trials, as samplers of Optuna: a grid, random values, or Bayesian optimisation.

What is chosen depends on the study, the seed, the number of the trial and the results so far, and on nothing else: a
study that was killed chooses what it would have chosen.
"""

from __future__ import annotations

import abc
import itertools
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from trainer.launch.study.parameter import Assignment, Kind
from trainer.launch.study.study import Algorithm, Study
from trainer.launch.sweep import gaussian, optuna_output, space, trial_records
from trainer.launch.sweep.evaluations import loss

# A Gaussian process needs the fewest trials; its work grows with their cube, that of a Parzen estimator does not.
MOST_GAUSSIAN_TRIALS = 200


class SeededSampler(optuna.samplers.BaseSampler, abc.ABC):
    """Chooses all parameters of a trial together.

    Args:
      definition: the study, for its goal and parameters.
      seed: of every choice.
    """

    def __init__(self, definition: Study, seed: int) -> None:
        self._definition, self._seed = definition, seed

    @abc.abstractmethod
    def choose(self, study: optuna.Study, number: int) -> Assignment:
        """The values of the trial `number`, from 1; `study` has the trials before it."""

    def is_exhausted(self, study: optuna.Study) -> bool:
        """Whether there is nothing left to try."""
        return False

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All parameters, also those that only some trials have."""
        return {entry.name: space.distribution(entry) for entry in self._definition.parameters}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The values of the trial, without the parameters that it does not have because of other values.

        Args:
          study: of Optuna.
          trial: that they are for.
          search_space: not used: the study's definition says more.
        """
        return dict(self.choose(study, trial.number + 1))

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A random value, for an objective that asks for a parameter which this trial does not have.

        Args:
          study: of Optuna.
          trial: that it is for.
          param_name: of the parameter.
          param_distribution: of its values.
        """
        at_random = optuna.samplers.RandomSampler(seed_of(self._seed, trial.number + 1))
        return at_random.sample_independent(study, trial, param_name, param_distribution)


class GridSampler(SeededSampler):
    """Every combination once. Optuna's own grid knows no parameters that depend on others, and shuffles."""

    def choose(self, study: optuna.Study, number: int) -> Assignment:
        return self._at(number) or {}

    def is_exhausted(self, study: optuna.Study) -> bool:
        return self._at(len(study.get_trials(deepcopy=False)) + 1) is None

    def _at(self, number: int) -> Assignment | None:
        return next(itertools.islice(space.grid(self._definition), number - 1, None), None)


class RandomSampler(SeededSampler):
    """Every point of the unit cube is as likely as any other; Optuna's own forgets its state in a kill."""

    def choose(self, study: optuna.Study, number: int) -> Assignment:
        rng = random.Random(seed_of(self._seed, number))
        return space.decode(self._definition, [rng.random() for _ in self._definition.parameters])


class BayesianSampler(RandomSampler):
    """The first trials fill the space evenly, then a model of their results chooses.

    Args:
      definition: the study.
      seed: of every choice.
      most_gaussian_trials: results that a Gaussian process learns from; of more, Optuna's Parzen estimator does.
    """

    def __init__(self, definition: Study, seed: int, *, most_gaussian_trials: int = MOST_GAUSSIAN_TRIALS) -> None:
        super().__init__(definition, seed)
        self._most_gaussian_trials = most_gaussian_trials

    def choose(self, study: optuna.Study, number: int) -> Assignment:
        starts = first_trials(self._definition)
        if number <= starts:
            return evenly(self._definition, self._seed, number, starts)
        earlier = study.get_trials(deepcopy=False)[: number - 1]
        tried, losses = self.losses(earlier)
        if len(losses) < 2:
            return super().choose(study, number)
        pending = [dict(trial.params) for trial in earlier if trial.state is TrialState.RUNNING]
        suggest = by_gaussian_process if len(losses) <= self._most_gaussian_trials else by_parzen_estimator
        return suggest(self._definition, tried, losses, pending, seed_of(self._seed, number))

    def losses(self, trials: Sequence[FrozenTrial]) -> tuple[list[Assignment], list[float]]:
        """Parameters of the ended trials and their losses, none where no trial has a result.

        A failed trial is as bad as the worst, so that its surroundings are left alone; Optuna's own samplers would
        ignore it.
        """
        ended = [trial_records.from_optuna(trial, self._definition) for trial in trials if trial.state.is_finished()]
        values = [loss(trial.value, self._definition.goal) for trial in ended if trial.value is not None]
        if not values:
            return [], []
        worst = max(values)
        losses = [worst if trial.value is None else loss(trial.value, self._definition.goal) for trial in ended]
        return [trial.assignment for trial in ended], losses


def sampler(definition: Study, seed: int) -> SeededSampler:
    """The one that the study names."""
    match definition.algorithm:
        case Algorithm.GRID:
            return GridSampler(definition, seed)
        case Algorithm.RANDOM:
            return RandomSampler(definition, seed)
        case Algorithm.BAYESIAN:
            return BayesianSampler(definition, seed)


def first_trials(definition: Study) -> int:
    """How many trials fill the space before anything is learned from them."""
    return len(definition.parameters) + 2


def evenly(definition: Study, seed: int, number: int, count: int) -> Assignment:
    """One of the trials that share each parameter's range evenly: a Latin hypercube (McKay et al. 1979).

    Args:
      definition: for its parameters.
      seed: of the study.
      number: of the trial, 1 to `count`.
      count: of such trials.
    """
    rng = random.Random(seed_of(seed, 0))
    point = []
    for _ in definition.parameters:
        shares = rng.sample(range(count), count)
        point.append((shares[number - 1] + [rng.random() for _ in shares][number - 1]) / count)
    return space.decode(definition, point)


def by_gaussian_process(
    definition: Study, tried: Sequence[Assignment], losses: Sequence[float], pending: Sequence[Assignment], seed: int
) -> Assignment:
    """Values with the best expected improvement, by `gaussian`.

    Args:
      definition: for its parameters.
      tried: values of the ended trials, two or more.
      losses: of each of them.
      pending: values of running trials.
      seed: of the search for the best values.
    """

    def snap(points: gaussian.Array) -> gaussian.Array:
        inside = np.clip(points, 0.0, 1.0)
        continuous = all(entry.kind is Kind.DOUBLE and entry.parent is None for entry in definition.parameters)
        if continuous:
            return inside
        return np.array([space.encode(definition, space.decode(definition, row)) for row in inside])

    point = gaussian.suggest(
        np.array([space.encode(definition, assignment) for assignment in tried]),
        np.array(losses),
        np.array([space.encode(definition, values) for values in pending]).reshape(-1, len(definition.parameters)),
        [entry.kind is Kind.CATEGORICAL for entry in definition.parameters],
        snap,
        np.random.default_rng(seed),
    )
    return space.decode(definition, [float(coordinate) for coordinate in point])


def by_parzen_estimator(
    definition: Study, tried: Sequence[Assignment], losses: Sequence[float], pending: Sequence[Assignment], seed: int
) -> Assignment:
    """Values from Optuna's tree-structured Parzen estimator (Bergstra et al. 2011), multivariate.

    It learns from a study of its own, in which failed trials have a loss.

    Args:
      definition: for its parameters.
      tried: values of the ended trials.
      losses: of each of them.
      pending: values of running trials.
      seed: of the choice.
    """
    with optuna_output.silenced():
        estimator = optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True)
        memory = optuna.create_study(sampler=estimator)
        memory.add_trials([_told(definition, values, value) for values, value in zip(tried, losses, strict=True)])
        memory.add_trials([_told(definition, values, None) for values in pending])
        return space.suggested(definition, memory.ask())


def _told(definition: Study, values: Assignment, value: float | None) -> FrozenTrial:
    """A trial with these values; a running one where `value` is None."""
    return optuna.trial.create_trial(
        state=TrialState.RUNNING if value is None else TrialState.COMPLETE,
        value=value,
        params=dict(values),
        distributions={
            entry.name: space.distribution(entry) for entry in definition.parameters if entry.name in values
        },
    )


def seed_of(seed: int, number: int) -> int:
    """A seed for one trial, of 32 bits, which random and numpy both take."""
    return random.Random(f"{seed}:{number}").getrandbits(32)
