"""Which trials the stopping rules end, asked as Optuna asks its pruners."""

from __future__ import annotations

import math
from collections.abc import Sequence

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from trainer.launch.study.parameter import Kind, Parameter
from trainer.launch.study.stopping import ConvexStopping, DecayCurveStopping, MedianStopping, Stopping
from trainer.launch.study.study import Goal, Study
from trainer.launch.sweep import optuna_output, pruners, trial_records
from trainer.launch.sweep.evaluations import Evaluation

X = Parameter(name="x", kind=Kind.DOUBLE, minimum=0.0, maximum=1.0)


def curve(*values: float, every: int = 10, secs: float = 1.0) -> list[Evaluation]:
    return [
        Evaluation(step=every * number, value=value, secs=secs * number) for number, value in enumerate(values, start=1)
    ]


def trial(state: TrialState, evaluations: Sequence[Evaluation]) -> FrozenTrial:
    return optuna.trial.create_trial(
        state=state,
        value=None if state in (TrialState.RUNNING, TrialState.FAIL) else 0.0,
        intermediate_values={entry.step: entry.value for entry in evaluations},
        user_attrs={trial_records.SECS: {str(entry.step): entry.secs for entry in evaluations}},
    )


def pruned(
    rule: Stopping | None,
    goal: Goal,
    current: Sequence[Evaluation],
    others: Sequence[Sequence[Evaluation]],
    others_are: TrialState = TrialState.COMPLETE,
) -> str | None:
    """Why the trial with the evaluations `current` ends beside `others`."""
    pruner = pruners.pruner(Study(goal=goal, metric="m", parameters=(X,), stopping=rule))
    if pruner is None:
        return None
    with optuna_output.silenced():
        study = optuna.create_study(pruner=pruner, direction=goal.value.lower())
        study.add_trials([trial(others_are, other) for other in others])
        study.add_trial(trial(TrialState.RUNNING, current))
    reason = pruner.reason(study, study.trials[-1])
    assert pruner.prune(study, study.trials[-1]) == (reason is not None)
    return reason


MEDIOCRE = [curve(4, 2), curve(3, 1), curve(5, 3)]  # running averages at step 20: 3, 2, 4


@pytest.mark.parametrize(
    ("values", "ends"),
    [
        ((9.0, 3.5), True),
        ((9.0, 3.0), False),
        ((2.9, 9.0), False),
        ((4.1,), True),
        ((4.0,), False),
        ((math.nan,), False),
    ],
)
def test_the_median_rule_compares_the_best_so_far_with_the_others_running_averages(
    values: tuple[float, ...], ends: bool
) -> None:
    reason = pruned(MedianStopping(), Goal.MINIMIZE, curve(*values), MEDIOCRE)
    assert reason == ("its best is worse than the median of 3 trials" if ends else None)


def test_with_the_goal_to_maximise_low_values_are_bad() -> None:
    upside_down = [[Evaluation(step=e.step, value=-e.value, secs=e.secs) for e in entry] for entry in MEDIOCRE]
    assert pruned(MedianStopping(), Goal.MAXIMIZE, curve(-9, -3.5), upside_down)
    assert not pruned(MedianStopping(), Goal.MAXIMIZE, curve(-9, -2.5), upside_down)


def test_fewer_than_three_trials_say_nothing() -> None:
    assert pruned(MedianStopping(), Goal.MINIMIZE, curve(99), MEDIOCRE[:2]) is None
    assert pruned(MedianStopping(), Goal.MINIMIZE, [], MEDIOCRE) is None


def test_trials_can_be_compared_by_time() -> None:
    by_time = MedianStopping(use_elapsed_duration=True)
    slow = [curve(*(entry.value for entry in other), secs=100.0) for other in MEDIOCRE]
    assert pruned(MedianStopping(), Goal.MINIMIZE, curve(9), slow)
    assert pruned(by_time, Goal.MINIMIZE, curve(9), slow) is None
    assert pruned(by_time, Goal.MINIMIZE, curve(9), MEDIOCRE)


@pytest.mark.parametrize("state", [TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING])
def test_only_trials_that_were_trained_to_their_end_are_compared_with(state: TrialState) -> None:
    assert pruned(MedianStopping(), Goal.MINIMIZE, curve(99), MEDIOCRE)
    assert pruned(MedianStopping(), Goal.MINIMIZE, curve(99), MEDIOCRE, others_are=state) is None


def test_without_a_rule_no_trial_is_pruned() -> None:
    assert pruned(None, Goal.MINIMIZE, curve(99), MEDIOCRE) is None


# Of each the final value is half of the first one, but for a little.
HALVED = [curve(2 * end + 0.01 * (-1) ** end, end) for end in range(1, 8)]
FORECASTS: list[Stopping] = [DecayCurveStopping(), ConvexStopping()]


@pytest.mark.parametrize("rule", FORECASTS)
def test_a_forecast_ends_what_will_not_beat_the_best(rule: Stopping) -> None:
    assert pruned(rule, Goal.MINIMIZE, curve(8), HALVED) == "7 trials like it make it unlikely to become the best"
    assert pruned(rule, Goal.MINIMIZE, curve(1.9), HALVED) is None


@pytest.mark.parametrize("rule", FORECASTS)
def test_a_forecast_needs_five_trials_that_went_further(rule: Stopping) -> None:
    assert pruned(rule, Goal.MINIMIZE, curve(8), HALVED[:4]) is None
    assert pruned(rule, Goal.MINIMIZE, curve(8, 8), HALVED) is None
    assert pruned(rule, Goal.MINIMIZE, curve(8), [curve(2, 1)] * 6) is None


def test_the_convex_rule_waits_for_its_least_steps_and_evaluations() -> None:
    def ended(**least: int) -> bool:
        return pruned(ConvexStopping(**least), Goal.MINIMIZE, curve(8), HALVED) is not None

    assert ended(min_step_count=10) and ended(min_measurement_count=1)
    assert not ended(min_step_count=11) and not ended(min_measurement_count=2)


def test_the_convex_rule_forecasts_its_last_step() -> None:
    later = [[*entry, Evaluation(step=99, value=0.0, secs=9.0)] for entry in HALVED]
    assert pruned(ConvexStopping(max_step_count=20), Goal.MINIMIZE, curve(16), later)
    assert not pruned(ConvexStopping(max_step_count=20), Goal.MINIMIZE, curve(1.9), later)
    assert not pruned(ConvexStopping(), Goal.MINIMIZE, curve(16), later)
