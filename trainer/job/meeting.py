"""The processes of a synchronous job wait for each other in Python before TensorFlow does.

TensorFlow holds Python's lock while it waits for the others to connect: no thread runs, no signal is heard, and nothing
says for whom it waits. So each process first listens in its own place, until it has seen every other one listen.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections.abc import Callable, Iterator, Sequence

from trainer.job import addresses, hosts
from trainer.job.cluster import CHIEF, WORKER, Cluster
from trainer.job.errors import JobError
from trainer.job.signals import SAVED_EXIT_CODE

log = logging.getLogger("trainer")

MEET_SECS = 600.0
_LINE_SECS = 10.0


class NobodyCameError(JobError):
    """A process of the job did not start in time."""

    exit_code = SAVED_EXIT_CODE


def of_group(cluster: Cluster, secs: float = MEET_SECS) -> None:
    """Waits until the chief and the workers of a synchronous job were seen; see `meet`."""
    group = [address for job in (CHIEF, WORKER) for address in cluster.jobs.get(job, {}).values()]
    own = cluster.jobs[cluster.task_type][cluster.task_id]
    meet(own, [address for address in group if address != own], secs)


def meet(own: str, others: Sequence[str], secs: float = MEET_SECS, wait: Callable[[float], None] = time.sleep) -> None:
    """Waits until each of the others was seen.

    Args:
      own: the address of this process, which TensorFlow takes afterwards.
      others: the addresses of the processes that it trains with.
      secs: the longest wait.
      wait: waits for some seconds.

    Raises:
      NobodyCameError: one of them was not seen in time.
    """
    missing, waited = list(others), 0.0
    with _listening(own):
        while missing:
            missing = [seen.address for seen in hosts.ask(missing) if seen.answer is not hosts.Answer.LISTENS]
            if missing and waited >= secs:
                raise NobodyCameError(
                    f"Nothing listens at {', '.join(missing)} after {secs:g} s",
                    "a job whose processes have all started",
                    "Find out why they did not start, and start the job again",
                )
            if missing:
                # A line at once and then every ten seconds: a log that says nothing looks like a job that hangs.
                if waited % _LINE_SECS == 0:
                    log.info("Waiting for %s.", ", ".join(missing))
                wait(0.5)
                waited += 0.5


@contextlib.contextmanager
def _listening(address: str) -> Iterator[None]:
    """Lets others connect, unless something else has the address: TensorFlow says so better."""
    host, port = addresses.split(address)
    place = (host, port) if host in ("127.0.0.1", "localhost") else ("", port)
    try:
        listener = socket.create_server(place)
    except OSError:
        yield
        return
    with listener:
        yield
