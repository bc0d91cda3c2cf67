"""A process that lost its group goes on in a successor: forks, one after another, of one that has imported TensorFlow.

TensorFlow forms one group of synchronous processes in the life of a process: collectives that were aborted stay so, and
its gRPC server cannot be shut down. So a process of a synchronous job does its work in a fork, made before TensorFlow's
runtime starts. When that fork finds another process of the job gone, it leaves what it has in memory and ends, and the
next fork takes its place: it has imported TensorFlow and read the data's description already, and waits for the process
that whoever started the job starts again.

    chief     ├ import ┬ fork 1: steps 1 … 700 ┐           ┬ fork 2: waits, then steps 701 …
    worker    ├ import ┬ fork 1: steps 1 … 700 ┐ kill -9
    worker, started again                        ├ import ─┬ fork 1: takes step 700 over, then steps 701 …

Linux only: elsewhere forks of a process that has loaded so much are not safe, and a kill would leave them behind.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import logging
import math
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable

from trainer.job import process_age, signals
from trainer.job.signals import SAVED_EXIT_CODE, StopRequest

PEER_LOST = 75
"""How a fork ends that has a successor; no other process sees it."""
_LOOK_SECS = 0.5
_PAUSE_SECS = 0.5
_MET, _MET_BYTES = b"met ", 4

_log = logging.getLogger("trainer")


def are_possible() -> bool:
    """Whether this system has what is needed."""
    return sys.platform == "linux"


@dataclasses.dataclass(frozen=True)
class Place:
    """What a fork leaves to its successor. It is in memory, and gone with the last process that knows of it.

    Attributes:
      descriptor: of the memory.
      since: when the fork before ended, on the clock of `time.monotonic`; for the first one, when this process began.
    """

    descriptor: int
    since: float

    @classmethod
    def empty(cls) -> Place:
        """A new one, in which nothing is."""
        return cls(os.memfd_create("trainer-step"), time.monotonic() - process_age.secs())

    @property
    def has_met(self) -> bool:
        """Whether the fork that has it now has met its group."""
        return os.pread(self.descriptor, _MET_BYTES, 0) == _MET

    def meet(self) -> None:
        """Says that the group is there."""
        os.pwrite(self.descriptor, _MET, 0)

    def leave(self) -> None:
        """Says that the next fork has the group to meet."""
        os.pwrite(self.descriptor, bytes(_MET_BYTES), 0)

    def left(self) -> bytes:
        """What the fork before has left; empty for nothing."""
        size = os.fstat(self.descriptor).st_size
        with os.fdopen(os.dup(self.descriptor), "rb") as file:
            file.seek(_MET_BYTES)
            return file.read(max(size - _MET_BYTES, 0))

    def write(self, data: bytes) -> None:
        """Leaves something to the next fork, in place of what was there."""
        met = os.pread(self.descriptor, _MET_BYTES, 0) or bytes(_MET_BYTES)
        os.ftruncate(self.descriptor, 0)
        with os.fdopen(os.dup(self.descriptor), "wb") as file:
            file.seek(0)
            file.write(met + data)


def work(fork: Callable[[Place], int], stop: StopRequest, wait_secs: float) -> int:
    """Has forks do the work of this process, and returns the exit code of the last one.

    Args:
      fork: the work, in a fork of this process; returns its exit code, PEER_LOST where its successor goes on.
      stop: of this process; the fork has its own.
      wait_secs: how long the forks after the first wait for the others of the group; then this process ends with 143.
    """
    place, deadline = Place.empty(), math.inf
    gc.collect()
    gc.freeze()  # so that collections in the forks leave the shared memory alone
    while True:
        code = _ended(_forked(fork, place), stop, place, deadline)
        if stop.reason is not None and not place.has_met:
            _log.info("Asked to end by %s; there was nothing to save yet.", stop.reason)
            return SAVED_EXIT_CODE
        if code != PEER_LOST:
            return code
        now = time.monotonic()
        if place.has_met:
            deadline = now + wait_secs
            _log.info("Waiting up to %g s for the process of the job that is gone to be started again.", wait_secs)
        elif now >= deadline:
            _log.info("Waited %g s for a process of the job that is gone; it did not come back.", wait_secs)
            return SAVED_EXIT_CODE
        place.leave()
        place = dataclasses.replace(place, since=now)
        time.sleep(_PAUSE_SECS)


def _forked(fork: Callable[[Place], int], place: Place) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    bind = signals.bound_to(os.getpid())
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            if bind:
                bind()
            code = fork(place)
        except BaseException:
            traceback.print_exc()
        finally:
            logging.shutdown()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return pid


def _ended(pid: int, stop: StopRequest, place: Place, deadline: float) -> int:
    """The exit code of a fork, as a shell counts. One that meets nobody until the deadline is ended.

    Args:
      pid: of the fork.
      stop: of this process, which the fork hears of.
      place: of the fork.
      deadline: on the clock of `time.monotonic`.
    """
    ends = os.pidfd_open(pid)

    def asked(reason: str) -> None:
        # Before the group is there nothing can be saved, and a process that waits for it may not hear.
        with contextlib.suppress(OSError):  # it has ended
            signal.pidfd_send_signal(ends, signal.SIGTERM if place.has_met else signal.SIGKILL)

    stop.tell(asked)
    if stop.reason is not None:
        asked(stop.reason)
    while not select.select([ends], [], [], _LOOK_SECS)[0]:
        if time.monotonic() >= deadline and not place.has_met:
            signal.pidfd_send_signal(ends, signal.SIGKILL)
    os.close(ends)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code == -signal.SIGKILL and time.monotonic() >= deadline and not place.has_met:
        return PEER_LOST
    return code if code >= 0 else 128 - code
