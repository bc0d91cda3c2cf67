"""The operations: the JSON API, the batch that carries several of them, and what clients use of the XML API."""

from __future__ import annotations

import dataclasses
import email.parser
import email.policy
import io
import json
import pathlib
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO
from xml.etree import ElementTree

from tests.bucket import conditions, downloads, listing, routes
from tests.bucket.damage import Flipped
from tests.bucket.messages import Content, Refusal, Request, Response, in_json, json_body
from tests.bucket.routes import Call
from tests.bucket.store import Hashes, Store, StoredObject
from tests.bucket.uploads import Joined, Parts, Resumable

_XML = {"Content-Type": "application/xml; charset=UTF-8"}
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


class Api:
    """Answers requests from a store.

    Args:
      directory: of everything that has to survive a restart.
      page_size: the most entries in a page of a list.
      one_write_a_second: as the store has it.

    Attributes:
      status_in_batch: gives the status that a part of a batch is refused with; None where it is not.
    """

    def __init__(self, directory: pathlib.Path, *, page_size: int = 1000, one_write_a_second: bool = False) -> None:
        self.store = Store(directory / "buckets", one_write_a_second=one_write_a_second)
        self.status_in_batch: Callable[[Call], int | None] = lambda call: None
        self._page_size = page_size
        self._resumable = Resumable(directory / "resumable", self.store)
        self._parts = Parts(directory / "parts", self.store)

    def called(self, request: Request) -> Call:
        """The operation, with the object of an upload that names only its session."""
        call = routes.route(request)
        if call.op.startswith("resumable.") and call.name is None:
            name = self._resumable.name(request.query.get("upload_id", ""))
            return Call(op=call.op, bucket=call.bucket, name=name)
        return call

    def answer(self, call: Call, request: Request) -> Response:
        """Performs the operation; a refusal is a response, too."""
        try:
            return self._xml(call, request) if call.api == "xml" else self._json(call, request)
        except Refusal as refusal:
            return _xml_error(refusal) if call.api == "xml" else refusal.response()

    def _json(self, call: Call, request: Request) -> Response:
        bucket, name = call.bucket or "", call.name or ""
        match call.op:
            case "bucket.list":
                items = [_bucket(one, created) for one, created in self.store.buckets().items()]
                return in_json({"kind": "storage#buckets", "items": items})
            case "bucket.create":
                created = str(json_body(request).get("name", ""))
                self.store.create_bucket(created)
                return in_json(_bucket(created, self.store.require_bucket(created)))
            case "bucket.get" | "bucket.patch":
                return in_json(_bucket(bucket, self.store.require_bucket(bucket)))
            case "bucket.delete":
                self.store.require_bucket(bucket)
                self.store.delete_bucket(bucket)
                return Response(status=204)
            case "list":
                return self._list(bucket, request)
            case "stat":
                holds = conditions.of_query(request.query)
                return in_json(resource(self.store.get(bucket, name, _generation(request.query), holds), request))
            case "download":
                holds = conditions.of_query(request.query)
                stored, content = self.store.open(bucket, name, _generation(request.query), holds)
                return downloads.download(stored, content, request)
            case "patch" | "update":
                holds, whole = conditions.of_query(request.query), call.op == "update"
                patched = self.store.patch(bucket, name, json_body(request), holds, whole=whole)
                return in_json(resource(patched, request))
            case "delete":
                holds = conditions.of_query(request.query)
                self.store.delete(bucket, name, _generation(request.query), holds)
                return Response(status=204)
            case "upload":
                return in_json(resource(self._upload(call, request), request))
            case "resumable.start":
                return self._start(call, request)
            case "resumable.put" | "resumable.query":
                return self._continue(request)
            case "resumable.cancel":
                self._resumable.cancel(request.query.get("upload_id", ""))
                return Response(status=499)
            case "compose":
                return self._compose(call, request)
            case "copy" | "rewrite":
                return self._copy(call, request)
            case "batch":
                return self._batch(request)
        raise Refusal(405, f"{request.method} {request.path} is not an operation of this server", "methodNotAllowed")

    def _xml(self, call: Call, request: Request) -> Response:
        bucket, name, upload = call.bucket or "", call.name or "", request.query.get("uploadId", "")
        holds = conditions.of_headers(request.headers)
        match call.op:
            case "download":
                stored, content = self.store.open(bucket, name, _generation(request.query), holds)
                return downloads.download(stored, content, request)
            case "stat":
                stored = self.store.get(bucket, name, _generation(request.query), holds)
                return Response(headers={**downloads.headers_of(stored), "Content-Length": str(stored.size)})
            case "upload":
                stored = self.store.put(
                    bucket,
                    name,
                    _content(request, request.body),
                    fields=_header_fields(request.headers),
                    expected=_hashes(request.headers),
                    conditions=holds,
                )
                return Response(headers=downloads.headers_of(stored))
            case "delete":
                self.store.delete(bucket, name, _generation(request.query), holds)
                return Response(status=204)
            case "parts.start":
                upload = self._parts.start(bucket, name, _header_fields(request.headers))
                return _in_xml("InitiateMultipartUploadResult", Bucket=bucket, Key=name, UploadId=upload)
            case "part":
                number = int(request.query.get("partNumber") or 0)
                body = _content(request, request.body)
                tag, crc32c = self._parts.part(upload, number, body, _hashes(request.headers))
                return Response(headers={"ETag": tag, "x-goog-hash": f"crc32c={crc32c}"})
            case "parts.finish":
                stored = self._parts.finish(upload, _listed(request), holds)
                headers, tag = downloads.headers_of(stored), downloads.etag(stored)
                return _in_xml("CompleteMultipartUploadResult", 200, headers, Bucket=bucket, Key=name, ETag=tag)
            case "parts.cancel":
                self._parts.cancel(upload)
                return Response(status=204)
        raise Refusal(405, f"{request.method} {request.path} is not an operation of this server", "MethodNotAllowed")

    def _list(self, bucket: str, request: Request) -> Response:
        found = listing.page(self.store.names(bucket), request.query, self._page_size)
        items = []
        for name in found.names:
            try:
                items.append(resource(self.store.get(bucket, name), request))
            except Refusal:  # deleted since the names were read
                continue
        body: dict[str, Any] = {"kind": "storage#objects"}
        body |= {"items": items} if items else {}
        body |= {"prefixes": list(found.prefixes)} if found.prefixes else {}
        body |= {"nextPageToken": found.token} if found.token else {}
        return in_json(body)

    def _upload(self, call: Call, request: Request) -> StoredObject:
        fields: dict[str, Any] = {"contentType": request.headers.get("content-type")}
        content: Content = request.body
        if request.query.get("uploadType") == "multipart":
            fields, content = _parted(request)
        return self.store.put(
            call.bucket or "",
            call.name or str(fields.get("name", "")),
            _content(request, content),
            fields=fields,
            expected=_hashes(request.headers, fields),
            conditions=conditions.of_query(request.query),
        )

    def _start(self, call: Call, request: Request) -> Response:
        fields = json_body(request)
        fields.setdefault("contentType", request.headers.get("x-upload-content-type"))
        fields["name"] = call.name or ""
        self.store.require_bucket(call.bucket or "")
        holds = conditions.of_query(request.query)
        upload = self._resumable.start(call.bucket or "", fields, holds)
        place = urllib.parse.urlencode({"uploadType": "resumable", "upload_id": upload})
        return Response(headers={"Location": f"{_base(request)}{request.path}?{place}", "X-GUploader-UploadID": upload})

    def _continue(self, request: Request) -> Response:
        upload = request.query.get("upload_id", "")
        body, given = _content(request, request.body), request.headers.get("content-range")
        result = self._resumable.put(upload, body, given, _hashes(request.headers))
        if isinstance(result, StoredObject):
            return in_json(resource(result, request))
        return Response(status=308, headers={"Range": f"bytes=0-{result - 1}"} if result else {})

    def _compose(self, call: Call, request: Request) -> Response:
        asked = json_body(request)
        listed = asked.get("sourceObjects") or []
        if not 1 <= len(listed) <= 32:
            raise Refusal(400, f"{len(listed)} source objects, and 1 to 32 are accepted")
        sources = [self._source(call.bucket or "", one) for one in listed]
        fields = asked.get("destination") or {}
        stored = self.store.put(
            call.bucket or "",
            call.name or "",
            Joined(content for _, content in sources),
            fields=fields,
            expected=_hashes({}, fields),
            conditions=conditions.of_query(request.query),
            parts=sum(one.parts or 1 for one, _ in sources),
        )
        return in_json(resource(stored, request))

    def _source(self, bucket: str, asked: Mapping[str, Any]) -> tuple[StoredObject, BinaryIO]:
        wanted = asked.get("objectPreconditions") or {}
        holds = conditions.of_query({key: str(value) for key, value in wanted.items()})
        generation = int(asked["generation"]) if asked.get("generation") else None
        return self.store.open(bucket, str(asked.get("name")), generation, holds, reading=False)

    def _copy(self, call: Call, request: Request) -> Response:
        """In one go, however large it is."""
        assert call.source is not None
        given = request.query.get("sourceGeneration")
        holds = conditions.of_query(request.query, "ifSource")
        source, content = self.store.open(*call.source, int(given) if given else None, holds, reading=False)
        with content:
            stored = self.store.put(
                call.bucket or "",
                call.name or "",
                content,
                fields=json_body(request) or source.fields,
                conditions=conditions.of_query(request.query),
                parts=source.parts,
            )
        if call.op == "copy":
            return in_json(resource(stored, request))
        done = {"totalBytesRewritten": str(stored.size), "objectSize": str(stored.size), "done": True}
        return in_json({"kind": "storage#rewriteResponse", **done, "resource": resource(stored, request)})

    def _batch(self, request: Request) -> Response:
        head = f"Content-Type: {request.headers.get('content-type', '')}\r\n\r\n".encode()
        parsed = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + request.body.read())
        if not parsed.is_multipart() or len(parsed.get_payload()) > 100:
            raise Refusal(400, "A batch is multipart/mixed of at most 100 requests")
        boundary, out = "batch_of_tests", []
        for part in parsed.iter_parts():
            answered = self._one_of_batch(bytes(part.get_payload(decode=True)))
            number = str(part.get("Content-ID", "")).strip("<>")
            lines = [f"--{boundary}", "Content-Type: application/http", f"Content-ID: <response-{number}>", ""]
            lines += [f"HTTP/1.1 {answered.status} -", *(f"{key}: {text}" for key, text in answered.headers.items())]
            lines += [f"Content-Length: {answered.length}", "", ""]
            assert isinstance(answered.body, bytes)
            out.append("\r\n".join(lines).encode() + answered.body + b"\r\n")
        body = b"".join(out) + f"--{boundary}--\r\n".encode()
        return Response(headers={"Content-Type": f"multipart/mixed; boundary={boundary}"}, body=body)

    def _one_of_batch(self, text: bytes) -> Response:
        line, _, rest = text.lstrip().partition(b"\n")
        headers, _, body = rest.replace(b"\r\n", b"\n").partition(b"\n\n")
        method, target, *_ = line.decode().split()
        parsed = email.parser.BytesHeaderParser().parsebytes(headers)
        url = urllib.parse.urlsplit(target)
        request = Request(
            method=method,
            path=url.path,
            query=query_of(url.query),
            headers={key.lower(): value for key, value in parsed.items()},
            body=io.BytesIO(body),
        )
        call = routes.route(request)
        if call.op in ("download", "batch", *routes.WRITES):
            return Refusal(400, f"{call.op} in a batch").response()
        status = self.status_in_batch(dataclasses.replace(call, op=f"batch.{call.op}"))
        return Refusal(status, "As planned").response() if status else self.answer(call, request)


