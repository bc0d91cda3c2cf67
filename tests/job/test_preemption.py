"""Notices of a metadata server: a fake one on loopback, which answers as Google Cloud's does."""

from __future__ import annotations

import contextlib
import pathlib
import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.deadlines import ANSWER_SECS
from trainer.job import preemption
from trainer.job.config import Notices

PREEMPTED, MAINTENANCE = "preempted", "maintenance-event"


class MetadataServer(ThreadingHTTPServer):
    """Holds the values below `instance/`. A request with `wait_for_change` is answered when the value changes."""

    daemon_threads = True

    def __init__(self, flavor: str = "Google") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.values, self.etags = {PREEMPTED: "FALSE", MAINTENANCE: "NONE"}, {PREEMPTED: 1, MAINTENANCE: 1}
        self.changed, self.flavor = threading.Condition(), flavor
        self.asked: queue.Queue[str] = queue.Queue()
        self.statuses: list[int] = []

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def set(self, key: str, value: str) -> None:
        with self.changed:
            self.values[key], self.etags[key] = value, self.etags[key] + 1
            self.changed.notify_all()

    def until_it_waits_for(self, key: str) -> None:
        """Until a request hangs that wants to hear of the next change."""
        while f"{key} waits" != self.asked.get(timeout=ANSWER_SECS):
            pass


class _Handler(BaseHTTPRequestHandler):
    server: MetadataServer

    def do_GET(self) -> None:
        split = urlsplit(self.path)
        key, query = split.path.removeprefix("/computeMetadata/v1/instance/"), parse_qs(split.query)
        assert self.headers["Metadata-Flavor"] == "Google"  # without it the real one answers 403
        server = self.server
        if server.statuses:
            self.send_error(server.statuses.pop())
            return
        with server.changed:
            server.asked.put(f"{key} waits" if "wait_for_change" in query else key)
            if "wait_for_change" in query:
                seen = int(query["last_etag"][0])
                server.changed.wait_for(lambda: server.etags[key] != seen, float(query["timeout_sec"][0]))
            body, etag = server.values[key].encode(), str(server.etags[key])
        self.send_response(200)
        for name, value in (("Metadata-Flavor", server.flavor), ("ETag", etag), ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextlib.contextmanager
def serving(flavor: str = "Google") -> Iterator[MetadataServer]:
    with MetadataServer(flavor) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            for key in server.values:
                server.set(key, "gone")
            server.shutdown()
            thread.join()


@pytest.fixture
def server() -> Iterator[MetadataServer]:
    with serving() as server:
        yield server


def follower(server: MetadataServer, key: str, received: queue.Queue[str], at_start: bool) -> preemption.Follower:
    ends = {PREEMPTED: "TRUE", MAINTENANCE: "TERMINATE_ON_HOST_MAINTENANCE"}[key]
    return preemption.Follower(server.host, key, ends, at_start, received.put, pause=lambda secs: None)


@pytest.mark.parametrize(("key", "value"), [(PREEMPTED, "TRUE"), (MAINTENANCE, "TERMINATE_ON_HOST_MAINTENANCE")])
def test_a_notice_is_received_when_it_comes(server: MetadataServer, key: str, value: str) -> None:
    received: queue.Queue[str] = queue.Queue()
    preemption.follow(Notices.AUTO, {preemption.HOST_VARIABLE: server.host}, received.put)
    server.until_it_waits_for(key)
    assert received.empty()
    server.set(key, value)
    assert received.get(timeout=ANSWER_SECS) == f"the notice {key}={value}"


def test_a_live_migration_is_no_end(server: MetadataServer) -> None:
    received: queue.Queue[str] = queue.Queue()
    preemption.follow(Notices.ON, {preemption.HOST_VARIABLE: server.host}, received.put)
    for value in ("MIGRATE_ON_HOST_MAINTENANCE", "NONE"):
        server.until_it_waits_for(MAINTENANCE)
        server.set(MAINTENANCE, value)
    server.until_it_waits_for(MAINTENANCE)
    assert received.empty()


def test_a_machine_that_is_preempted_already_ends_the_process_at_once(server: MetadataServer) -> None:
    received: queue.Queue[str] = queue.Queue()
    server.set(PREEMPTED, "TRUE")
    follower(server, PREEMPTED, received, at_start=True).run()
    assert received.get_nowait() == "the notice preempted=TRUE"


def test_maintenance_that_was_announced_before_the_start_does_not_end_it(server: MetadataServer) -> None:
    received: queue.Queue[str] = queue.Queue()
    server.set(MAINTENANCE, "TERMINATE_ON_HOST_MAINTENANCE")
    thread = threading.Thread(target=follower(server, MAINTENANCE, received, at_start=False).run)
    thread.start()
    server.until_it_waits_for(MAINTENANCE)
    assert received.empty()
    server.set(MAINTENANCE, "TERMINATE_ON_HOST_MAINTENANCE")  # announced again, for this process to hear
    thread.join(ANSWER_SECS)
    assert received.get_nowait() == "the notice maintenance-event=TERMINATE_ON_HOST_MAINTENANCE"


def test_a_server_that_is_not_ready_is_asked_again(server: MetadataServer) -> None:
    received: queue.Queue[str] = queue.Queue()
    server.set(PREEMPTED, "TRUE")
    server.statuses = [503, 503]
    follower(server, PREEMPTED, received, at_start=True).run()
    assert received.get_nowait() == "the notice preempted=TRUE"


def test_whatever_else_answers_is_not_believed_and_left_alone() -> None:
    received: queue.Queue[str] = queue.Queue()
    with serving(flavor="else") as server:
        server.set(PREEMPTED, "TRUE")
        follower(server, PREEMPTED, received, at_start=True).run()
        assert received.empty()
        assert server.asked.qsize() == 3


def test_nothing_is_asked_where_notices_are_off_or_the_machine_is_not_of_google_cloud(
    server: MetadataServer, tmp_path: pathlib.Path
) -> None:
    product = tmp_path / "product_name"
    before = threading.active_count()
    preemption.follow(Notices.OFF, {preemption.HOST_VARIABLE: server.host}, lambda reason: None)
    preemption.follow(Notices.AUTO, {}, lambda reason: None, product=str(product))
    product.write_text("Standard PC\n")
    preemption.follow(Notices.AUTO, {}, lambda reason: None, product=str(product))
    assert threading.active_count() == before
    assert server.asked.empty()
