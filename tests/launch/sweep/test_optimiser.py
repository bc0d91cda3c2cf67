"""The seam before the optimiser, and how good what stands behind it is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable

import optuna
import pytest

from trainer.launch.study.study import Algorithm, Assignment, Goal, Kind, MedianStopping, Parameter, Scale, Study, Value
from trainer.launch.sweep import optimiser, parzen
from trainer.launch.sweep.evaluations import Evaluation
from trainer.launch.sweep.optimiser import Optimiser, Outcome, Result, SeededOptimiser

X = Parameter(name="x", kind=Kind.DOUBLE, minimum=-5.0, maximum=10.0)
Y = Parameter(name="y", kind=Kind.DOUBLE, minimum=0.0, maximum=15.0)
SEEDS = range(20)
TRIALS = 30


def branin(x: float, y: float) -> float:
    """Its three minima are 0.3979 (Branin 1972)."""
    valley = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
    return valley**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def study(*parameters: Parameter, algorithm: Algorithm = Algorithm.BAYESIAN, **more: object) -> Study:
    fields = {"goal": Goal.MINIMIZE, "metric": "m", "max_trials": TRIALS, **more}
    return Study(parameters=parameters or (X, Y), algorithm=algorithm, **fields)  # type: ignore[arg-type]


def best(found: Optimiser, objective: Callable[[Assignment], float], trials: int = TRIALS, parallel: int = 1) -> float:
    """The lowest value after `trials`, of which `parallel` are under way at any time."""
    lowest, under_way = math.inf, []
    for _ in range(trials):
        suggestion = found.ask()
        assert suggestion is not None
        under_way.append(suggestion)
        if len(under_way) == parallel:
            ended = under_way.pop(0)
            value = objective(ended.assignment)
            lowest = min(lowest, value)
            found.tell(ended.number, Result(outcome=Outcome.DONE, value=value))
    return min([lowest, *(objective(left.assignment) for left in under_way)])


def median_on_branin(algorithm: Algorithm, parallel: int = 1, seeds: range = SEEDS) -> float:
    def objective(values: Assignment) -> float:
        return branin(float(values["x"]), float(values["y"]))

    seeded = (SeededOptimiser(study(algorithm=algorithm), seed) for seed in seeds)
    return statistics.median(best(one, objective, parallel=parallel) for one in seeded)


def median_of_optuna() -> float:
    found = []
    with parzen.quiet():
        for seed in SEEDS:
            direct = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
            direct.optimize(lambda t: branin(t.suggest_float("x", -5, 10), t.suggest_float("y", 0, 15)), TRIALS)
            found.append(direct.best_value)
    return statistics.median(found)


def test_bayesian_finds_the_minimum_of_branin_and_beats_random_and_optuna() -> None:
    bayesian, random, direct = (
        median_on_branin(Algorithm.BAYESIAN),
        median_on_branin(Algorithm.RANDOM),
        median_of_optuna(),
    )
    assert bayesian <= 0.5, (bayesian, random, direct)
    assert bayesian < direct < random


def test_with_four_trials_at_a_time_it_is_nearly_as_good() -> None:
    assert median_on_branin(Algorithm.BAYESIAN, parallel=4, seeds=range(8)) <= 0.5


def test_tpe_takes_over_in_large_studies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimiser, "MOST_GAUSSIAN_TRIALS", 0)
    assert median_on_branin(Algorithm.BAYESIAN) < median_on_branin(Algorithm.RANDOM)


MIXED = (
    Parameter(name="model", kind=Kind.CATEGORICAL, values=("lstm", "dnn")),
    Parameter(
        name="rate",
        kind=Kind.DOUBLE,
        minimum=1e-4,
        maximum=0.1,
        scale=Scale.LOG,
        parent="model",
        parent_values=("lstm",),
    ),
    Parameter(name="momentum", kind=Kind.DOUBLE, minimum=0.5, maximum=0.999, scale=Scale.REVERSE_LOG),
    Parameter(name="batch", kind=Kind.DISCRETE, values=(16.0, 32.0, 64.0)),
    Parameter(name="units", kind=Kind.INTEGER, minimum=1, maximum=20),
)


def cost(values: Assignment) -> float:
    rate = float(values.get("rate", 1.0))
    fixed = {"lstm": 0.0, "dnn": 4.0}[str(values["model"])]
    return fixed + abs(math.log10(rate) + 2) + abs(float(values["momentum"]) - 0.9) + abs(int(values["units"]) - 7) / 9


@pytest.mark.parametrize("gaussian", [True, False])
def test_every_kind_of_parameter_is_learned_from(gaussian: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimiser, "MOST_GAUSSIAN_TRIALS", 200 if gaussian else 0)
    bayesian = statistics.median(best(SeededOptimiser(study(*MIXED), seed), cost, 25) for seed in range(5))
    random = study(*MIXED, algorithm=Algorithm.RANDOM)
    assert bayesian < statistics.median(best(SeededOptimiser(random, seed), cost, 25) for seed in range(5))


def test_values_have_the_types_of_their_parameters() -> None:
    found = SeededOptimiser(study(*MIXED), 3)
    kinds: dict[str, type[Value]] = {"model": str, "rate": float, "momentum": float, "batch": float, "units": int}
    for _ in range(12):
        suggestion = found.ask()
        assert suggestion is not None
        assert ("rate" in suggestion.assignment) == (suggestion.assignment["model"] == "lstm")
        assert all(type(value) is kinds[name] for name, value in suggestion.assignment.items())
        found.tell(suggestion.number, Result(outcome=Outcome.DONE, value=cost(suggestion.assignment)))


def test_a_restarted_optimiser_chooses_what_the_first_would_have_chosen() -> None:
    first, asked, told = SeededOptimiser(study(*MIXED), 5), {}, {}
    for _ in range(12):
        suggestion = first.ask()
        assert suggestion is not None
        asked[suggestion.number] = suggestion.assignment
        told[suggestion.number] = Result(outcome=Outcome.DONE, value=cost(suggestion.assignment))
        first.tell(suggestion.number, told[suggestion.number])
    again = SeededOptimiser(study(*MIXED), 5, {number: asked[number] for number in range(1, 10)})
    for number in range(1, 10):
        again.tell(number, told[number])
    suggestion = again.ask()
    assert suggestion is not None and suggestion.number == 10
    assert suggestion.assignment == asked[10]


def test_a_failed_trial_is_as_bad_as_the_worst_and_all_failed_ones_are_random() -> None:
    found = SeededOptimiser(study(X), 0)
    for _ in range(6):
        suggestion = found.ask()
        assert suggestion is not None
        found.tell(suggestion.number, Result(outcome=Outcome.FAILED, reason="no luck"))
    assert found._losses() == {}
    found.tell(2, Result(outcome=Outcome.DONE, value=3.0))
    assert found._losses() == dict.fromkeys(range(1, 7), 3.0)
    assert found.ask() is not None


def test_maximising_is_minimising_the_negative() -> None:
    found = SeededOptimiser(study(X, goal=Goal.MAXIMIZE), 1)
    best(found, lambda values: -((float(values["x"]) - 2) ** 2), 12)
    last = found.ask()
    assert last is not None and abs(float(last.assignment["x"]) - 2) < 1


def test_a_grid_ends_when_all_is_tried() -> None:
    discrete = Parameter(name="batch", kind=Kind.DISCRETE, values=(16.0, 32.0))
    found = SeededOptimiser(study(discrete, algorithm=Algorithm.GRID), 0)
    asked = [found.ask() for _ in range(3)]
    assert [entry and entry.assignment for entry in asked] == [{"batch": 16.0}, {"batch": 32.0}, None]


def test_the_first_trials_share_each_range_evenly() -> None:
    firsts = optimiser.first_trials(study(X, Y))
    values = [optimiser.evenly(study(X, Y), 9, number, firsts)["x"] for number in range(1, firsts + 1)]
    assert sorted(int((float(value) + 5) / 15 * firsts) for value in values) == list(range(firsts))


def test_only_trials_that_are_done_say_what_is_hopeless() -> None:
    found = SeededOptimiser(study(X, stopping=MedianStopping()), 0)
    bad = [Evaluation(step=10, value=5.0, secs=1.0)]
    for number in range(1, 4):
        assert found.should_stop(9, bad) is None
        curve = [Evaluation(step=10, value=1.0, secs=1.0)]
        found.tell(number, Result(outcome=Outcome.DONE, value=1.0, evaluations=curve))
    assert found.should_stop(9, bad) == "its best is worse than the median of 3 trials"
    assert found.should_stop(9, [Evaluation(step=10, value=0.5, secs=1.0)]) is None
    assert SeededOptimiser(study(X), 0).should_stop(9, bad) is None
