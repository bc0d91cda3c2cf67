"""The seam before the optimiser, `ask`, `tell`, `should_stop`, and what stands behind it: grid, random, Bayesian.

Whatever is chosen depends on the study, the seed, the number of the trial and what was told before, and on nothing
else: so a study that was killed chooses what it would have chosen. Another optimiser needs these three methods only.
"""

from __future__ import annotations

import dataclasses
import enum
import itertools
import math
import random
from collections.abc import Mapping, Sequence
from typing import Protocol

from trainer.launch.study.study import Algorithm, Assignment, Kind, Study
from trainer.launch.sweep import space, stopping
from trainer.launch.sweep.evaluations import Evaluation, loss

# A Gaussian process needs the fewest trials; its work grows with their cube, that of a Parzen estimator does not.
MOST_GAUSSIAN_TRIALS = 200


class Outcome(enum.Enum):
    DONE = "done"
    STOPPED = "stopped"  # by the stopping rule
    FAILED = "failed"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Suggestion:
    """A trial to be run: its number, from 1, and the values of its parameters."""

    number: int
    assignment: Assignment


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """How a trial ended.

    Attributes:
      outcome: with a value, unless it failed.
      value: of the metric, finite; None of a failed trial.
      evaluations: all that it reported.
      reason: why it was stopped or has failed; empty for one that is done.
    """

    outcome: Outcome
    value: float | None = None
    evaluations: Sequence[Evaluation] = ()
    reason: str = ""


class Optimiser(Protocol):
    """Who chooses the parameters of trials, and ends hopeless ones."""

    def ask(self) -> Suggestion | None:
        """The next trial; None when there is nothing left to try."""

    def tell(self, number: int, result: Result) -> None:
        """How the trial `number` ended."""

    def should_stop(self, number: int, evaluations: Sequence[Evaluation]) -> str | None:
        """Why the trial `number`, which has reported these, should end now; None: it should not."""


class SeededOptimiser:
    """Grid, random or Bayesian, as the study says.

    Args:
      study: goal, parameters, algorithm and stopping rule.
      seed: of every choice.
      known: trials of this study that were asked for already, by number from 1 without a gap.
    """

    def __init__(self, study: Study, seed: int, known: Mapping[int, Assignment] | None = None) -> None:
        self._study, self._seed = study, seed
        self._asked: dict[int, Assignment] = dict(known or {})
        self._results: dict[int, Result] = {}

    def ask(self) -> Suggestion | None:
        number = len(self._asked) + 1
        assignment = self._chosen(number)
        if assignment is None:
            return None
        self._asked[number] = assignment
        return Suggestion(number=number, assignment=assignment)

    def tell(self, number: int, result: Result) -> None:
        self._results[number] = result

    def should_stop(self, number: int, evaluations: Sequence[Evaluation]) -> str | None:
        if self._study.stopping is None:
            return None
        done = [
            result.evaluations
            for other, result in self._results.items()
            if other != number and result.outcome is Outcome.DONE
        ]
        return stopping.hopeless(self._study.stopping, self._study.goal, evaluations, done)

    def _chosen(self, number: int) -> Assignment | None:
        match self._study.algorithm:
            case Algorithm.GRID:
                return next(itertools.islice(space.grid(self._study), number - 1, None), None)
            case Algorithm.RANDOM:
                return at_random(self._study, self._seed, number)
            case Algorithm.BAYESIAN:
                return self._learned(number)

    def _learned(self, number: int) -> Assignment:
        """The first trials fill the space evenly, then a model of what they gave chooses."""
        losses = self._losses()
        starts = first_trials(self._study)
        if number <= starts:
            return evenly(self._study, self._seed, number, starts)
        if len(losses) < 2:
            return at_random(self._study, self._seed, number)
        pending = [assignment for other, assignment in self._asked.items() if other not in losses]
        tried = [(self._asked[other], value) for other, value in losses.items()]
        choose = by_gaussian_process if len(tried) <= MOST_GAUSSIAN_TRIALS else by_parzen_estimator
        return choose(self._study, tried, pending, _seed_of(self._seed, number))

    def _losses(self) -> dict[int, float]:
        """By trial; a failed one is as bad as the worst, so that its surroundings are left alone."""
        known = {
            number: loss(result.value, self._study.goal)
            for number, result in sorted(self._results.items())
            if result.value is not None
        }
        failed = [number for number, result in self._results.items() if result.value is None]
        return {**known, **dict.fromkeys(failed, max(known.values()))} if known else {}


def first_trials(study: Study) -> int:
    """How many trials fill the space before anything is learned from them."""
    return len(study.parameters) + 2


def at_random(study: Study, seed: int, number: int) -> Assignment:
    """Every point of the cube is as likely as any other."""
    rng = random.Random(_seed_of(seed, number))
    return space.decode(study, [rng.random() for _ in study.parameters])


def evenly(study: Study, seed: int, number: int, count: int) -> Assignment:
    """The trial `number` of `count` that share each parameter's range evenly: a Latin hypercube (McKay et al. 1979)."""
    rng = random.Random(_seed_of(seed, 0))
    point = []
    for _ in study.parameters:
        shares = rng.sample(range(count), count)
        point.append((shares[number - 1] + [rng.random() for _ in shares][number - 1]) / count)
    return space.decode(study, point)


def by_gaussian_process(
    study: Study, tried: Sequence[tuple[Assignment, float]], pending: Sequence[Assignment], seed: int
) -> Assignment:
    """Values with the best expected improvement.

    Args:
      study: for its parameters.
      tried: values and the loss that each gave, two or more.
      pending: values of trials under way.
      seed: of the search for it.
    """
    import numpy as np

    from trainer.launch.sweep import gaussian

    def snap(points: gaussian.Array) -> gaussian.Array:
        inside = np.clip(points, 0.0, 1.0)
        continuous = all(entry.kind is Kind.DOUBLE and entry.parent is None for entry in study.parameters)
        if continuous:
            return inside
        return np.array([space.encode(study, space.decode(study, row)) for row in inside])

    width = len(study.parameters)
    point = gaussian.suggest(
        np.array([space.encode(study, assignment) for assignment, _ in tried]),
        np.array([value for _, value in tried]),
        np.array([space.encode(study, assignment) for assignment in pending]).reshape(-1, width),
        [entry.kind is Kind.CATEGORICAL for entry in study.parameters],
        snap,
        np.random.default_rng(seed),
    )
    return space.decode(study, [float(coordinate) for coordinate in point])


def by_parzen_estimator(
    study: Study, tried: Sequence[tuple[Assignment, float]], pending: Sequence[Assignment], seed: int
) -> Assignment:
    """Values from Optuna's TPE (Bergstra et al. 2011), multivariate, with the arguments of `by_gaussian_process`."""
    from trainer.launch.sweep import parzen

    return parzen.suggest(study, tried, pending, seed)


def _seed_of(seed: int, number: int) -> int:
    """A seed for one trial, of 32 bits, which random and numpy both take."""
    return random.Random(f"{seed}:{number}").getrandbits(32)


def is_better(value: float, other: float | None, study: Study) -> bool:
    """Whether `value` beats `other` by the study's goal; NaN beats nothing."""
    if math.isnan(value):
        return False
    return other is None or loss(value, study.goal) < loss(other, study.goal)
