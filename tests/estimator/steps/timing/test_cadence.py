"""When the next of a cadence is due, which of them a call passes, and how long calls become."""

from __future__ import annotations

import pytest

from trainer.estimator import RunConfig
from trainer.estimator.steps.timing.cadence import Cadence, Pacer, steps_due, steps_to


@pytest.mark.parametrize(
    ("step", "origin", "every", "expected"),
    [
        (0, 0, 10, 10),
        (3, 0, 10, 7),
        (10, 0, 10, 10),
        (0, 1, 10, 1),
        (1, 1, 10, 10),
        (5, 101, 10, 96),
        (3, 0, None, None),
        (3, 0, 0, None),
    ],
)
def test_steps_to_the_next_of_a_cadence(step: int, origin: int, every: int | None, expected: int | None) -> None:
    assert steps_to(step, origin, every) == expected


def test_a_pacer_aims_at_its_seconds_and_grows_step_by_step() -> None:
    pacer = Pacer(target=0.5)
    pacer.observe(1, 0.001)
    assert pacer.limit == 16
    pacer.observe(16, 0.4)
    assert pacer.limit == 20
    pacer.observe(20, 50.0)
    assert pacer.limit == 1
    pacer.observe(1, 0.0)
    assert pacer.limit == 16


@pytest.mark.parametrize(
    ("before", "after", "origin", "every", "expected"),
    [
        (0, 10, 0, 5, [5, 10]),
        (0, 10, 1, 5, [1, 6]),
        (5, 9, 0, 5, []),
        (0, 10, 0, None, []),
        (0, 10, 0, 0, []),
        (3, 3, 0, 1, []),
    ],
)
def test_the_steps_of_a_call_at_which_a_cadence_falls(
    before: int, after: int, origin: int, every: int | None, expected: list[int]
) -> None:
    assert list(steps_due(before, after, origin, every)) == expected


def test_the_cadence_of_a_run_is_that_of_its_settings() -> None:
    cadence = Cadence.of(RunConfig(save_checkpoints_steps=7, save_summary_steps=3, log_step_count_steps=None))
    assert cadence == Cadence(save_steps=7, save_secs=None, summary_steps=3, log_steps=None)
