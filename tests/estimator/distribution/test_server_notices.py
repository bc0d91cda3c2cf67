"""A parameter server that is asked to end tells the chief, serves on while that saves, and ends after it."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from tests.deadlines import ANSWER_SECS
from tests.estimator.distribution.test_server import Waits, free_address, nothing
from trainer.estimator.distribution import server, server_notices
from trainer.estimator.saving.coordination_files import SERVER_STOPPING
from trainer.estimator.saving.job_directory import on_disk
from trainer.estimator.steps.timing.stop import Stop
from trainer.job.cluster import Cluster


class Requested(Stop):
    """A stop that a test waits for."""

    def wait(self) -> str | None:
        self._asked.wait(ANSWER_SECS)
        return self.reason


def serve(tmp_path: Path, kind: str, chief: str, *things: object) -> int:
    stop = Stop()
    jobs = {"chief": {0: chief}, "worker": {0: free_address()}, "ps": {0: free_address()}}
    waits = Waits(lambda: stop.request("SIGTERM"), *things)
    server.serve(Cluster(jobs=jobs, task_type=kind, task_id=0), on_disk(str(tmp_path)), stop, waits)
    return waits.left


def test_a_server_gives_notice_and_ends_with_the_chief(tmp_path: Path) -> None:
    chief = socket.create_server(("127.0.0.1", 0))
    assert serve(tmp_path, "ps", f"127.0.0.1:{chief.getsockname()[1]}", nothing, chief.close) == 0
    assert json.loads((tmp_path / SERVER_STOPPING).read_text())["task"] == "Parameter server 0"


def test_a_worker_serves_on_for_two_seconds_and_gives_no_notice(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as chief:
        assert serve(tmp_path, "worker", f"127.0.0.1:{chief.getsockname()[1]}", *[nothing] * 40) == 0  # each of 0.05 s
    assert not (tmp_path / SERVER_STOPPING).exists()


def test_a_server_without_a_chief_ends_at_once(tmp_path: Path) -> None:
    assert serve(tmp_path, "ps", free_address()) == 0
    assert not (tmp_path / SERVER_STOPPING).exists()


def test_a_notice_is_a_request_to_the_chief_to_stop(tmp_path: Path) -> None:
    directory, stop = on_disk(str(tmp_path)), Requested()
    with server_notices.followed(directory, stop, every_secs=0.01):
        server_notices.give(directory, "Parameter server 1")
        assert stop.wait() == "the end of a parameter server"


def test_a_notice_of_an_earlier_run_is_none(tmp_path: Path) -> None:
    directory, stop = on_disk(str(tmp_path)), Requested()
    server_notices.give(directory, "Parameter server 1")
    with server_notices.followed(directory, stop, every_secs=0.01):
        assert not stop
        server_notices.give(directory, "Parameter server 0")
        assert stop.wait() == "the end of a parameter server"
