"""The roles that only serve: when they end."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from trainer.estimator.distribution import server
from trainer.estimator.saving.coordination_files import TRAINING_DONE
from trainer.estimator.saving.job_directory import on_disk
from trainer.estimator.steps.timing.stop import Stop
from trainer.job import hosts
from trainer.job.cluster import Cluster


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"127.0.0.1:{listening.getsockname()[1]}"


def cluster(chief: str) -> Cluster:
    jobs = {"chief": {0: chief}, "worker": {0: free_address()}, "ps": {0: free_address()}}
    return Cluster(jobs=jobs, task_type="ps", task_id=0)


def done(directory: Path, step: int) -> None:
    (directory / TRAINING_DONE).write_text(json.dumps({"reason": "max_steps", "global_step": step, "checkpoint": None}))


class Waits:
    """Does the next of some things at each wait, and fails when there is none left."""

    def __init__(self, *things: Callable[[], object]) -> None:
        self._things = list(things)

    def __call__(self, secs: float) -> None:
        assert self._things, "it serves for ever"
        self._things.pop(0)()

    @property
    def left(self) -> int:
        return len(self._things)


def nothing() -> None:
    pass


def test_it_listens_until_a_stop_is_requested(tmp_path: Path) -> None:
    job, stop = cluster(free_address()), Stop()
    answers: list[hosts.Answer] = []
    waits = Waits(lambda: answers.append(hosts.ask([job.jobs["ps"][0]])[0].answer), lambda: stop.request("SIGTERM"))
    server.serve(job, on_disk(str(tmp_path)), stop, waits)
    assert (answers, waits.left) == ([hosts.Answer.LISTENS], 0)


@pytest.mark.parametrize("earlier", [True, False])
def test_it_ends_with_the_training_and_not_with_an_earlier_one(tmp_path: Path, earlier: bool) -> None:
    if earlier:
        done(tmp_path, 10)
    waits = Waits(nothing, (tmp_path / TRAINING_DONE).unlink if earlier else nothing, lambda: done(tmp_path, 20))
    server.serve(cluster(free_address()), on_disk(str(tmp_path)), Stop(), waits)
    assert waits.left == 0


def test_it_waits_for_a_chief_that_failed_to_be_started_again(tmp_path: Path) -> None:
    failed = json.dumps({"reason": "failed", "global_step": 10, "checkpoint": None})
    waits = Waits(
        lambda: (tmp_path / TRAINING_DONE).write_text(failed),
        nothing,
        (tmp_path / TRAINING_DONE).unlink,  # by the chief that was started again
        lambda: done(tmp_path, 20),
    )
    server.serve(cluster(free_address()), on_disk(str(tmp_path)), Stop(), waits)
    assert waits.left == 0


def test_it_outlasts_the_chief_whose_last_calls_need_it(tmp_path: Path) -> None:
    chief = socket.create_server(("127.0.0.1", 0))
    waits = Waits(lambda: done(tmp_path, 20), nothing, chief.close)
    server.serve(cluster(f"127.0.0.1:{chief.getsockname()[1]}"), on_disk(str(tmp_path)), Stop(), waits)
    assert waits.left == 0


def test_started_again_after_the_end_it_ends_when_no_chief_connects_in_ten_minutes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    done(tmp_path, 10)
    waits = Waits(*[nothing] * 1200)
    with caplog.at_level("INFO", "trainer"):
        server.serve(cluster(free_address()), on_disk(str(tmp_path)), Stop(), waits)
    assert "Training had already ended (max_steps), and no chief connected in 600 s." in caplog.text
    assert waits.left == 0


def test_a_chief_that_comes_begins_the_ten_minutes_anew(tmp_path: Path) -> None:
    done(tmp_path, 10)
    with socket.socket() as chief:
        chief.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{chief.getsockname()[1]}"
        waits = Waits(*[nothing] * 1190, chief.listen, nothing, chief.close, *[nothing] * 1200)
        server.serve(cluster(address), on_disk(str(tmp_path)), Stop(), waits)
    assert waits.left == 0
