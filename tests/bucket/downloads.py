"""Reading objects: ranges, conditions of HTTP, and the headers that say what was stored."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping
from typing import BinaryIO

from tests.bucket.messages import Refusal, Request, Response, Slice
from tests.bucket.store import StoredObject


def headers_of(stored: StoredObject) -> dict[str, str]:
    """What a response says of the object that it carries or describes; the checksums are those of the whole."""
    hashes = [f"crc32c={stored.crc32c}", *([f"md5={stored.md5}"] if stored.md5 else [])]
    headers = {
        "ETag": etag(stored),
        "Content-Type": stored.fields.get("contentType", "application/octet-stream"),
        "Accept-Ranges": "bytes",
        "x-goog-hash": ",".join(hashes),
        "x-goog-generation": str(stored.generation),
        "x-goog-metageneration": str(stored.metageneration),
        "x-goog-stored-content-length": str(stored.size),
        "x-goog-stored-content-encoding": stored.fields.get("contentEncoding", "identity"),
    }
    for field, header in (("contentEncoding", "Content-Encoding"), ("cacheControl", "Cache-Control")):
        if field in stored.fields:
            headers[header] = stored.fields[field]
    for name, value in stored.fields.get("metadata", {}).items():
        headers[f"x-goog-meta-{name}"] = urllib.parse.quote(value, safe=" !#$&'()*+,/:;=?@[]")
    return headers


def etag(stored: StoredObject) -> str:
    return f'"{stored.generation:x}-{stored.metageneration:x}"'


def download(stored: StoredObject, content: BinaryIO, request: Request) -> Response:
    """The bytes of the open `content` that the Range header asks for, all of them without one."""
    try:
        _check_tags(stored, request.headers)
        start, length = span(request.headers.get("range"), stored.size)
    except Refusal:
        content.close()
        raise
    headers, status = headers_of(stored), 200
    if "range" in request.headers:
        headers["Content-Range"], status = f"bytes {start}-{start + length - 1}/{stored.size}", 206
    return Response(status=status, headers=headers, body=Slice(file=content, start=start, length=length))


def span(text: str | None, size: int) -> tuple[int, int]:
    """(start, length) of a Range header in `size` bytes; Refusal 416 where there is no byte in it."""
    if text is None:
        return 0, size
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", text.strip())
    if not match or match.groups() == ("", ""):
        raise Refusal(400, f"Range: {text}")
    first, last = match.groups()
    start = int(first) if first else max(0, size - int(last))
    end = min(int(last), size - 1) if first and last else size - 1
    if end < start:
        message = "The requested range cannot be satisfied."
        raise Refusal(416, message, "requestedRangeNotSatisfiable", {"Content-Range": f"bytes */{size}"})
    return start, end - start + 1


def _check_tags(stored: StoredObject, headers: Mapping[str, str]) -> None:
    if headers.get("if-match", etag(stored)) not in ("*", etag(stored)):
        raise Refusal(412, "If-Match: it has another ETag", "conditionNotMet")
    if headers.get("if-none-match") in ("*", etag(stored)):
        raise Refusal(304, "If-None-Match: it has this ETag", "notModified")
