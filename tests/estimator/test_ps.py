"""What a chief says of workers that are gone."""

from __future__ import annotations

import logging

from trainer.estimator.ps import LostWorkers

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
