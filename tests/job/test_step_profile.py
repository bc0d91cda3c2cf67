"""Where the time of a step goes: shares that add up, and the words for them."""

from __future__ import annotations

import pytest

from trainer.job import step_profile
from trainer.job.goodput import Activity
from trainer.job.step_profile import Part, StepProfile, percentages

PROFILE = StepProfile(
    first_step=101,
    last_step=200,
    secs={Part.XLA: 0.006, Part.INPUT: 0.002, Part.PYTHON: 0.002},
    operations={"dense/MatMul": 0.625, "dense/BiasAdd": 0.375},
    usual_step_secs=8e-5,
    trace="out/plugins/profile/step_200",
)
SPENT = {Activity.PROGRESS: 4.0, Activity.STARTUP: 3.0, Activity.INPUT: 1.0, Activity.SAVE: 2.0}


@pytest.mark.parametrize(
    ("amounts", "shares"),
    [
        ({"a": 1.0, "b": 1.0, "c": 1.0}, {"a": 33.4, "b": 33.3, "c": 33.3}),
        ({"small": 1e-9, "rest": 7.0}, {"rest": 100.0}),
        ({"a": 1.0, "b": 2.0}, {"b": 66.7, "a": 33.3}),
        ({"a": 0.0}, {}),
        ({}, {}),
    ],
)
def test_percentages_add_up_to_100(amounts: dict[str, float], shares: dict[str, float]) -> None:
    assert percentages(amounts) == shares
    assert sum(round(10 * share) for share in shares.values()) in (0, 1000)


def test_many_small_shares_add_up_too() -> None:
    shares = percentages({str(number): 1.0 + number / 7 for number in range(37)})
    assert sum(round(10 * share) for share in shares.values()) == 1000


def test_the_steps_of_a_process_are_divided_as_those_of_the_trace() -> None:
    record = PROFILE.record(SPENT)
    assert record["percent_of_a_step"] == {
        "operations compiled by XLA": 60.0,
        "waiting for input": 20.0,
        "Python": 20.0,
    }
    assert record["percent_of_the_process"] == {  # 4 s of steps, as 6 to 2: input is by itself
        "operations compiled by XLA": 30.0,
        "startup": 30.0,
        "saving": 20.0,
        "waiting for input": 10.0,
        "Python": 10.0,
    }
    assert (record["microseconds_per_step"], record["microseconds_per_step_untraced"]) == (100.0, 80.0)


def test_the_words_say_what_is_not_measured() -> None:
    rows = dict(step_profile.words(PROFILE.record(SPENT, "what workers did")))
    assert rows["profile"] == "steps 101 to 200, 100 µs each (80 without the trace)"
    assert rows["  a step"] == "operations compiled by XLA 60.0 %, waiting for input 20.0 %, Python 20.0 %"
    assert rows["  slowest"] == "dense/MatMul 62.5 %, dense/BiasAdd 37.5 %"
    assert rows["  missing"] == "what workers did"
    assert rows["  trace"] == "out/plugins/profile/step_200"
    assert "  missing" not in dict(step_profile.words(PROFILE.record(SPENT)))
