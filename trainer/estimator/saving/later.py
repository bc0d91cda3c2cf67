"""Things done in a thread of its own, one after the other, while whoever asked for them goes on."""

from __future__ import annotations

import collections
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from trainer.estimator.graph.inside.modes import eager_in_thread


class Later:
    """A thread that is begun when there is something to do.

    Args:
      name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread: ThreadPoolExecutor | None = None
        self._asked: collections.deque[Future[None]] = collections.deque()

    def do(self, act: Callable[[], None]) -> None:
        """Has something done after all else; raises what went wrong with something before it."""
        while self._asked and self._asked[0].done():
            self._asked.popleft().result()
        self._thread = self._thread or ThreadPoolExecutor(1, thread_name_prefix=self._name)
        self._asked.append(self._thread.submit(_eagerly, act))

    def wait(self) -> None:
        """Returns when all is done; raises what went wrong."""
        while self._asked:
            self._asked.popleft().result()

    def close(self) -> None:
        """The same, and ends the thread."""
        if self._thread is not None:
            thread, self._thread = self._thread, None
            thread.shutdown()
        self.wait()


def _eagerly(act: Callable[[], None]) -> None:
    with eager_in_thread():
        act()
