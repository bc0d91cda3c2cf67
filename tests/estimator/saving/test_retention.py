"""Which checkpoints stay, as a table."""

from __future__ import annotations

import pytest

from trainer.estimator.saving.retention import Checkpoint, decide

HOUR = 3600.0


def saved(*times: float) -> list[Checkpoint]:
    return [Checkpoint(f"model.ckpt-{index}", time) for index, time in enumerate(times)]


def names(checkpoints: list[Checkpoint]) -> list[int]:
    return [int(checkpoint.path.rsplit("-", 1)[1]) for checkpoint in checkpoints]


@pytest.mark.parametrize(
    ("keep_max", "listed", "expired"),
    [
        (1, [3], [0, 1, 2]),
        (2, [2, 3], [0, 1]),
        (4, [0, 1, 2, 3], []),
        (9, [0, 1, 2, 3], []),
        (0, [0, 1, 2, 3], []),
        (None, [0, 1, 2, 3], []),
    ],
)
def test_the_newest_are_kept(keep_max: int | None, listed: list[int], expired: list[int]) -> None:
    decision = decide(saved(1, 2, 3, 4), keep_max, HOUR, kept_until=HOUR)
    assert (names(decision.listed), names(decision.expired), decision.kept_until) == (listed, expired, HOUR)


def test_one_in_so_many_hours_is_kept_for_good_and_no_longer_listed() -> None:
    decision = decide(saved(0.5 * HOUR, 1.5 * HOUR, 1.6 * HOUR, 2.5 * HOUR), 1, HOUR, kept_until=HOUR)
    assert names(decision.listed) == [3]
    assert names(decision.expired) == [0, 2]
    assert decision.kept_until == 2 * HOUR


def test_what_is_being_read_is_listed_until_nobody_reads_it() -> None:
    first = decide(saved(1, 2, 3), 1, HOUR, kept_until=HOUR, in_use={"model.ckpt-0"})
    assert (names(first.listed), names(first.expired)) == ([0, 2], [1])
    later = decide(first.listed, 1, HOUR, kept_until=HOUR)
    assert (names(later.listed), names(later.expired)) == ([2], [0])


def test_no_checkpoints_need_no_decision() -> None:
    decision = decide([], 5, HOUR, kept_until=HOUR)
    assert (decision.listed, decision.expired, decision.kept_until) == ([], [], HOUR)
