"""The API server: HTTP/1.1 on loopback in front of the store, as far as `kubectl` and this package use it."""

from __future__ import annotations

import http.server
import itertools
import json
import pathlib
import re
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping

from tests.control_plane import admission
from tests.control_plane.resources import PODS, Manifest, Resource, discovery
from tests.control_plane.store import Refusal, Store

_PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/(?P<version>[^/]+)(?:/namespaces/(?P<namespace>[^/]+))?"
    r"/(?P<plural>[a-z]+)(?:/(?P<name>[^/]+)(?:/(?P<below>\w+))?)?"
)
_WATCH_SECS = 30.0
Logs = Callable[[Manifest, bool], Iterator[tuple[str, bytes]]]
"""The lines of a pod so far, each with its time, and where that is true those to come."""


class Server(http.server.ThreadingHTTPServer):
    """Serves a store at a free port of 127.0.0.1.

    Args:
      store: what it serves.
      known: the kinds.
      logs: of a pod.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, store: Store, known: tuple[Resource, ...], logs: Logs) -> None:
        self.store, self.known, self.logs = store, known, logs
        self.requests: list[str] = []
        super().__init__(("127.0.0.1", 0), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def write_kubeconfig(self, path: pathlib.Path, context: str = "tests") -> None:
        """A configuration of kubectl with this cluster in it."""
        cluster = {"name": context, "cluster": {"server": self.url}}
        user = {"name": context, "user": {}}
        entry = {"name": context, "context": {"cluster": context, "user": context}}
        whole = {"apiVersion": "v1", "kind": "Config", "current-context": context}
        path.write_text(json.dumps(whole | {"clusters": [cluster], "users": [user], "contexts": [entry]}))

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do(self) -> None:
        target = urllib.parse.urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests.append(f"{self.command} {target.path}")
        try:
            self._answer(target.path, dict(urllib.parse.parse_qsl(target.query)), json.loads(body) if body else {})
        except Refusal as refusal:
            self._send(refusal.code, refusal.status)
        except ConnectionError:
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do

    def _answer(self, path: str, query: Mapping[str, str], body: Manifest) -> None:
        if found := discovery(path, self.server.known):
            self._send(200, found)
            return
        if path == "/openapi/v2":  # asked for what version 3 does not have; an empty message of protobuf
            self._send_bytes(200, b"", "application/com.github.proto-openapi.spec.v2.v1.0+protobuf")
            return
        match = _PATH.fullmatch(path)
        resource = next((known for known in self.server.known if match and _is(known, match)), None)
        if match is None or resource is None:
            raise Refusal(404, "NotFound", "the server could not find the requested resource")
        namespace, name = match["namespace"] or "", match["name"]
        if resource == PODS and match["below"] == "log":
            self._send_log(namespace, name, query)
        elif query.get("watch") in ("true", "1"):
            self._send_changes(resource, namespace, query)
        else:
            self._send(*self._done(resource, namespace, name, query, body))

    def _done(
        self, resource: Resource, namespace: str, name: str | None, query: Mapping[str, str], body: Manifest
    ) -> tuple[int, Manifest]:
        store = self.server.store
        match self.command:
            case "POST":
                if body.get("kind") != resource.kind:
                    raise Refusal(400, "BadRequest", f"the kind of the object is not {resource.kind}")
                return 201, store.create(resource, namespace, body)
            case "GET" if name:
                return 200, store.get(resource, namespace, name)
            case "GET":
                return 200, self._list(resource, namespace, query)
            case "DELETE" if name:
                return 200, store.delete(resource, namespace, name)
            case "PATCH" if name:
                with store.changed:
                    before = store.get(resource, namespace, name)
                    after = _merged(before, body)
                    admission.changed(resource, before, after)
                    store.replace(resource, after)
                    return 200, store.get(resource, namespace, name)
        raise Refusal(405, "MethodNotAllowed", f"{self.command} is not served here")

    def _list(self, resource: Resource, namespace: str, query: Mapping[str, str]) -> Manifest:
        with self.server.store.changed:
            values = [value for value in self.server.store.listed(resource, namespace or None) if _chosen(value, query)]
            version = str(self.server.store.version)
        kind, group_version = f"{resource.kind}List", resource.group_version
        return {"kind": kind, "apiVersion": group_version, "metadata": {"resourceVersion": version}, "items": values}

    def _send_changes(self, resource: Resource, namespace: str, query: Mapping[str, str]) -> None:
        self._begin_chunks("application/json")
        for change in self.server.store.changes(int(query.get("resourceVersion") or 0), _WATCH_SECS):
            mine = not namespace or change.value["metadata"].get("namespace") == namespace
            if change.resource == resource and mine and _chosen(change.value, query):
                self._chunk(json.dumps({"type": change.type, "object": change.value}).encode() + b"\n")
        self._chunk(b"")

    def _send_log(self, namespace: str, name: str, query: Mapping[str, str]) -> None:
        pod = self.server.store.get(PODS, namespace, name)
        container = pod["spec"]["containers"][0]["name"]
        state = (pod.get("status", {}).get("containerStatuses") or [{"state": {}}])[0]["state"]
        if not {"running", "terminated"} & set(state):
            reason = state.get("waiting", {}).get("reason", "ContainerCreating")
            message = f'container "{container}" in pod "{name}" is waiting to start: {reason}'
            raise Refusal(400, "BadRequest", message)
        self._begin_chunks("text/plain")
        lines = self.server.logs(pod, query.get("follow") == "true")
        if "tailLines" in query:
            there = list(self.server.logs(pod, False))
            lines = itertools.islice(lines, max(len(there) - int(query["tailLines"]), 0), None)
        since = query.get("sinceTime", "")[:19]  # the API knows whole seconds
        for moment, text in lines:
            if moment >= since:
                self._chunk(f"{moment} ".encode() + text if query.get("timestamps") == "true" else text)
        self._chunk(b"")

    def _begin_chunks(self, content_type: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _send(self, code: int, value: Manifest) -> None:
        self._send_bytes(code, json.dumps(value).encode(), "application/json")

    def _send_bytes(self, code: int, body: bytes, content_type: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: every request is in `requests`."""


def _is(resource: Resource, match: re.Match[str]) -> bool:
    wanted = (match["group"] or "", match["version"], match["plural"])
    return (resource.group, resource.version, resource.plural) == wanted


def _chosen(value: Manifest, query: Mapping[str, str]) -> bool:
    """Whether the selectors of a request choose it: `a=b`, `!a`, and fields as `involvedObject.name=x`."""
    labels = value["metadata"].get("labels", {})
    for text in filter(None, query.get("labelSelector", "").split(",")):
        key, equals, wanted = text.partition("=")
        if labels.get(key.lstrip("!")) != (wanted.lstrip("=") if equals else None) and not (
            not equals and not text.startswith("!") and text in labels
        ):
            return False
    for text in filter(None, query.get("fieldSelector", "").split(",")):
        key, _, wanted = text.partition("=")
        found: object = value
        for part in key.split("."):
            found = found.get(part, {}) if isinstance(found, dict) else {}
        if found != wanted.lstrip("="):
            return False
    return True


def _merged(before: object, patch: object) -> Manifest:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch  # type: ignore[return-value]
    merged = dict(before) if isinstance(before, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value)
    return merged
