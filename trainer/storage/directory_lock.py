"""The lock on a local directory, which one process at a time may write to. It ends with the process, however that ends.

It lies in a file in the directory, which says for people who has it. A network file system hands the lock of a machine
that is gone to others after a while only, so a lock that another machine has is waited for.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

from trainer.storage.errors import InUseError

log = logging.getLogger("trainer")

FILE = "training.lock"
_OTHER_HOST_SECS, _LOOK_SECS = 120.0, 1.0
_DYING_SECS = 5.0
"""How long a process of this machine that was killed may take to be gone, when its successor is there already."""


class DirectoryLock:
    """The lock of one directory, for one thread at a time.

    Args:
      directory: local; made when the lock is taken.
      wait: waits some seconds.
      flock: locks an open file, as `fcntl.flock` does.
    """

    def __init__(
        self,
        directory: str,
        wait: Callable[[float], None] = time.sleep,
        flock: Callable[[int, int], None] = fcntl.flock,
    ) -> None:
        self._directory, self._file = directory, os.path.join(directory, FILE)
        self._wait, self._flock = wait, flock
        self._number: int | None = None
        self._is_held = False

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keeps other processes out; within another one of the same object it does nothing.

        Where the file system has no locks, a line says so, and the work goes on.

        Raises:
          InUseError: another process has it.
        """
        if self._is_held:
            yield
            return
        self._is_held = True
        try:
            os.makedirs(self._directory, exist_ok=True)
            self._take()
            yield
        finally:
            self._leave()
            self._is_held = False

    def _take(self) -> None:
        waited = 0.0
        while not self._taken():
            holder = _read(self._file)
            is_here = holder.get("host") in (None, socket.gethostname())
            if waited >= (_DYING_SECS if is_here else _OTHER_HOST_SECS):
                raise _in_use(self._directory, holder)
            if not waited and not is_here:
                who = _in_words(holder)
                log.warning(
                    "%s is in use by %s. Waiting up to %d s, as for a machine that is gone.",
                    self._directory,
                    who,
                    _OTHER_HOST_SECS,
                )
            self._wait(_LOOK_SECS)
            waited += _LOOK_SECS

    def _taken(self) -> bool:
        """Tries once; True also where nothing can be locked."""
        while True:
            try:
                number = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o644)
            except OSError as error:
                self._warn(error)
                return True
            try:
                self._flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(number)
                return False
            except OSError as error:
                os.close(number)
                self._warn(error)
                return True
            if _is_at(number, self._file):
                self._number = number
                _write(number)
                return True
            os.close(number)  # whoever had it deleted the file meanwhile, so that this lock holds nobody back

    def _warn(self, error: OSError) -> None:
        log.warning(
            "%s cannot be locked (%s). Make sure that no second process trains there.",
            self._directory,
            error.strerror or error,
        )

    def _leave(self) -> None:
        if self._number is not None:
            if _is_at(self._number, self._file):
                os.unlink(self._file)
            os.close(self._number)
            self._number = None


def _is_at(number: int, file: str) -> bool:
    """Whether an open file is the one that has this path now."""
    try:
        return os.path.samestat(os.fstat(number), os.stat(file))
    except FileNotFoundError:
        return False


def _write(number: int) -> None:
    since = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    record = {"host": socket.gethostname(), "process": os.getpid(), "since": since}
    with contextlib.suppress(OSError):  # it is for people, and a full disk is told elsewhere
        os.ftruncate(number, 0)
        os.pwrite(number, json.dumps(record).encode(), 0)


def _read(file: str) -> dict[str, Any]:
    """Who has the lock; empty where that cannot be told."""
    try:
        with open(file, encoding="utf-8", errors="replace") as stream:
            return dict(json.loads(stream.read(1000)))
    except (OSError, ValueError, TypeError):
        return {}


def _in_words(holder: dict[str, Any]) -> str:
    if not holder:
        return "another process"
    return f"process {holder.get('process')} on {holder.get('host')} since {holder.get('since')}"


def _in_use(directory: str, holder: dict[str, Any]) -> InUseError:
    return InUseError(
        f"{directory} is in use by {_in_words(holder)}",
        "one process at a time that trains into a directory",
        "Let that one end, or end it, or train into another directory (--output_dir)",
    )
