"""Which trials the stopping rules end."""

from __future__ import annotations

import math

import pytest

from trainer.launch.study.study import ConvexStopping, DecayCurveStopping, Goal, MedianStopping, Stopping
from trainer.launch.sweep.evaluations import Evaluation
from trainer.launch.sweep.stopping import hopeless


def curve(*values: float, every: int = 10, secs: float = 1.0) -> list[Evaluation]:
    return [
        Evaluation(step=every * number, value=value, secs=secs * number) for number, value in enumerate(values, start=1)
    ]


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
    found = hopeless(MedianStopping(), Goal.MINIMIZE, curve(*values), MEDIOCRE)
    assert found == ("its best is worse than the median of 3 trials" if ends else None)


def test_with_the_goal_to_maximise_low_values_are_bad() -> None:
    upside_down = [[Evaluation(step=e.step, value=-e.value, secs=e.secs) for e in entry] for entry in MEDIOCRE]
    assert hopeless(MedianStopping(), Goal.MAXIMIZE, curve(-9, -3.5), upside_down)
    assert not hopeless(MedianStopping(), Goal.MAXIMIZE, curve(-9, -2.5), upside_down)


def test_fewer_than_three_trials_say_nothing() -> None:
    assert hopeless(MedianStopping(), Goal.MINIMIZE, curve(99), MEDIOCRE[:2]) is None
    assert hopeless(MedianStopping(), Goal.MINIMIZE, [], MEDIOCRE) is None


def test_trials_can_be_compared_by_time() -> None:
    by_time = MedianStopping(use_elapsed_duration=True)
    slow = [curve(*(entry.value for entry in other), secs=100.0) for other in MEDIOCRE]
    assert hopeless(MedianStopping(), Goal.MINIMIZE, curve(9), slow)
    assert hopeless(by_time, Goal.MINIMIZE, curve(9), slow) is None
    assert hopeless(by_time, Goal.MINIMIZE, curve(9), MEDIOCRE)


# Of each the final value is half of the first one, but for a little.
HALVED = [curve(2 * end + 0.01 * (-1) ** end, end) for end in range(1, 8)]
FORECASTS: list[Stopping] = [DecayCurveStopping(), ConvexStopping()]


@pytest.mark.parametrize("rule", FORECASTS)
def test_a_forecast_ends_what_will_not_beat_the_best(rule: Stopping) -> None:
    assert hopeless(rule, Goal.MINIMIZE, curve(8), HALVED) == "7 trials like it make it unlikely to become the best"
    assert hopeless(rule, Goal.MINIMIZE, curve(1.9), HALVED) is None


@pytest.mark.parametrize("rule", FORECASTS)
def test_a_forecast_needs_five_trials_that_went_further(rule: Stopping) -> None:
    assert hopeless(rule, Goal.MINIMIZE, curve(8), HALVED[:4]) is None
    assert hopeless(rule, Goal.MINIMIZE, curve(8, 8), HALVED) is None
    assert hopeless(rule, Goal.MINIMIZE, curve(8), [curve(2, 1)] * 6) is None


def test_the_convex_rule_waits_for_its_least_steps_and_evaluations() -> None:
    def ended(**least: int) -> bool:
        return hopeless(ConvexStopping(**least), Goal.MINIMIZE, curve(8), HALVED) is not None

    assert ended(min_step_count=10) and ended(min_measurement_count=1)
    assert not ended(min_step_count=11) and not ended(min_measurement_count=2)


def test_the_convex_rule_forecasts_its_last_step() -> None:
    later = [[*entry, Evaluation(step=99, value=0.0, secs=9.0)] for entry in HALVED]
    assert hopeless(ConvexStopping(max_step_count=20), Goal.MINIMIZE, curve(16), later)
    assert not hopeless(ConvexStopping(max_step_count=20), Goal.MINIMIZE, curve(1.9), later)
    assert not hopeless(ConvexStopping(), Goal.MINIMIZE, curve(16), later)
