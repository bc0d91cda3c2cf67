"""What is done ahead comes in order, and a failure behind what came before it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from trainer.formats.text import ahead


def items(count: int) -> Iterator[int]:
    yield from range(count)
    raise ValueError("no more")


def test_results_come_in_order_and_the_failure_of_a_source_behind_them() -> None:
    found = ahead.in_order(items(20), lambda item: item * item)
    assert [next(found) for _ in range(20)] == [(n, n * n) for n in range(20)]
    with pytest.raises(ValueError, match="no more"):
        next(found)


def test_a_failure_of_the_work_is_raised_at_its_place() -> None:
    found = ahead.in_order(range(5), lambda item: 6 // (3 - item))
    assert [next(found)[1] for _ in range(3)] == [2, 3, 6]
    with pytest.raises(ZeroDivisionError):
        next(found)


def test_who_stops_early_leaves_no_thread_and_few_items_taken() -> None:
    taken: list[int] = []
    found = ahead.in_order((taken.append(n) or n for n in range(1_000)), lambda item: item)  # type: ignore[func-returns-value]
    assert next(found) == (0, 0)
    found.close()
    assert len(taken) < 20
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("reading", "parsing"))]
