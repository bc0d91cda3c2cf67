"""One sweep for a directory: a lock that all processes of a sweep hold, and that ends with the last of them."""

from __future__ import annotations

import fcntl
import os
import pathlib
import time

from trainer.job.errors import UsageError

FILE = ".sweep.lock"
LEFTOVER_SECS = 10.0  # the kernel ends what a killed study left at once; disks may take their time


def lock(directory: pathlib.Path, *, leftover_secs: float = LEFTOVER_SECS) -> int:
    """Locks the directory, and returns the descriptor that holds it; every process that inherits it holds it too.

    Args:
      directory: exists.
      leftover_secs: how long to wait for processes of a sweep that has ended itself.

    Raises:
      UsageError: another sweep has it.
    """
    descriptor = os.open(directory / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    deadline = time.monotonic() + leftover_secs
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            if _runs(holder) or time.monotonic() > deadline:
                os.close(descriptor)
                raise _taken(directory, holder) from None
            time.sleep(0.05)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def _runs(pid: str) -> bool:
    if not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _taken(directory: pathlib.Path, holder: str) -> UsageError:
    if _runs(holder):
        return UsageError(
            f"Another sweep, process {holder}, runs in {directory}",
            "one sweep at a time in a directory",
            "Wait for it, stop it, or choose another --output_dir",
        )
    return UsageError(
        f"Processes of a sweep that has ended still run in {directory}",
        "a directory that no process works in",
        f"End them: fuser {directory / FILE}",
    )
