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
from typing import NoReturn

SAVED_EXIT_CODE = 143
STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
"""SIGHUP is sent when a terminal closes, SIGQUIT by Ctrl-\\ and by runners whose patience ends."""
_PR_SET_PDEATHSIG = 1
_STDERR = 2


class StopRequest:
    """Whether somebody asked this process to stop, and who is told of it.

    Until `tell` is called there is nothing to save: a request then ends the process at once, with 143.

    Attributes:
      reason: of the first request, such as "SIGTERM"; None before there was one.
      requests: how many there were. Those after the first change nothing: the save is under way.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self.requests = 0
        self._listener: Callable[[str], None] | None = None

    def tell(self, listener: Callable[[str], None]) -> None:
        """From now on the first request calls `listener(reason)`, which shall return soon, and save where it can."""
        self._listener = listener

    def receive(self, reason: str) -> None:
        """Handles one request."""
        if self._listener is None:
            end_now(f"Asked to end by {reason}; there was nothing to save yet.")
        self.requests += 1
        if self.reason is None:
            self.reason = reason
            self._listener(reason)


def end_now(text: str, stderr: int = _STDERR) -> NoReturn:
    """Says why, and ends the process with 143.

    Not by an exception: C code that runs an import may turn that into one of its own, and the import is tried again
    without what failed, or ends as a failure of the job.
    """
    with contextlib.suppress(OSError):
        os.write(stderr, f"trainer: {text}\n".encode())
    os._exit(SAVED_EXIT_CODE)


@contextlib.contextmanager
def listening() -> Iterator[StopRequest]:
    """Catches the signals while it is open, in a program whose main thread is never long in C code.

    Outside of the main thread signals stay as they are.
    """
    request = StopRequest()

    def receive(number: int, frame: FrameType | None) -> None:
        request.receive(signal.Signals(number).name)

    with caught(receive):
        yield request


@contextlib.contextmanager
def caught(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Has the signals handled so while it is open. What `nohup` says of SIGHUP is respected."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = [number for number in STOPS if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN]
    previous = {number: signal.signal(number, handler) for number in ours}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)


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
