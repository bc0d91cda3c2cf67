"""A server that answers as Vertex AI, Cloud Logging and Cloud Build do; faults on demand.

answers, discovery   bodies: as the services write them, and what they take
jobs                 jobs as the service has them; life by script, or by processes
replicas, trials     a job's replicas as processes of this machine; the trials of a study
log_entries          what they said, for entries:list
registry             models, endpoints, and containers behind them
builds               Cloud Build
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.server
import json
import socket
import struct
import threading
import urllib.parse
from collections.abc import Iterable
from typing import Any

from tests.vertex.answers import Answer, error, not_found
from tests.vertex.builds import Builds
from tests.vertex.jobs import KINDS, Jobs
from tests.vertex.log_entries import LogEntries
from tests.vertex.registry import Registry
from tests.vertex.replicas import Machines


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fault:
    """What becomes of one request.

    Attributes:
      status: of the answer, with nothing done; 0: the connection is reset before anything is done.
      message: of the service.
      lost: the request is performed, and the connection is reset instead of an answer.
      headers: of the answer.
    """

    status: int = 0
    message: str = "trouble"
    lost: bool = False
    headers: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Received:
    """One request as it came."""

    method: str
    path: str
    body: dict[str, Any]


class VertexService(contextlib.ExitStack):
    """The server, as a context manager.

    Args:
      faults: the next requests meet these; None lets one through.
      machines: on which replicas and containers run; None for jobs whose life is a script.
      scripted: whether the life of jobs is a script although there are machines for containers.

    Attributes:
      jobs: their states, and how they change.
      log: what replicas and the service said.
      registry: models and endpoints.
      builds: of Cloud Build.
      received: every request.
      refused_paths: beginnings of paths that are answered with 403.
    """

    def __init__(
        self, faults: Iterable[Fault | None] = (), machines: Machines | None = None, *, scripted: bool = False
    ) -> None:
        super().__init__()
        self.received: list[Received] = []
        self.faults = list(faults)
        self.refused_paths: tuple[str, ...] = ()
        self._lock = threading.RLock()
        self.log = LogEntries(self._lock)
        self.jobs = Jobs(self._lock, self.log, None if scripted else machines)
        self.registry = Registry(machines)
        self.builds = Builds()
        service = self

        class Handler(_Handler):
            pass

        Handler.service = service
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def creates(self) -> list[Received]:
        return [one for one in self.received if one.method == "POST" and one.path.rpartition("/")[2] in KINDS]

    def __enter__(self) -> VertexService:
        self._thread.start()
        self.callback(self._server.server_close)
        self.callback(self._thread.join)
        self.callback(self._server.shutdown)
        self.callback(self.registry.close)
        self.callback(self.jobs.close)
        return self

    def answer(self, method: str, url: str, text: str) -> tuple[int, dict[str, Any], Fault | None]:
        """Performs one request: status, body, and the fault that it met."""
        parts = urllib.parse.urlsplit(url)
        body = json.loads(text) if text else {}
        with self._lock:
            self.received.append(Received(method=method, path=parts.path, body=body))
            fault = self.faults.pop(0) if self.faults else None
            if fault is not None and not fault.lost:
                return fault.status, error(fault.status, fault.message), fault
            query = dict(urllib.parse.parse_qsl(parts.query))
            status, found = self._perform(method, parts.path, query, body)
            return status, found, fault

    def _perform(self, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> Answer:
        if path.startswith(self.refused_paths or ("none",)):
            return 403, error(403, f"Permission denied on {path}")
        if path == "/v2/entries:list":
            return self.log.listed(body)
        name = path.removeprefix("/v1/")
        for part in (self.builds, self.registry, self.jobs):
            found = part.answer(method, name, query, body)
            if found is not None:
                return found
        return not_found(name)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: VertexService

    def do_GET(self) -> None:  # noqa: N802  (http.server's name)
        self._serve()

    def do_POST(self) -> None:  # noqa: N802
        self._serve()

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        status, body, fault = self.service.answer(self.command, self.path, self.rfile.read(length).decode())
        if fault is not None and (fault.lost or fault.status == 0):
            # with nothing to linger for, closing sends a reset
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in fault.headers if fault else ():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        """Says nothing: tests look at `received`."""
