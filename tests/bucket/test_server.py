from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bucket.faults import Rule
from tests.bucket.process import BucketServer
from tests.deadlines import ANSWER_SECS

pytestmark = pytest.mark.process
UPLOAD = "/upload/storage/v1/b/bucket/o?uploadType=media&name="


@pytest.fixture
def server(module_bucket_server: BucketServer) -> Iterator[BucketServer]:
    yield module_bucket_server
    module_bucket_server.set_faults()


class Caller:
    """One connection to a server, over which requests go one after another."""

    def __init__(self, server: BucketServer) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=ANSWER_SECS)

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, bytes, dict[str, str]]:
        """(status, body, headers in lower case)."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, path, body, named)
        response = self.connection.getresponse()
        return response.status, response.read(), {name.lower(): value for name, value in response.getheaders()}


@pytest.fixture
def caller(server: BucketServer) -> Iterator[Caller]:
    made = Caller(server)
    yield made
    made.connection.close()


def test_requests_go_over_one_connection_and_are_logged_with_their_bytes(server: BucketServer, caller: Caller) -> None:
    before = len(server.log())
    caller.ask("POST", UPLOAD + "logged", b"12345")
    mine = caller.connection.sock
    assert caller.ask("GET", "/bucket/logged", Range="bytes=1-2")[1] == b"23"
    assert caller.connection.sock is mine
    upload, download = server.log()[before:]
    assert (upload["op"], upload["object"], upload["status"], upload["received"]) == ("upload", "logged", 200, 5)
    assert (download["op"], download["status"], download["sent"], download["fault"]) == ("download", 206, 2, None)
    assert server.counts()["upload"] >= 1


def test_a_resumable_upload_tells_what_has_arrived_and_takes_the_rest(caller: Caller) -> None:
    quantum = 256 << 10
    start = "/upload/storage/v1/b/bucket/o?uploadType=resumable&name=resumed"
    session = caller.ask("POST", start, b"{}")[2]["location"]
    status, _, headers = caller.ask("PUT", session, b"x" * quantum, Content_Range=f"bytes 0-{quantum - 1}/*")
    assert (status, headers["range"]) == (308, f"bytes=0-{quantum - 1}")
    assert caller.ask("PUT", session, b"x", Content_Range=f"bytes {quantum + 1}-{quantum + 1}/*")[0] == 503
    status, _, headers = caller.ask("PUT", session, b"", Content_Range="bytes */*")
    assert (status, headers["range"]) == (308, f"bytes=0-{quantum - 1}")
    last = {"Content_Range": f"bytes {quantum - 1}-{quantum}/{quantum + 1}"}  # a byte of it has come before
    status, body, _ = caller.ask("PUT", session, b"xy", **last)
    assert (status, json.loads(body)["size"]) == (200, str(quantum + 1))
    assert caller.ask("GET", "/bucket/resumed")[1] == b"x" * quantum + b"y"
    status, again, _ = caller.ask("PUT", session, b"", Content_Range=f"bytes */{quantum + 1}")
    assert (status, json.loads(again)["generation"]) == (200, json.loads(body)["generation"])


def test_a_cancelled_upload_is_gone_and_an_uneven_chunk_is_refused(caller: Caller) -> None:
    start = "/upload/storage/v1/b/bucket/o?uploadType=resumable&name=cancelled"
    session = caller.ask("POST", start, b"{}")[2]["location"]
    assert caller.ask("PUT", session, b"x", Content_Range="bytes 0-0/*")[0] == 400
    assert caller.ask("DELETE", session)[0] == 499
    assert caller.ask("PUT", session, b"", Content_Range="bytes */*")[0] == 404


def test_a_bit_that_flips_on_its_way_in_is_seen_where_a_checksum_came_along(
    server: BucketServer, caller: Caller
) -> None:
    server.set_faults(Rule(kind="bit_flip", ops=("upload",)))
    status, body, _ = caller.ask("POST", UPLOAD + "flipped", b"0", x_goog_hash="crc32c=Y7Z70Q==")
    assert status == 400
    assert b"doesn't match calculated hash" in body
    assert caller.ask("POST", UPLOAD + "flipped", b"0")[0] == 200
    assert caller.ask("GET", "/bucket/flipped")[1] == b"1"


def test_a_bit_that_flips_on_its_way_out_leaves_the_checksum_of_the_right_ones(
    server: BucketServer, caller: Caller
) -> None:
    right = json.loads(caller.ask("POST", UPLOAD + "sent", b"0")[1])["crc32c"]
    server.set_faults(Rule(kind="bit_flip", ops=("download",)))
    _, body, headers = caller.ask("GET", "/bucket/sent")
    assert body == b"1"
    assert f"crc32c={right}" in headers["x-goog-hash"]


@pytest.mark.parametrize(("kind", "done"), [("reset", False), ("lost_response", True), ("truncation", True)])
def test_a_broken_connection_comes_before_or_after_the_work(
    server: BucketServer, caller: Caller, kind: str, done: bool
) -> None:
    server.set_faults(Rule(kind=kind, ops=("upload",)))
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        caller.ask("POST", UPLOAD + kind, b"12345")
    caller.connection.close()
    assert (caller.ask("GET", f"/bucket/{kind}")[0] == 200) is done


def test_a_truncated_download_ends_in_the_middle(server: BucketServer, caller: Caller) -> None:
    caller.ask("POST", UPLOAD + "long", b"x" * 1000)
    server.set_faults(Rule(kind="truncation", ops=("download",)))
    with pytest.raises((ConnectionError, http.client.IncompleteRead)):
        caller.ask("GET", "/bucket/long")


@pytest.mark.parametrize("status", ["408", "429", "500", "503", "403"])
def test_a_status_is_answered_and_nothing_is_done(server: BucketServer, caller: Caller, status: str) -> None:
    server.set_faults(Rule(kind=status, ops=("upload",)))
    assert caller.ask("POST", UPLOAD + "refused", b"1")[0] == int(status)
    assert caller.ask("GET", "/bucket/refused")[0] == 404


def test_a_stall_ends_when_the_plan_changes(server: BucketServer, caller: Caller) -> None:
    server.set_faults(Rule(kind="stall"))
    caller.connection.request("GET", "/bucket/any")
    assert caller.connection.sock is not None
    caller.connection.sock.settimeout(0.2)
    with pytest.raises(TimeoutError):
        caller.connection.sock.recv(1)
    server.set_faults()
    caller.connection.sock.settimeout(30)
    with pytest.raises(ConnectionResetError):
        caller.connection.sock.recv(1)
    assert server.log()[-1]["fault"] == "stall"


def test_a_server_that_is_down_breaks_every_connection_until_it_is_up(server: BucketServer, caller: Caller) -> None:
    server.set_faults(down_secs=None)
    for _ in range(2):
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            caller.ask("GET", "/bucket/any")
        caller.connection.close()
    assert server.log()[-1]["fault"] == "down"
    server.set_faults()
    assert caller.ask("GET", "/bucket/any")[0] == 404


def test_a_client_that_goes_away_in_an_upload_leaves_nothing(server: BucketServer, caller: Caller) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(f"POST {UPLOAD}half HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf".encode())
    assert caller.ask("GET", "/bucket/half")[0] == 404


def test_a_plan_that_is_none_is_refused(caller: Caller) -> None:
    status, body, _ = caller.ask("POST", "/_faults", b'{"rules": [{"kind": "fire"}]}')
    assert status == 400
    assert b"it is one of reset" in body
    assert caller.ask("GET", "/_nothing")[0] == 404


def test_objects_and_uploads_survive_a_kill_of_the_server(tmp_path: Path) -> None:
    start = "/upload/storage/v1/b/bucket/o?uploadType=resumable&name=resumed"
    with BucketServer(tmp_path) as server:
        caller = Caller(server)
        caller.ask("POST", UPLOAD + "kept", b"kept")
        generation = json.loads(caller.ask("GET", "/storage/v1/b/bucket/o/kept")[1])["generation"]
        session = caller.ask("POST", start, b"{}")[2]["location"].partition("/upload")[2]
        caller.ask("PUT", "/upload" + session, b"x" * (256 << 10), Content_Range=f"bytes 0-{(256 << 10) - 1}/*")
        caller.connection.close()
    with BucketServer(tmp_path, buckets=()) as server:
        caller = Caller(server)
        assert json.loads(caller.ask("GET", "/storage/v1/b/bucket/o/kept")[1])["generation"] == generation
        assert caller.ask("PUT", "/upload" + session, b"", Content_Range="bytes */*")[0] == 308
        caller.connection.close()
