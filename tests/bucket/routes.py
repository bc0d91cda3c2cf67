"""Which operation a request is, on which bucket and object: decided from its words, before anything is done."""

from __future__ import annotations

import dataclasses
import json
import urllib.parse

from tests.bucket.messages import Refusal, Request

WRITES = ("upload", "resumable.put", "part")
"""Operations that carry bytes of objects in; `download` carries them out."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Call:
    """One operation.

    Attributes:
      op: what a fault plan and the log call it.
      api: `json` or `xml`, which write objects and errors differently.
      source: bucket and object that a copy is made of.
    """

    op: str
    api: str = "json"
    bucket: str | None = None
    name: str | None = None
    source: tuple[str, str] | None = None


def route(request: Request) -> Call:
    """Raises Refusal 404 for a path that is none, 400 for one that is no UTF-8."""
    segments = [_decoded(segment) for segment in request.path.split("/")[1:]]
    match segments:
        case ["storage", "v1", *rest]:
            return _json(request, rest)
        case ["download", "storage", "v1", "b", bucket, "o", name]:
            return Call(op="download", bucket=bucket, name=name)
        case ["upload", "storage", "v1", "b", bucket, "o"]:
            return _upload(request, bucket)
        case ["batch", "storage", *_]:
            return Call(op="batch")
        case [bucket, *rest] if bucket:
            return _xml(request, bucket, "/".join(rest))
    raise Refusal(404, f"Not Found: {request.path}", "notFound")


def _json(request: Request, segments: list[str]) -> Call:
    method = request.method
    match segments:
        case ["b"]:
            return Call(op={"GET": "bucket.list", "POST": "bucket.create"}.get(method, "unknown"))
        case ["b", bucket]:
            ops = {"GET": "bucket.get", "PATCH": "bucket.patch", "PUT": "bucket.patch", "DELETE": "bucket.delete"}
            return Call(op=ops.get(method, "unknown"), bucket=bucket)
        case ["b", bucket, "o"]:
            return Call(op="list" if method == "GET" else "unknown", bucket=bucket)
        case ["b", bucket, "o", name]:
            read = "download" if request.query.get("alt") == "media" else "stat"
            ops = {"GET": read, "PATCH": "patch", "PUT": "update", "DELETE": "delete"}
            return Call(op=ops.get(method, "unknown"), bucket=bucket, name=name)
        case ["b", bucket, "o", name, "compose"]:
            return Call(op="compose", bucket=bucket, name=name)
        case ["b", source, "o", of, ("rewriteTo" | "copyTo") as verb, "b", bucket, "o", name]:
            return Call(op=verb.removesuffix("To"), bucket=bucket, name=name, source=(source, of))
    raise Refusal(404, f"Not Found: {request.path}", "notFound")


def _upload(request: Request, bucket: str) -> Call:
    kind = request.query.get("uploadType", "media")
    name = request.query.get("name") or _name_in_body(request, kind)
    if kind != "resumable":
        return Call(op="upload", bucket=bucket, name=name)
    if "upload_id" not in request.query:
        return Call(op="resumable.start", bucket=bucket, name=name)
    if request.method == "DELETE":
        return Call(op="resumable.cancel", bucket=bucket)
    asks = request.headers.get("content-range", "").startswith("bytes */")
    return Call(op="resumable.query" if asks else "resumable.put", bucket=bucket)


def _name_in_body(request: Request, kind: str) -> str | None:
    """The name that the metadata in the body give; None where there is none to be found."""
    if kind == "media" or "upload_id" in request.query:
        return None
    head = request.body.read(1 << 16)
    request.body.seek(0)
    start, text = head.find(b"{"), head.decode("utf-8", "replace")[head.decode("utf-8", "replace").find("{") :]
    if start < 0:
        return None
    try:
        found, _ = json.JSONDecoder().raw_decode(text)
    except ValueError:
        return None
    return found.get("name") if isinstance(found.get("name"), str) else None


def _xml(request: Request, bucket: str, name: str) -> Call:
    method, query = request.method, request.query
    if not name:
        return Call(op="unknown", api="xml", bucket=bucket)
    if "uploads" in query and method == "POST":
        op = "parts.start"
    elif "uploadId" in query:
        op = {"PUT": "part", "POST": "parts.finish", "DELETE": "parts.cancel"}.get(method, "unknown")
    else:
        op = {"GET": "download", "HEAD": "stat", "PUT": "upload", "DELETE": "delete"}.get(method, "unknown")
    return Call(op=op, api="xml", bucket=bucket, name=name)


def _decoded(segment: str) -> str:
    try:
        return urllib.parse.unquote(segment, errors="strict")
    except UnicodeDecodeError:
        raise Refusal(400, f"{segment} is not UTF-8") from None
