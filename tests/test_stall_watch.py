"""What a job is said to wait for: the phase, and the peer that does not answer."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from trainer.estimator.evaluation import evaluations
from trainer.job import hosts
from trainer.job.cluster import Cluster
from trainer.stall_watch import Peers, StallWatch

pytestmark = pytest.mark.process

ANSWERS = """
import socket, sys
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    connection, _ = server.accept()
    connection.recv(24)
    connection.sendall(bytes(9))
"""


@pytest.fixture
def peer() -> Iterator[subprocess.Popen[str]]:
    """A process that greets whoever connects to the port that it prints, as a gRPC server does."""
    with subprocess.Popen([sys.executable, "-c", ANSWERS], stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def cluster_with(worker: str) -> Cluster:
    return Cluster(jobs={"chief": {0: "127.0.0.1:9"}, "worker": {0: worker}}, task_type="chief")


def address_of(peer: subprocess.Popen[str]) -> str:
    assert peer.stdout is not None
    return f"127.0.0.1:{int(peer.stdout.readline())}"


def test_a_peer_that_is_stopped_is_named_and_so_is_its_return(peer: subprocess.Popen[str]) -> None:
    address = address_of(peer)
    peers = Peers(cluster_with(address), ask_secs=1.0)
    assert (list(peers.changes(0.0)), peers.told()) == ([], "All other processes answer.")
    os.kill(peer.pid, signal.SIGSTOP)
    assert [list(peers.changes(now)) for now in (4.0, 8.0, 12.0)] == [
        [],
        [f"worker:0 at {address} has not answered for 5 s: it is stopped, or its machine is overloaded or away."],
        [],
    ]
    assert peers.told() == f"worker:0 at {address}: does not answer."
    os.kill(peer.pid, signal.SIGCONT)
    assert list(peers.changes(64.0)) == [f"worker:0 at {address} answers again after 60 s."]


def test_a_greeting_tells_a_server_that_answers_from_one_that_only_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        assert hosts.ask([address])[0].answer is hosts.Answer.LISTENS
        assert hosts.greet([address], 0.5)[0].answer is hosts.Answer.SILENT


class Records(logging.Handler):
    """Waits for a line of the log."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self._words, self.found, self.line = words, threading.Event(), ""

    def emit(self, record: logging.LogRecord) -> None:
        """Notes the line that it waits for."""
        if self._words in record.getMessage():
            self.line = record.getMessage()
            self.found.set()


def test_a_phase_in_which_nothing_happens_is_said() -> None:
    heard = Records("this process is evaluating.")
    log = logging.getLogger("trainer")
    log.addHandler(heard)
    watch = StallWatch(0.5, Cluster(jobs={"chief": {0: "127.0.0.1:9"}}, task_type="chief"))
    try:
        with watch.watching():
            # A listener of evaluations that waits, as one in code of a person might: the stack goes through that
            # module.
            namespace = {"__name__": evaluations.__name__, "wait": heard.found.wait}
            wait = eval("lambda: wait(60)", namespace)
            assert wait(), "nothing was said"
    finally:
        log.removeHandler(heard)
    assert heard.line.startswith("No progress for ") and heard.line.endswith("this process is evaluating.")
