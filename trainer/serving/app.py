"""The addresses of a served model: TensorFlow Serving's, those that Vertex AI asks for, health and figures."""

from __future__ import annotations

import json
import logging
import time
import zlib
from typing import Any

from google.protobuf import json_format
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trainer.exported.signatures import Signature
from trainer.serving import rest
from trainer.serving.batching import Batcher
from trainer.serving.faults import RequestFault
from trainer.serving.figures import CONTENT_TYPE, Figures
from trainer.serving.rest import Verb
from trainer.serving.settings import Place, ServeOptions
from trainer.serving.versions import Served, Versions

_log = logging.getLogger("trainer")

_RETRY_SECS = 2
_LARGE_BYTES = 1 << 16
"""Bodies beyond are read and written in threads, so that others do not wait for them."""
_DISCONNECTED = 499


class Server:
    """What answers requests.

    Args:
      versions: of the model.
      batcher: that asks it.
      figures: that are told.
      options: names and bounds.

    Attributes:
      is_draining: whether no new requests shall come.
    """

    def __init__(self, versions: Versions, batcher: Batcher, figures: Figures, options: ServeOptions) -> None:
        self._versions, self._batcher, self._figures, self._options = versions, batcher, figures, options
        self.is_draining = False

    def app(self, place: Place) -> Starlette:
        """The application, with the routes that a place wants."""
        model = f"/v1/models/{self._options.model_name}"
        routes = [
            Route("/healthz", self.alive, methods=["GET"]),
            Route("/readyz", self.ready, methods=["GET"]),
            Route("/metrics", self.metrics, methods=["GET"]),
        ]
        for prefix in (model, f"{model}/versions/{{version:int}}"):
            routes += [
                Route(prefix, self.status, methods=["GET"]),
                Route(f"{prefix}/metadata", self.metadata, methods=["GET"]),
                Route(f"{prefix}:{{verb}}", self.ask, methods=["POST"]),
            ]
        if place.health_route:
            routes.insert(0, Route(place.health_route, self.ready, methods=["GET"]))
        if place.predict_route:
            routes.insert(0, Route(place.predict_route, self.ask, methods=["POST"]))
        closing = [Middleware(_Closing, server=self)]
        return Starlette(routes=routes, middleware=closing, exception_handlers={HTTPException: _no_such_address})

    async def alive(self, request: Request) -> Response:
        """Whether the process runs."""
        return _json({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """Whether requests may be sent."""
        if self.is_draining or self._versions.served is None:
            return _told(RequestFault(503, "The server ends" if self.is_draining else "No model yet", _RETRY_SECS))
        return _json({"status": "ok", "version": str(self._versions.served.export.version)})

    async def metrics(self, request: Request) -> Response:
        """The figures."""
        return Response(self._figures.text(self._batcher.queued), media_type=CONTENT_TYPE)

    async def status(self, request: Request) -> Response:
        """Which version is served."""
        try:
            served = self._served(request)
        except RequestFault as fault:
            return _told(fault)
        state = {"error_code": "OK", "error_message": ""}
        version = {"version": str(served.export.version), "state": "AVAILABLE", "status": state}
        return _json({"model_version_status": [version]})

    async def metadata(self, request: Request) -> Response:
        """The signatures of the version that is served."""
        try:
            served = self._served(request)
        except RequestFault as fault:
            return _told(fault)
        spec = {"name": self._options.model_name, "signature_name": "", "version": str(served.export.version)}
        signatures = {name: _described(one) for name, one in served.model.signatures.items()}
        return _json({"model_spec": spec, "metadata": {"signature_def": {"signature_def": signatures}}})

    async def ask(self, request: Request) -> Response:
        """Predict, classify or regress."""
        began = time.monotonic()
        verb = request.path_params.get("verb", Verb.PREDICT.value)
        try:
            response = Response(await self._answer(request, verb), media_type="application/json")
        except RequestFault as fault:
            response = _told(fault)
        except ClientDisconnect:
            response = _told(RequestFault(_DISCONNECTED, "The client has gone"))
        except Exception:
            _log.exception("A request failed.")
            response = _told(RequestFault(500, "The server failed; its log says why"))
        known = verb if verb in {one.value for one in Verb} else "other"
        self._figures.answered(known, response.status_code, time.monotonic() - began)
        return response

    async def _answer(self, request: Request, verb: str) -> bytes:
        if verb not in {one.value for one in Verb}:
            raise RequestFault(404, f"No :{verb:.40}. There are {', '.join(f':{one.value}' for one in Verb)}")
        served = self._served(request)
        body = await _body(request, self._options.max_body_bytes)
        arguments = (body, Verb(verb), served.model.signatures)
        is_large = len(body) > _LARGE_BYTES
        question = await run_in_threadpool(rest.question, *arguments) if is_large else rest.question(*arguments)
        outputs = await self._batcher.ask(served.model, question)
        if is_large or sum(array.nbytes for array in outputs.values()) > _LARGE_BYTES:
            return await run_in_threadpool(rest.answer, question, outputs)
        return rest.answer(question, outputs)

    def _served(self, request: Request) -> Served:
        """The version that a request is for.

        Raises:
          RequestFault: it is not served.
        """
        served, wanted = self._versions.served, request.path_params.get("version")
        if served is None:
            raise RequestFault(503, "No model yet", _RETRY_SECS)
        if wanted is not None and wanted != served.export.version:
            raise RequestFault(404, f"Version {wanted} is not served; version {served.export.version} is")
        return served


class _Closing:
    """Tells the clients of a server that ends to send what comes next through another connection."""

    def __init__(self, app: ASGIApp, server: Server) -> None:
        self._app, self._server = app, server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def told(message: Message) -> None:
            if self._server.is_draining and message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            await send(message)

        await self._app(scope, receive, told)


async def _body(request: Request, most: int) -> bytes:
    """The body of a request, unpacked, of at most so many bytes."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", ""):
        raise RequestFault(415, f"The content encoding {encoding:.40} is not read; gzip is")
    length = request.headers.get("content-length", "")
    too_large = RequestFault(413, f"The body is larger than {most:,} bytes")
    if length.isdecimal() and int(length) > most:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise too_large
    if encoding != "gzip":
        return bytes(body)
    try:
        unpacked = zlib.decompressobj(wbits=31).decompress(bytes(body), most + 1)
    except zlib.error:
        raise RequestFault(400, "The body is not gzip") from None
    if len(unpacked) > most:
        raise too_large
    return unpacked


def _described(signature: Signature) -> Any:
    """A signature as TensorFlow Serving's JSON describes it."""
    return json_format.MessageToDict(
        signature.definition, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _json(value: Any) -> Response:
    return Response(json.dumps(value), media_type="application/json")


def _told(fault: RequestFault) -> Response:
    headers = {} if fault.retry_secs is None else {"Retry-After": str(fault.retry_secs)}
    text = fault.text.encode("utf-8", "backslashreplace").decode()
    return Response(json.dumps({"error": text}), fault.status, headers, "application/json")


async def _no_such_address(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path[:100]
    if error.status_code == 405:
        return _told(RequestFault(405, f"{path} does not take {request.method}"))
    labels = "; versions have no labels here: leave it out, or say /versions/N" if "/labels/" in path else ""
    return _told(RequestFault(error.status_code, f"{path}: there is no such model or address{labels}"))
