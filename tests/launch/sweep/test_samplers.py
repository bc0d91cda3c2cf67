"""The samplers as Optuna runs them: what they choose, that they repeat it, and how good it is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator

import optuna
import pytest
from optuna.trial import TrialState

from trainer.launch.study.parameter import Assignment, Kind, Parameter, Scale, Value
from trainer.launch.study.study import Algorithm, Goal, Measurement, Study
from trainer.launch.sweep import optuna_output, samplers, space
from trainer.launch.sweep.samplers import BayesianSampler, RandomSampler, SeededSampler

X = Parameter(name="x", kind=Kind.DOUBLE, minimum=-5.0, maximum=10.0)
Y = Parameter(name="y", kind=Kind.DOUBLE, minimum=0.0, maximum=15.0)
SEEDS = range(20)
TRIALS = 30


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with optuna_output.silenced():
        yield


def branin(x: float, y: float) -> float:
    """Its three minima are 0.3979 (Branin 1972)."""
    valley = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
    return valley**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def branin_trial(trial: optuna.Trial) -> float:
    return branin(trial.suggest_float("x", -5, 10), trial.suggest_float("y", 0, 15))


def definition(*parameters: Parameter, algorithm: Algorithm = Algorithm.BAYESIAN, **more: object) -> Study:
    fields = {"goal": Goal.MINIMIZE, "metric": "m", "max_trials": TRIALS, **more}
    return Study(parameters=parameters or (X, Y), algorithm=algorithm, **fields)  # type: ignore[arg-type]


def study_of(sampler: SeededSampler, searched: Study) -> optuna.Study:
    return optuna.create_study(sampler=sampler, direction=searched.goal.value.lower())


def median_on_branin(make: Callable[[int], optuna.samplers.BaseSampler]) -> float:
    best = []
    for seed in SEEDS:
        study = optuna.create_study(sampler=make(seed))
        study.optimize(branin_trial, TRIALS)
        best.append(study.best_value)
    return statistics.median(best)


@pytest.fixture(scope="module")
def random_on_branin() -> float:
    with optuna_output.silenced():
        return median_on_branin(lambda seed: RandomSampler(definition(), seed))


def test_bayesian_finds_the_minimum_of_branin_and_beats_random_and_optuna(random_on_branin: float) -> None:
    bayesian = median_on_branin(lambda seed: BayesianSampler(definition(), seed))
    optuna_own = median_on_branin(lambda seed: optuna.samplers.TPESampler(seed=seed))
    assert bayesian <= 0.5, (bayesian, optuna_own, random_on_branin)
    assert bayesian < optuna_own < random_on_branin


def test_with_four_trials_at_a_time_it_is_nearly_as_good() -> None:
    best = []
    for seed in range(8):
        study = study_of(BayesianSampler(definition(), seed), definition())
        running: list[tuple[optuna.Trial, float]] = []
        for _ in range(TRIALS):
            trial = study.ask()
            running.append((trial, branin_trial(trial)))
            if len(running) == 4:
                study.tell(*running.pop(0))
        best.append(min([study.best_value, *(value for _, value in running)]))
    assert statistics.median(best) <= 0.5


def test_a_parzen_estimator_takes_over_in_large_studies(random_on_branin: float) -> None:
    parzen = median_on_branin(lambda seed: BayesianSampler(definition(), seed, most_gaussian_trials=0))
    assert parzen < random_on_branin


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


def mixed_trial(trial: optuna.Trial) -> float:
    return cost(space.suggested(definition(*MIXED), trial))


@pytest.mark.parametrize("most_gaussian_trials", [200, 0])
def test_every_kind_of_parameter_is_learned_from(most_gaussian_trials: int) -> None:
    def median(make: Callable[[int], SeededSampler]) -> float:
        studies = [study_of(make(seed), definition(*MIXED)) for seed in range(5)]
        for study in studies:
            study.optimize(mixed_trial, 25)
        return statistics.median(study.best_value for study in studies)

    searched = definition(*MIXED)
    bayesian = median(lambda seed: BayesianSampler(searched, seed, most_gaussian_trials=most_gaussian_trials))
    assert bayesian < median(lambda seed: RandomSampler(searched, seed))


def test_values_have_the_types_of_their_parameters() -> None:
    study = study_of(samplers.sampler(definition(*MIXED), 3), definition(*MIXED))
    kinds: dict[str, type[Value]] = {"model": str, "rate": float, "momentum": float, "batch": float, "units": int}
    study.optimize(mixed_trial, 12)
    for trial in study.trials:
        assert ("rate" in trial.params) == (trial.params["model"] == "lstm")
        assert all(type(value) is kinds[name] for name, value in trial.params.items())


@pytest.mark.parametrize("most_gaussian_trials", [200, 0])
def test_a_new_sampler_chooses_what_the_first_would_have_chosen(most_gaussian_trials: int) -> None:
    def sampler() -> SeededSampler:
        return BayesianSampler(definition(*MIXED), 5, most_gaussian_trials=most_gaussian_trials)

    study = study_of(sampler(), definition(*MIXED))
    study.optimize(mixed_trial, 12)
    again = study_of(sampler(), definition(*MIXED))
    again.add_trials(study.trials[:9])
    again.optimize(mixed_trial, 1)
    assert again.trials[9].params == study.trials[9].params


def test_a_trial_that_was_cut_off_while_it_was_asked_for_gets_the_rest_of_its_values() -> None:
    searched = definition(*MIXED)
    whole, torn = (study_of(samplers.sampler(searched, 5), searched) for _ in range(2))
    whole.optimize(mixed_trial, 10)
    torn.add_trials(whole.trials[:9])
    last = whole.trials[9]
    begun = {name: last.params[name] for name in list(last.params)[:2]}
    distributions = {name: last.distributions[name] for name in begun}
    torn.add_trial(optuna.trial.create_trial(state=TrialState.RUNNING, params=begun, distributions=distributions))
    chosen = torn.sampler.sample_relative(torn, torn.trials[9], {})
    assert chosen == last.params


def test_a_failed_trial_is_as_bad_as_the_worst_and_where_all_fail_values_are_random() -> None:
    sampler = BayesianSampler(definition(X), 0)
    study = study_of(sampler, definition(X))
    for _ in range(6):
        trial = study.ask()
        space.suggested(definition(X), trial)
        study.tell(trial, state=TrialState.FAIL)
    assert sampler.losses(study.trials) == ([], [])
    random = RandomSampler(definition(X), 0)
    assert sampler.choose(study, 7) == random.choose(study, 7)
    trial = study.ask()
    values = space.suggested(definition(X), trial)
    study.tell(trial, 3.0)
    tried, losses = sampler.losses(study.trials)
    assert tried[-1] == values and losses == [3.0] * 7
    assert sampler.choose(study, 8) != random.choose(study, 8)


@pytest.mark.parametrize(("measurement", "losses"), [(Measurement.LAST, [0.5]), (Measurement.BEST, [0.25])])
def test_a_pruned_trial_counts_with_the_report_that_the_study_measures(
    measurement: Measurement, losses: list[float]
) -> None:
    searched = definition(X, measurement=measurement)
    sampler = BayesianSampler(searched, 0)
    study = study_of(sampler, searched)
    trial = study.ask()
    for step, value in enumerate((0.25, math.nan, 0.5)):
        trial.report(value, step)
    study.tell(trial, state=TrialState.PRUNED)
    assert sampler.losses(study.trials)[1] == losses


def test_maximising_is_minimising_the_negative() -> None:
    searched = definition(X, goal=Goal.MAXIMIZE)
    study = study_of(samplers.sampler(searched, 1), searched)
    study.optimize(lambda trial: -((trial.suggest_float("x", -5, 10) - 2) ** 2), 13)
    assert abs(study.trials[-1].params["x"] - 2) < 1


def test_a_grid_has_every_combination_in_order_and_is_then_exhausted() -> None:
    batch = Parameter(name="batch", kind=Kind.DISCRETE, values=(16.0, 32.0))
    searched = definition(batch, algorithm=Algorithm.GRID)
    sampler = samplers.sampler(searched, 0)
    study = study_of(sampler, searched)
    for expected in (16.0, 32.0):
        assert not sampler.is_exhausted(study)
        assert space.suggested(searched, study.ask()) == {"batch": expected}
    assert sampler.is_exhausted(study)


def test_random_values_depend_on_the_seed_and_the_number_of_the_trial_only() -> None:
    searched = definition(algorithm=Algorithm.RANDOM)
    sampler = samplers.sampler(searched, 4)
    study = study_of(sampler, searched)
    study.optimize(branin_trial, 3)
    assert study.trials[2].params == sampler.choose(study_of(sampler, searched), 3)
    assert study.trials[2].params != study.trials[1].params
    assert study.trials[2].params != RandomSampler(searched, 5).choose(study, 3)


def test_the_first_trials_share_each_range_evenly() -> None:
    firsts = samplers.first_trials(definition(X, Y))
    values = [samplers.evenly(definition(X, Y), 9, number, firsts)["x"] for number in range(1, firsts + 1)]
    assert sorted(int((float(value) + 5) / 15 * firsts) for value in values) == list(range(firsts))


def test_a_parameter_that_a_trial_does_not_have_is_random_for_who_asks_for_it_all_the_same() -> None:
    def second_trial() -> float:
        study = study_of(samplers.sampler(definition(*MIXED), 3), definition(*MIXED))
        study.optimize(lambda trial: trial.suggest_float("another", 0.0, 1.0), 2)
        value = study.trials[1].params["another"]
        assert isinstance(value, float)
        return value

    assert second_trial() == second_trial()
