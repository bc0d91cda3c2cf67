"""How a parameter server that is asked to end has the chief save first: what the servers hold would be lost with them.

The server writes a record into the job's directory and continues to serve; the chief, which looks for it every second,
saves and ends as if it had been asked itself. When the chief no longer listens, the server ends.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator

from trainer.estimator.saving.coordination_files import SERVER_STOPPING, read_record, write_record
from trainer.estimator.saving.job_directory import JobDirectory
from trainer.estimator.steps.timing.stop import Stop
from trainer.job.errors import JobError

log = logging.getLogger("trainer")

_LOOK_SECS = 1.0


def give(directory: JobDirectory, name: str) -> None:
    """Tells the chief, if that can be done, that a server is being ended."""
    with contextlib.suppress(OSError, JobError):  # as where the directory is on another machine
        write_record(directory, SERVER_STOPPING, {"task": name, "at": time.time()})


@contextlib.contextmanager
def followed(directory: JobDirectory, stop: Stop, every_secs: float = _LOOK_SECS) -> Iterator[None]:
    """While it is open, a notice that a server gives is a request to stop.

    Args:
      directory: of the job.
      stop: where the request is made.
      every_secs: between two looks.
    """
    earlier, closed = read_record(directory, SERVER_STOPPING), threading.Event()

    def look() -> None:
        while not closed.wait(every_secs):
            with contextlib.suppress(OSError, ValueError, JobError):  # the next look may succeed
                record = read_record(directory, SERVER_STOPPING)
                if record not in ({}, earlier):
                    log.info("%s was asked to end, so the job saves and ends.", record.get("task"))
                    stop.request("the end of a parameter server")
                    return

    thread = threading.Thread(target=look, name="server notices", daemon=True)
    thread.start()
    try:
        yield
    finally:
        closed.set()
        thread.join()
