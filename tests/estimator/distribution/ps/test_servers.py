"""What a chief does about servers and workers that it cannot reach."""

from __future__ import annotations

import logging
import pathlib
import socket
import subprocess

import pytest

from tests.deadlines import ANSWER_SECS
from trainer.estimator.distribution.collectives import PeerLostError
from trainer.estimator.distribution.ps.servers import LostWorkers, wait_for

COORDINATOR_LOGS = (
    "Worker /job:worker/replica:0/task:1 failed with UnavailableError():failed to connect\nAdditional ..."
)


def record(text: str, created: float) -> logging.LogRecord:
    logged = logging.LogRecord("tensorflow", logging.ERROR, __file__, 1, text, (), None)
    logged.created = created
    return logged


def test_a_lost_worker_is_one_line_in_some_seconds() -> None:
    lost = LostWorkers()
    first = record(COORDINATOR_LOGS, 100.0)
    assert lost.filter(first)
    assert first.getMessage() == ("Worker 1 does not answer. Others make its steps, and it resumes when it is back.")
    assert first.levelno == logging.WARNING
    assert not lost.filter(record(COORDINATOR_LOGS, 101.0))
    assert lost.filter(record(COORDINATOR_LOGS.replace("task:1", "task:2"), 101.0))
    assert lost.filter(record(COORDINATOR_LOGS, 130.0))


@pytest.mark.parametrize(
    "text",
    [
        "Start cancelling closures due to error InvalidArgumentError(): Traceback ...",
        " /job:worker/task:0 encountered the following error when processing closure: InvalidArgumentError(): ...",
    ],
)
def test_errors_that_are_raised_as_well_are_not_logged(text: str) -> None:
    assert not LostWorkers().filter(record(text, 100.0))


def test_everything_else_that_is_logged_passes_unchanged() -> None:
    other = record("Cluster update failed", 100.0)
    assert LostWorkers().filter(other)
    assert (other.getMessage(), other.levelno) == ("Cluster update failed", logging.ERROR)


def test_a_chief_names_the_addresses_that_it_cannot_reach_and_gives_up_after_a_time() -> None:
    with socket.socket() as here, socket.socket() as gone:
        here.bind(("127.0.0.1", 0))
        here.listen()
        gone.bind(("127.0.0.1", 0))
        there, missing = (f"127.0.0.1:{end.getsockname()[1]}" for end in (here, gone))
        waits: list[float] = []
        with pytest.raises(PeerLostError, match=f"Nothing listens at {missing} after 3 s") as raised:
            wait_for([there, missing], secs=3, wait=waits.append)
        assert (raised.value.exit_code, waits) == (143, [1.0, 1.0, 1.0])
        gone.listen()
        wait_for([there, missing], secs=0)


WATCHES = """
import sys, threading
from trainer.estimator.distribution.ps.servers import ServerWatch
ServerWatch(sys.argv[1:], every_secs=0.05, misses=2, grace_secs=0.0).start()
print("watching", flush=True)
threading.Event().wait()
"""


@pytest.mark.process
def test_a_watch_ends_the_process_when_a_parameter_server_is_gone(forking_python: pathlib.Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stays, socket.create_server(("127.0.0.1", 0)) as goes:
        there, gone = (f"127.0.0.1:{end.getsockname()[1]}" for end in (stays, goes))
        watched = subprocess.Popen(
            [forking_python, "-c", WATCHES, there, gone], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            assert watched.stdout is not None
            assert watched.stdout.readline() == "watching\n"
            assert watched.poll() is None
            goes.close()
            error = watched.communicate(timeout=ANSWER_SECS)[1]
        finally:
            watched.kill()
            watched.wait()
    assert watched.returncode == PeerLostError.exit_code
    assert error.splitlines()[-1] == (
        f"The parameter server at {gone} is gone. Start the job again: it resumes from the last checkpoint."
    )
