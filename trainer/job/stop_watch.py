"""Hears requests to stop while the main thread is busy in C++, and ends the process when its grace is over.

Python runs a signal handler between two instructions of the main thread. While that is inside TensorFlow, compiling or
waiting for a process that is gone, no handler runs, and a cloud runner would kill the process without a word. So here a
thread hears the signals: the C handler of Python writes their numbers to a pipe at once, whatever the main thread does.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import math
import os
import select
import signal
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator

from trainer.job import signals
from trainer.job.config import DEFAULT_GRACE_SECS
from trainer.job.signals import StopRequest

_log = logging.getLogger("trainer")

_STARTING_LOOK_SECS, _LOOK_SECS = 0.05, 0.5
_ACTION_BYTES = 256  # struct sigaction is smaller than that everywhere


class StopWatch(StopRequest):
    """A request to stop, with the time that the process has left after it.

    Args:
      stderr: descriptor that the last words go to, which stays the terminal's when another one is put in its place.
      clock: seconds.

    Attributes:
      grace_secs: from the first request to the end of the process, whatever it does.
    """

    def __init__(self, stderr: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._stderr, self._clock = stderr, clock
        self._lock = threading.Lock()
        self._deadline = math.inf
        self._safe: Callable[[], str] = str
        self._actions = _Actions(signals.STOPS if _in_main_thread() else ())
        self.grace_secs = DEFAULT_GRACE_SECS

    @property
    def is_starting(self) -> bool:
        """Whether there is nothing to save yet."""
        return self._listener is None

    def tell(self, listener: Callable[[str], None], safe: Callable[[], str] = str) -> None:
        """From now on the first request calls `listener(reason)` in another thread.

        Args:
          listener: returns soon, and has the process save and end.
          safe: says what is saved, should the process not end within its grace.
        """
        self._actions.restore()
        self._safe = safe
        super().tell(listener)

    def secs_left(self) -> float:
        """Until the process is ended; infinite before a request."""
        return max(0.0, self._deadline - self._clock())

    def receive(self, reason: str) -> None:
        with self._lock:
            if self.is_starting:
                signals.end_now(f"Asked to end by {reason}; there was nothing to save yet.", self._stderr)
            if self.reason is None:
                self._deadline = self._clock() + self.grace_secs
            else:
                _log.info("Saving since %s, for %.0f s more at most; kill -9 would not wait.", reason, self.secs_left())
            super().receive(reason)

    def look(self) -> None:
        """Does what is due when no signal came."""
        self._actions.restore()
        if self._clock() >= self._deadline:
            what = f"Not done {self.grace_secs:g} s after {self.reason}, so it ends now."
            words = [what, self._said_safe(), "Run the same command again to continue."]
            signals.end_now(" ".join(filter(None, words)), self._stderr)

    def wait_secs(self) -> float:
        """Until the next look."""
        return min(self.secs_left(), _STARTING_LOOK_SECS if self.is_starting else _LOOK_SECS)

    def _said_safe(self) -> str:
        try:
            return self._safe()
        except Exception:  # whatever state the main thread has left things in, the process ends
            return ""


class _Actions:
    """What the system does on some signals, as it was when this was made.

    TensorFlow takes SIGTERM for itself, behind Python's back, when synchronous processes meet, and does nothing with it
    that would save anything.
    """

    def __init__(self, numbers: Iterable[int]) -> None:
        self._sigaction = ctypes.CDLL(None).sigaction
        self._known = {number: self._action(number) for number in numbers}

    def _action(self, number: int) -> bytes:
        action = ctypes.create_string_buffer(_ACTION_BYTES)
        self._sigaction(number, None, action)
        return action.raw

    def restore(self) -> None:
        """Sets again what something else has set."""
        for number, known in self._known.items():
            if self._action(number) != known:
                self._sigaction(number, known, None)


@contextlib.contextmanager
def watching() -> Iterator[StopWatch]:
    """Hears signals while it is open; outside of the main thread none, but requests that other threads make."""
    with contextlib.ExitStack() as stack:
        stderr = os.dup(2)
        stack.callback(os.close, stderr)
        numbers, wakeup = os.pipe()
        stack.callback(os.close, numbers)
        stack.callback(os.close, wakeup)
        if _in_main_thread():
            stack.enter_context(_written_to(wakeup))
        watch = StopWatch(stderr)
        thread = threading.Thread(target=_follow, args=(watch, numbers), name="stop watch", daemon=True)
        thread.start()
        stack.callback(thread.join)
        stack.callback(os.write, wakeup, b"\0")
        yield watch


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


@contextlib.contextmanager
def _written_to(wakeup: int) -> Iterator[None]:
    """Has the C handler write the numbers of signals to a pipe."""
    os.set_blocking(wakeup, False)
    with contextlib.ExitStack() as stack:
        stack.enter_context(signals.caught(_nothing))
        before = signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        stack.callback(signal.set_wakeup_fd, before)
        _undone_in_forks(stack)
        yield


def _undone_in_forks(stack: contextlib.ExitStack) -> None:
    """Closes the stack in children that are forked, as by multiprocessing; without it they would share the pipe.

    A child that is asked to end would end nothing but its parent's training. Signals wait while the fork is made.
    """
    undo, masks = weakref.WeakMethod(stack.close), []

    def wait() -> None:
        masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, signals.STOPS if undo() else ()))

    def resume() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, masks.pop())

    def undone() -> None:
        (undo() or _nothing)()
        resume()

    os.register_at_fork(before=wait, after_in_parent=resume, after_in_child=undone)


def _nothing(*_: object) -> None:
    """As a handler of Python's: the thread has heard the signal already."""


def _follow(watch: StopWatch, numbers: int) -> None:
    """The thread: until a zero comes through the pipe."""
    while True:
        readable, _, _ = select.select([numbers], [], [], watch.wait_secs())
        for number in os.read(numbers, 64) if readable else b"":
            if number == 0:
                return
            if number in signals.STOPS:
                watch.receive(signal.Signals(number).name)
        watch.look()
