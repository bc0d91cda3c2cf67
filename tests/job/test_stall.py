"""When a process that waits says so."""

from __future__ import annotations

import pytest

from trainer.job.stall import News, Patience


def looks(patience: Patience, *seen: tuple[float, int]) -> list[tuple[float, News]]:
    """The news of looks at some times, but for nothing."""
    verdicts = [(now, patience.look(now, mark)) for now, mark in seen]
    return [(now, verdict.news) for now, verdict in verdicts if verdict.news is not News.NOTHING]


def test_a_process_that_gets_on_is_not_talked_about() -> None:
    assert looks(Patience(20.0, 4.0), *((4.0 * tick, tick) for tick in range(100))) == []


def test_a_stall_is_said_after_the_timeout_and_then_more_rarely() -> None:
    said = looks(Patience(20.0, 4.0), *((4.0 * tick, 0) for tick in range(41)))
    assert said == [(20.0, News.STALLED), (40.0, News.STALLED), (80.0, News.STALLED), (160.0, News.STALLED)]


def test_what_gets_on_again_is_said_only_of_a_stall_that_was_said() -> None:
    seen = [(0.0, 0), (12.0, 1), (24.0, 1), (36.0, 1), (40.0, 2), (44.0, 3)]
    assert looks(Patience(20.0, 12.0), *seen) == [(36.0, News.STALLED), (40.0, News.RESUMED)]


@pytest.mark.parametrize("gap", [60.0, 3600.0])
def test_a_process_that_was_stopped_itself_does_not_blame_others(gap: float) -> None:
    patience = Patience(20.0, 4.0)
    assert looks(patience, (0.0, 0), (4.0, 0), (4.0 + gap, 0)) == [(4.0 + gap, News.PAUSED)]
    assert looks(patience, (8.0 + gap, 0), (20.0 + gap, 0)) == []