def query_of(text: str) -> dict[str, str]:
    return dict(urllib.parse.parse_qsl(text, keep_blank_values=True, errors="strict"))


def resource(stored: StoredObject, request: Request) -> dict[str, Any]:
    """The object as the JSON API describes it."""
    place = f"{urllib.parse.quote(stored.bucket)}/o/{urllib.parse.quote(stored.name, safe='')}"
    described = {
        "kind": "storage#object",
        "id": f"{stored.bucket}/{stored.name}/{stored.generation}",
        "selfLink": f"{_base(request)}/storage/v1/b/{place}",
        "mediaLink": f"{_base(request)}/download/storage/v1/b/{place}?generation={stored.generation}&alt=media",
        "name": stored.name,
        "bucket": stored.bucket,
        "generation": str(stored.generation),
        "metageneration": str(stored.metageneration),
        "contentType": "application/octet-stream",
        "storageClass": "STANDARD",
        "size": str(stored.size),
        "crc32c": stored.crc32c,
        "etag": downloads.etag(stored).strip('"'),
        "timeCreated": stored.created,
        "updated": stored.updated,
        **stored.fields,
    }
    described |= {"md5Hash": stored.md5} if stored.md5 else {}
    return described | ({"componentCount": stored.parts} if stored.parts else {})


