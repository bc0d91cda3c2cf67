"""Requests to stop that come as signals: SIGTERM of a cloud runner, Ctrl-C of a person, the death of a parent."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

SAVED_EXIT_CODE = 143
_PR_SET_PDEATHSIG = 1
_STOPS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Whether somebody asked this process to stop, and who is told of it.

    Until `tell` is called there is nothing to save: a signal then ends the process at once, with 143.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self._listener: Callable[[str], None] | None = None

    def tell(self, listener: Callable[[str], None]) -> None:
        """From now on a signal calls `listener(reason)`, which shall return soon, and save where it can.

        Handlers are set again, since a library may have set its own behind Python's back: TensorFlow takes SIGTERM
        when synchronous processes meet, and would leave it at that.
        """
        self._listener = listener
        if threading.current_thread() is threading.main_thread():
            for number in _STOPS:
                signal.signal(number, signal.getsignal(number))

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

    previous = {number: signal.signal(number, receive) for number in _STOPS}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def bound_to(parent: int) -> Callable[[], None] | None:
    """What a child of the process `parent` does first: asks Linux to end it when that dies, even by kill -9.

    None on other systems, which cannot be asked.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died in between
            os.kill(os.getpid(), signal.SIGKILL)

    return bind
