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
"""More do not pay: one more thread makes the items, and the caller's takes the results. Both need a part of a core."""


def in_order(items: Iterable[Item], work: Callable[[Item], Result]) -> Generator[tuple[Item, Result], None, None]:
    """The items with what becomes of each, a few of them ahead.

    Args:
      items: come from one thread, but for the first, which the caller waits for. An error of theirs is raised behind
        the results before it.
      work: is done in other threads, so that it pays where it leaves Python's lock.
    """
    threads = min(_MOST_THREADS, len(os.sched_getaffinity(0)))
    source, pool = ThreadPoolExecutor(1, "reading"), ThreadPoolExecutor(threads, "parsing")
    waiting: collections.deque[Future[tuple[Item, Result] | None]] = collections.deque()
    coming = iter(items)

    def done(item: Future[tuple[Item] | None]) -> tuple[Item, Result] | None:
        found = item.result()
        return None if found is None else (found[0], work(found[0]))

    first: Future[tuple[Item] | None] = Future()
    first.set_result(_next(coming))
    try:
        waiting.append(pool.submit(done, first))
        while True:
            while len(waiting) <= 2 * threads:
                waiting.append(pool.submit(done, source.submit(_next, coming)))
            pair = waiting.popleft().result()
            if pair is None:
                return
            yield pair
    finally:
        source.shutdown(cancel_futures=True)
        pool.shutdown(cancel_futures=True)


def _next(items: Iterator[Item]) -> tuple[Item] | None:
    """The next one; None behind the last."""
    for item in items:
        return (item,)
    return None
