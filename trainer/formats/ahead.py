"""Work on the parts of a file in threads, ahead of who takes the results, which come in order."""

from __future__ import annotations

import collections
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_MOST_THREADS = 3
"""More do not pay: one thread reads the items and takes the results."""


def in_order(items: Iterable[Item], work: Callable[[Item], Result]) -> Generator[tuple[Item, Result], None, None]:
    """The items with what becomes of each, a few of them ahead.

    Args:
      items: are asked for in the thread of the caller. An error of theirs comes after the results before it.
      work: is done in other threads, so that it pays where it leaves Python's lock.
    """
    threads = min(_MOST_THREADS, max(1, len(os.sched_getaffinity(0)) - 1))
    waiting: collections.deque[tuple[Item, Future[Result]]] = collections.deque()
    failures: list[Exception] = []
    with ThreadPoolExecutor(threads, thread_name_prefix="reading") as pool:
        for item in _until_failure(items, failures):
            waiting.append((item, pool.submit(work, item)))
            if len(waiting) > 2 * threads:
                first, result = waiting.popleft()
                yield first, result.result()
        for first, result in waiting:
            yield first, result.result()
    if failures:
        raise failures[0]


def _until_failure(items: Iterable[Item], failures: list[Exception]) -> Iterator[Item]:
    try:
        yield from items
    except Exception as failure:
        failures.append(failure)
