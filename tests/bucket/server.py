"""The bucket server: HTTP/1.1 on loopback in front of the operations, with latency, faults and a log of requests.

Beside the service's own addresses there are `/_faults` (GET the plan, POST another), `/_counts` and `/_log`.
"""

from __future__ import annotations

import dataclasses
import http.server
import json
import pathlib
import socket
import struct
import sys
import tempfile
import threading
import time
import traceback
import urllib.parse
from typing import BinaryIO

from tests.bucket import faults
from tests.bucket.api import Api, query_of
from tests.bucket.damage import flipped
from tests.bucket.faults import Draws, Kind, Plan, Rule
from tests.bucket.journal import Entry, Journal
from tests.bucket.messages import CHUNK_BYTES, Refusal, Request, Response, Slice, in_json
from tests.bucket.routes import Call

_IN_MEMORY_BYTES = 64 << 20
_UNKNOWN = Call(op="unknown")


class Server(http.server.ThreadingHTTPServer):
    """Serves a directory at a port of 127.0.0.1; a thread for each connection.

    Args:
      directory: where buckets, uploads and the log lie.
      port: 0 for any free one.
      plan: of faults, at first.
      page_size: the most entries in a page of a list.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, directory: pathlib.Path, port: int, plan: Plan, page_size: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.api = Api(directory, page_size=page_size)
        self.api.status_in_batch = self._status_in_batch
        self.journal = Journal(directory / "requests.jsonl")
        self.changed = threading.Event()
        self.set_plan(plan)
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def is_down(self) -> bool:
        return time.monotonic() < self._down_until

    def set_plan(self, plan: Plan) -> None:
        """From now on; whoever is held by a stall is let go, without an answer."""
        self.plan, self.draws = plan, Draws(plan)
        self.api.store.one_write_a_second = plan.one_write_a_second
        self._down_until = time.monotonic() + (3600.0 if plan.down_secs is None else plan.down_secs)
        before, self.changed = self.changed, threading.Event()
        before.set()

    def _status_in_batch(self, call: Call) -> int | None:
        """The status that a part of a batch is refused with; other faults do not befall one part alone."""
        rule = self.draws.decide(call)
        return rule.status if rule else None

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away are no news; anything else is a fault in this server, and is told."""
        if not isinstance(sys.exception(), ConnectionError):
            traceback.print_exc()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do(self) -> None:
        target = urllib.parse.urlsplit(self.path)
        if target.path.startswith("/_"):
            self._control(target.path)
            return
        if self.server.is_down:
            self._log(_UNKNOWN, 0, 0, "down", 0, time.time())
            self._drop()
            return
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as body:
            size = self._receive(body)  # type: ignore[arg-type]
            if size is None:
                self._log(_UNKNOWN, 0, 0, "gone", 0, time.time())
                self._drop()
                return
            body.seek(0)
            headers = {key.lower(): value for key, value in self.headers.items()}
            self._serve(target, headers, body, size)  # type: ignore[arg-type]

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do

    def log_message(self, format: str, *args: object) -> None:
        """The journal has it."""

    def _serve(self, target: urllib.parse.SplitResult, headers: dict[str, str], body: BinaryIO, size: int) -> None:
        began = time.time()
        try:
            query = query_of(target.query)
            request = Request(method=self.command, path=target.path, query=query, headers=headers, body=body)
            call = self.server.api.called(request)
        except (Refusal, UnicodeDecodeError) as error:
            refusal = error if isinstance(error, Refusal) else Refusal(400, "The query is not UTF-8")
            self._log(_UNKNOWN, refusal.status, 0, None, size, began)
            self._write(refusal.response())
            return
        if self.server.plan.latency_secs:
            time.sleep(self.server.plan.latency_secs)
        rule = self.server.draws.decide(call)
        kind = Kind(rule.kind) if rule and rule.status is None else None
        response = self._performed(rule, kind, call, request)
        # Logged before it is answered, so that whoever has the answer finds it in the log.
        told = None if kind is Kind.LOST_RESPONSE else response
        status, sent = (told.status, told.length) if told else (0, 0)
        self._log(call, status, sent, rule.kind if rule else None, size, began)
        self._answer(kind, call, response)

    def _performed(self, rule: Rule | None, kind: Kind | None, call: Call, request: Request) -> Response | None:
        """What there is to answer; None where the fault comes before anything is done."""
        if rule and rule.status is not None:
            return Refusal(rule.status, f"A fault of this server: {rule.status}", "fault").response()
        if kind in (Kind.RESET, Kind.STALL):
            return None
        damaged = kind is Kind.BIT_FLIP and call.op != "download"
        return self.server.api.answer(call, dataclasses.replace(request, damaged=damaged))

    def _answer(self, kind: Kind | None, call: Call, response: Response | None) -> None:
        """Sends it, as far as the fault lets it through."""
        if kind is Kind.STALL:
            self.server.changed.wait(self.server.plan.stall_secs)
        if response is None:
            self._drop()
        elif kind is Kind.LOST_RESPONSE:
            _close(response)
            self._drop()
        elif kind is Kind.TRUNCATION:
            self._write(response, truncated=True)
            self._drop()
        else:
            self._write(response, damaged=kind is Kind.BIT_FLIP and call.op == "download")

    def _receive(self, body: BinaryIO) -> int | None:
        """Reads the request's body into a file; its size, None when the client went away in the middle."""
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            total = 0
            while size := int(self.rfile.readline().split(b";")[0].strip() or b"0", 16):
                body.write(self.rfile.read(size))
                self.rfile.readline()
                total += size
            self.rfile.readline()
            return total
        total = left = int(self.headers.get("content-length") or 0)
        while left:
            chunk = self.rfile.read(min(left, CHUNK_BYTES))
            if not chunk:
                return None
            body.write(chunk)
            left -= len(chunk)
        return total

    def _write(self, response: Response, *, truncated: bool = False, damaged: bool = False) -> None:
        """Sends a response; with `truncated` only half of it."""
        self.send_response_only(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value.encode("utf-8").decode("latin-1"))
        if "Content-Length" not in response.headers and response.status not in (204, 304):
            self.send_header("Content-Length", str(response.length))
        length = 0 if self.command == "HEAD" else response.length
        if truncated and not length:
            return
        self.end_headers()
        self._write_body(response.body, length // 2 if truncated else length, damaged)

    def _write_body(self, body: bytes | Slice, length: int, damaged: bool) -> None:
        if isinstance(body, bytes):
            self.wfile.write((flipped(body) if damaged and body else body)[:length])
            return
        with body.file as file:
            file.seek(body.start)
            while length and (chunk := file.read(min(length, CHUNK_BYTES))):
                self.wfile.write(flipped(chunk) if damaged else chunk)
                damaged, length = False, length - len(chunk)

    def _drop(self) -> None:
        """Breaks the connection, hard."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()
        self.connection.close()

    def _log(self, call: Call, status: int, sent: int, fault: str | None, received: int, began: float) -> None:
        self.server.journal.add(
            Entry(
                time=began,
                method=self.command,
                op=call.op,
                bucket=call.bucket,
                object=call.name,
                status=status,
                fault=fault,
                received=received,
                sent=sent,
                secs=time.time() - began,
            )
        )

    def _control(self, path: str) -> None:
        text = self.rfile.read(int(self.headers.get("content-length") or 0))
        match self.command, path:
            case "POST", "/_faults":
                try:
                    self.server.set_plan(faults.plan_of(json.loads(text)))
                except ValueError as error:
                    self._write(Refusal(400, str(error)).response())
                    return
                self._write(in_json(dataclasses.asdict(self.server.plan)))
            case "GET", "/_faults":
                self._write(in_json(dataclasses.asdict(self.server.plan)))
            case "GET", "/_counts":
                self._write(in_json(self.server.journal.counts()))
            case "GET", "/_log":
                self._write(Response(body=self.server.journal.path.read_bytes()))
            case _:
                accepted = "GET /_faults, GET /_counts, GET /_log, POST /_faults"
                self._write(Refusal(404, f"{self.command} {path} is none of {accepted}").response())


def _close(response: Response) -> None:
    if isinstance(response.body, Slice):
        response.body.file.close()
