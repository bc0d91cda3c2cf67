"""Kills in the middle of saves, in short: nothing that was saved is lost."""

from __future__ import annotations

import pathlib

import pytest

from tests.faults import saves
from tests.faults.saves_job import SAVE_EVERY

pytestmark = pytest.mark.process


@pytest.mark.parametrize(
    ("program", "bucket", "most_lost"),
    [
        # The steps of the save that was being written, and those since.
        pytest.param("this package, beside the steps", False, 2 * SAVE_EVERY, id="on disk"),
        pytest.param("this package", True, SAVE_EVERY, id="in a bucket"),
    ],
)
def test_kills_in_the_middle_of_saves_cost_no_checkpoint(
    forking_python: pathlib.Path, program: str, bucket: bool, most_lost: int
) -> None:
    with saves.places(forking_python, bucket) as new:
        outcome = saves.run(program, 3, seed=5, killed=next(new), unbroken=next(new))
    assert outcome.most_lost <= most_lost
    expected = saves.Outcome(kills=3, unusable=0, regressions=0, most_lost=outcome.most_lost, identical=True)
    assert outcome == expected
