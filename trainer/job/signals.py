"""Requests to stop that come as signals: SIGTERM of a cloud runner, Ctrl-C of a person."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

SAVED_EXIT_CODE = 143


class StopRequest:
    """Whether somebody asked this process to stop, and who is told of it.

    Until `tell` is called there is nothing to save: a signal then ends the process at once, with 143.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self._listener: Callable[[str], None] | None = None

    def tell(self, listener: Callable[[str], None]) -> None:
        """From now on a signal calls `listener(reason)`, which shall return soon, and save where it can."""
        self._listener = listener

    def receive(self, reason: str) -> None:
        """Handles one signal. A second one does not wait for the save."""
        if self.reason is not None or self._listener is None:
            self.reason = reason
            raise SystemExit(SAVED_EXIT_CODE)
        self.reason = reason
        self._listener(reason)


@contextlib.contextmanager
def listening() -> Iterator[StopRequest]:
    """Catches SIGTERM and SIGINT while it is open. Outside of the main thread signals stay as they are."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def receive(number: int, frame: FrameType | None) -> None:
        request.receive(signal.Signals(number).name)

    previous = {number: signal.signal(number, receive) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
