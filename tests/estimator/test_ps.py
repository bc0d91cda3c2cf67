"""What a chief says of workers that are gone."""

from __future__ import annotations

import logging
import socket

import pytest

from trainer.estimator.collectives import PeerLostError
from trainer.estimator.ps import LostWorkers, wait_for

COORDINATOR_SAYS = (
    "Worker /job:worker/replica:0/task:1 failed with UnavailableError():failed to connect\nAdditional ..."
)


def record(text: str, created: float) -> logging.LogRecord:
    made = logging.LogRecord("tensorflow", logging.ERROR, __file__, 1, text, (), None)
    made.created = created
    return made


def test_a_lost_worker_is_one_line_and_said_once_in_some_seconds() -> None:
    lost = LostWorkers()
    first = record(COORDINATOR_SAYS, 100.0)
    assert lost.filter(first)
    assert first.getMessage() == (
        "Worker 1 does not answer. Others make its steps, and it trains again when it is back."
    )
    assert first.levelno == logging.WARNING
    assert not lost.filter(record(COORDINATOR_SAYS, 101.0))
    assert lost.filter(record(COORDINATOR_SAYS.replace("task:1", "task:2"), 101.0))
    assert lost.filter(record(COORDINATOR_SAYS, 130.0))


def test_everything_else_that_is_said_passes_unchanged() -> None:
    other = record("Cluster update failed", 100.0)
    assert LostWorkers().filter(other)
    assert (other.getMessage(), other.levelno) == ("Cluster update failed", logging.ERROR)


def test_a_chief_names_who_has_not_come_and_gives_up_after_a_time() -> None:
    with socket.socket() as here, socket.socket() as gone:
        here.bind(("127.0.0.1", 0))
        here.listen()
        gone.bind(("127.0.0.1", 0))
        there, missing = (f"127.0.0.1:{end.getsockname()[1]}" for end in (here, gone))
        waits: list[float] = []
        with pytest.raises(PeerLostError, match=f"Nobody has come to {missing} in 3 s") as raised:
            wait_for([there, missing], secs=3, wait=waits.append)
        assert (raised.value.exit_code, waits) == (143, [1.0, 1.0, 1.0])
        gone.listen()
        wait_for([there, missing], secs=0)
