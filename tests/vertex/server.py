"""A server that takes jobs as Vertex AI does: bodies are parsed strictly with the official types; faults on demand."""

from __future__ import annotations

import dataclasses
import http.server
import json
import re
import socket
import struct
import threading
import urllib.parse
from collections.abc import Iterable
from types import TracebackType
from typing import Any

from google.cloud.aiplatform_v1 import types
from google.protobuf import json_format

KINDS = {"customJobs": types.CustomJob, "hyperparameterTuningJobs": types.HyperparameterTuningJob}
LIFE = ("JOB_STATE_QUEUED", "JOB_STATE_PENDING", "JOB_STATE_RUNNING", "JOB_STATE_SUCCEEDED")
_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


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


class VertexService:
    """The server, as a context manager.

    Attributes:
      jobs: as the service has them, by full name, in JSON.
      parsed: the official message of each created job, by full name.
      received: every request.
      faults: the next requests meet these; None lets one through.
      life: states that a job goes through, one at each look.
      error: what a job that ends in another state than success says.
    """

    def __init__(self, faults: Iterable[Fault | None] = ()) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.parsed: dict[str, Any] = {}
        self.received: list[Received] = []
        self.faults = list(faults)
        self.life: tuple[str, ...] = LIFE
        self.error: str | None = None
        self._lock = threading.Lock()
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
        return [
            request for request in self.received if request.method == "POST" and not request.path.endswith(":cancel")
        ]

    def __enter__(self) -> VertexService:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, method: str, url: str, text: str) -> tuple[int, dict[str, Any], Fault | None]:
        """Performs one request: status, body, and the fault that it met."""
        parts = urllib.parse.urlsplit(url)
        body = json.loads(text) if text else {}
        with self._lock:
            self.received.append(Received(method=method, path=parts.path, body=body))
            fault = self.faults.pop(0) if self.faults else None
            if fault is not None and not fault.lost:
                return fault.status, _error(fault.status, fault.message), fault
            status, found = self._perform(method, parts.path, dict(urllib.parse.parse_qsl(parts.query)), body)
            return status, found, fault

    def _perform(
        self, method: str, path: str, query: dict[str, str], body: dict[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        name = path.removeprefix("/v1/").removesuffix(":cancel")
        parent, _, collection = name.rpartition("/")
        if path.endswith(":cancel") and name in self.jobs:
            self.jobs[name]["state"] = "JOB_STATE_CANCELLED"
            return 200, {}
        if method == "POST" and collection in KINDS:
            return self._create(collection, parent, body)
        if method == "GET" and collection in KINDS:
            return 200, self._list(name, collection, query.get("filter", ""))
        if method == "GET" and name in self.jobs:
            return 200, self._look(name)
        return 404, _error(404, f"{name} does not exist")

    def _create(self, collection: str, parent: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        message = KINDS[collection]()
        try:
            json_format.ParseDict(body, type(message).pb(message))
        except json_format.ParseError as error:
            return 400, _error(400, str(error))
        name = f"{parent}/{collection}/{1000 + len(self.jobs)}"
        self.parsed[name] = message
        self.jobs[name] = {**body, "name": name, "state": self.life[0], "createTime": "2026-01-02T03:04:05.678Z"}
        return 200, self.jobs[name]

    def _list(self, name: str, collection: str, wanted: str) -> dict[str, Any]:
        match = re.fullmatch(r"labels\.(\w+)=([\w-]+)", wanted)
        assert match, f"no filter of the service: {wanted!r}"
        found = [
            job
            for full, job in self.jobs.items()
            if full.startswith(f"{name}/") and (job.get("labels") or {}).get(match[1]) == match[2]
        ]
        return {collection: found} if found else {}

    def _look(self, name: str) -> dict[str, Any]:
        """The job as it is now; before the next look it goes on."""
        shown = dict(self.jobs[name])
        if shown["state"] in self.life[:-1]:
            self.jobs[name]["state"] = self.life[self.life.index(shown["state"]) + 1]
        if self.error and shown["state"] == self.life[-1]:
            shown["error"] = {"code": 3, "message": self.error}
        return shown


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


def _error(status: int, message: str) -> dict[str, Any]:
    return {"error": {"code": status, "message": message, "status": _NAMES.get(status, "UNKNOWN")}}