def _base(request: Request) -> str:
    """What addresses begin with: TLS ends before this server, where the host is not one of loopback."""
    host = request.headers.get("host", "localhost")
    return f"http://{host}" if ":" in host or host == "localhost" else f"https://{host}"


def _bucket(name: str, created: str) -> dict[str, Any]:
    fixed = {"kind": "storage#bucket", "location": "US", "locationType": "multi-region", "storageClass": "STANDARD"}
    return {**fixed, "id": name, "name": name, "metageneration": "1", "timeCreated": created, "updated": created}


def _generation(query: Mapping[str, str]) -> int | None:
    return int(query["generation"]) if query.get("generation") else None


def _content(request: Request, content: Content) -> Content:
    """What is uploaded, with one bit flipped where the plan of faults says so."""
    return Flipped(content) if request.damaged else content


def _hashes(headers: Mapping[str, str], fields: Mapping[str, Any] = {}) -> Hashes:  # noqa: B006
    """Checksums that came with an upload: in x-goog-hash, Content-MD5 or its metadata."""
    pairs = (pair.strip().partition("=") for pair in headers.get("x-goog-hash", "").split(","))
    said = {kind: value for kind, _, value in pairs}
    md5 = said.get("md5") or headers.get("content-md5") or fields.get("md5Hash")
    return Hashes(crc32c=said.get("crc32c") or fields.get("crc32c"), md5=md5)


def _parted(request: Request) -> tuple[dict[str, Any], Content]:
    """Metadata and media of a multipart upload; the media follow in the body, from where that stands."""
    message = email.parser.HeaderParser().parsestr(f"Content-Type: {request.headers.get('content-type', '')}\n\n")
    boundary = b"--" + str(message.get_param("boundary", "")).encode()
    if boundary == b"--":
        raise Refusal(400, "multipart without a boundary")
    body = request.body
    metadata = io.BytesIO()
    _headers(body, boundary)
    while not (line := body.readline()).startswith(boundary):
        if not line:
            raise Refusal(400, "multipart without a second part")
        metadata.write(line)
    kind = _headers(body, None).get("content-type")
    start, end = body.tell(), _end(body, boundary)
    body.seek(start)
    fields = json.loads(metadata.getvalue() or b"{}")
    fields.setdefault("contentType", kind)
    return fields, Window(body, end - start)


def _headers(body: BinaryIO, boundary: bytes | None) -> dict[str, str]:
    """Headers of a part; with `boundary` from the line of that on."""
    line = body.readline()
    while boundary is not None and not line.startswith(boundary):
        if not line:
            raise Refusal(400, "multipart without its boundary")
        line = body.readline()
    lines = [] if boundary is not None else [line]
    while lines[-1:] not in ([b"\r\n"], [b"\n"], [b""]):
        lines.append(body.readline())
    pairs = (line.decode("utf-8", "replace").partition(":") for line in lines)
    return {key.strip().lower(): value.strip() for key, _, value in pairs if value}


def _end(body: BinaryIO, boundary: bytes) -> int:
    """Where the media end: before the last boundary, which stands in the last bytes of the body."""
    size = body.seek(0, io.SEEK_END)
    body.seek(max(0, size - 4096))
    tail = body.read()
    place = tail.rfind(b"\r\n" + boundary + b"--")
    if place < 0:
        raise Refusal(400, "multipart without its end")
    return size - len(tail) + place


class Window:
    """The next `size` bytes of a file."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._left = file, size

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data


def _header_fields(headers: Mapping[str, str]) -> dict[str, Any]:
    """What the XML API's headers set."""
    names = {
        "content-type": "contentType",
        "content-encoding": "contentEncoding",
        "content-language": "contentLanguage",
        "content-disposition": "contentDisposition",
        "cache-control": "cacheControl",
        "x-goog-storage-class": "storageClass",
    }
    fields: dict[str, Any] = {field: headers[name] for name, field in names.items() if name in headers}
    mark = "x-goog-meta-"
    fields["metadata"] = {name[len(mark) :]: value for name, value in headers.items() if name.startswith(mark)}
    return fields


def _listed(request: Request) -> list[tuple[int, str]]:
    """Number and ETag of each part that a finishing request lists."""
    try:
        root = ElementTree.fromstring(request.body.read())
        plain = [{one.tag.rpartition("}")[2]: one.text or "" for one in part} for part in root]
        return [(int(part["PartNumber"]), part["ETag"]) for part in plain]
    except (ElementTree.ParseError, KeyError, ValueError) as error:
        raise Refusal(400, f"The list of parts: {error}", "MalformedXML") from error


def _in_xml(root: str, status: int = 200, headers: Mapping[str, str] = {}, **texts: str) -> Response:  # noqa: B006
    element = ElementTree.Element(root, xmlns=_NAMESPACE)
    for name, text in texts.items():
        ElementTree.SubElement(element, name).text = text
    body = ElementTree.tostring(element, encoding="utf-8", xml_declaration=True)
    return Response(status=status, headers={**headers, **_XML}, body=body)


def _xml_error(refusal: Refusal) -> Response:
    if refusal.status == 304:
        return refusal.response()
    code = {404: "NoSuchKey", 412: "PreconditionFailed", 416: "InvalidRange"}.get(refusal.status, refusal.reason)
    return _in_xml("Error", refusal.status, refusal.headers, Code=code, Message=refusal.message)
