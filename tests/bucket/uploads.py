"""Uploads that take several requests: resumable ones of the JSON API, and multipart ones of the XML API.

What has arrived lies in a folder, so that an upload goes on after a restart of the server.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import hashlib
import io
import json
import pathlib
import re
import secrets
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

import google_crc32c

from tests.bucket.conditions import Conditions
from tests.bucket.messages import CHUNK_BYTES, Content, Refusal
from tests.bucket.store import Hashes, Store, StoredObject

QUANTUM_BYTES = 256 << 10
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


class Resumable:
    """Sessions of resumable uploads.

    Args:
      folder: of their own.
      store: takes what is complete.
    """

    def __init__(self, folder: pathlib.Path, store: Store) -> None:
        self._folder, self._store = folder, store
        self._locks: dict[str, threading.Lock] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def start(self, bucket: str, fields: Mapping[str, Any], conditions: Conditions) -> str:
        """The id of a new session; `fields` holds the name, and checksums that the whole must have."""
        upload = secrets.token_urlsafe(24)
        record = {"bucket": bucket, "fields": dict(fields), "conditions": dataclasses.asdict(conditions)}
        self._data(upload).touch()
        self._record(upload).write_text(json.dumps(record), encoding="utf-8")
        return upload

    def put(self, upload: str, content: Content, content_range: str | None, expected: Hashes) -> StoredObject | int:
        """Takes bytes of a session, or only asks (`bytes */…`): the object when that is whole, else what has arrived.

        A session that is done gives its object again, so that a lost answer is not a lost upload.

        Raises:
          Refusal: no such session, a gap, a chunk of a wrong size, another checksum, a condition that does not hold.
        """
        with self._held(upload) as record:
            if "done" in record:
                return StoredObject(**record["done"])
            arrived = self._data(upload).stat().st_size
            first, total = self._append(upload, content, content_range, arrived)
            arrived = self._data(upload).stat().st_size
            if total is None or arrived < total:
                if first is not None and arrived % QUANTUM_BYTES:
                    self._cut(upload, arrived - arrived % QUANTUM_BYTES)
                    raise Refusal(400, f"A chunk that is not the last has to end at a multiple of {QUANTUM_BYTES}")
                return arrived
            stored = self._complete(upload, record, expected)
            record["done"] = dataclasses.asdict(stored)
            self._record(upload).write_text(json.dumps(record), encoding="utf-8")
            self._data(upload).unlink()
            return stored

    def cancel(self, upload: str) -> None:
        with self._held(upload):
            self._record(upload).unlink()
            self._data(upload).unlink(missing_ok=True)

    def name(self, upload: str) -> str | None:
        """The object that a session is for; None without such a session."""
        try:
            return str(json.loads(self._record(upload).read_text(encoding="utf-8"))["fields"]["name"])
        except FileNotFoundError:
            return None

    def _append(
        self, upload: str, content: Content, content_range: str | None, arrived: int
    ) -> tuple[int | None, int | None]:
        """(number of the first byte that was sent, size of the whole); None where that was not said."""
        if content_range is None:
            with open(self._data(upload), "ab") as file:
                _copy(content, file)
                return 0, file.tell()
        match = _RANGE.fullmatch(content_range.strip())
        if not match:
            raise Refusal(400, f"Content-Range: {content_range}")
        total = None if match[3] == "*" else int(match[3])
        if match[1] is None:
            return None, total
        first = int(match[1])
        if first > arrived:
            raise Refusal(503, f"{arrived} bytes have arrived, and these begin at {first}", "backendError")
        content.read(arrived - first)  # it has come before
        with open(self._data(upload), "ab") as file:
            _copy(content, file)
        return first, total

    def _complete(self, upload: str, record: dict[str, Any], expected: Hashes) -> StoredObject:
        fields = record["fields"]
        with open(self._data(upload), "rb") as content:
            return self._store.put(
                record["bucket"],
                fields["name"],
                content,
                fields=fields,
                expected=Hashes(
                    crc32c=expected.crc32c or fields.get("crc32c"), md5=expected.md5 or fields.get("md5Hash")
                ),
                conditions=Conditions(**record["conditions"]),
            )

    @contextlib.contextmanager
    def _held(self, upload: str) -> Iterator[dict[str, Any]]:
        with self._locks.setdefault(upload, threading.Lock()):
            try:
                record = json.loads(self._record(upload).read_text(encoding="utf-8"))
            except FileNotFoundError:
                raise Refusal(404, f"No such upload: {upload}", "notFound") from None
            yield record

    def _cut(self, upload: str, size: int) -> None:
        with open(self._data(upload), "r+b") as file:
            file.truncate(size)

    def _record(self, upload: str) -> pathlib.Path:
        return self._folder / f"{_plain(upload)}.json"

    def _data(self, upload: str) -> pathlib.Path:
        return self._folder / f"{_plain(upload)}.data"


class Parts:
    """Multipart uploads of the XML API.

    Args:
      folder: of their own.
      store: takes what is complete.
    """

    def __init__(self, folder: pathlib.Path, store: Store) -> None:
        self._folder, self._store = folder, store
        folder.mkdir(parents=True, exist_ok=True)

    def start(self, bucket: str, name: str, fields: Mapping[str, Any]) -> str:
        self._store.require_bucket(bucket)
        upload = secrets.token_urlsafe(24)
        (self._folder / upload).mkdir()
        record = {"bucket": bucket, "name": name, "fields": dict(fields)}
        (self._folder / upload / "upload.json").write_text(json.dumps(record), encoding="utf-8")
        return upload

    def part(self, upload: str, number: int, content: Content, expected: Hashes) -> tuple[str, str]:
        """Takes a part, again if need be: (its ETag, its CRC-32C in base64)."""
        self._read(upload)
        data = content.read()
        md5 = hashlib.md5(data, usedforsecurity=False).digest()
        crc32c = base64.b64encode(google_crc32c.Checksum(data).digest()).decode()
        if expected.md5 not in (None, base64.b64encode(md5).decode()) or expected.crc32c not in (None, crc32c):
            raise Refusal(400, f"Part {number}: its checksum is not the one that was sent with it", "BadDigest")
        new = self._folder / upload / f"{secrets.token_hex(8)}.new"
        new.write_bytes(data)
        new.replace(self._folder / upload / f"{number}-{md5.hex()}")
        return f'"{md5.hex()}"', crc32c

    def finish(self, upload: str, listed: list[tuple[int, str]], conditions: Conditions) -> StoredObject:
        """Puts the parts together that the request lists by number and ETag.

        Raises:
          Refusal: no such upload or part, numbers that do not grow.
        """
        record = self._read(upload)
        paths = [self._folder / upload / f"{number}-{tag.strip(chr(34))}" for number, tag in listed]
        numbers = [number for number, _ in listed]
        if not listed or numbers != sorted(set(numbers)) or not all(path.exists() for path in paths):
            raise Refusal(400, "One or more of the parts are not there, or not in order", "InvalidPart")
        stored = self._store.put(
            record["bucket"],
            record["name"],
            Joined(open(path, "rb") for path in paths),  # noqa: SIM115
            fields=record["fields"],
            conditions=conditions,
            parts=len(paths),
        )
        shutil.rmtree(self._folder / upload)
        return stored

    def cancel(self, upload: str) -> None:
        self._read(upload)
        shutil.rmtree(self._folder / upload)

    def _read(self, upload: str) -> dict[str, Any]:
        try:
            text = (self._folder / _plain(upload) / "upload.json").read_text(encoding="utf-8")
        except FileNotFoundError:
            raise Refusal(404, f"No such upload: {upload}", "NoSuchUpload") from None
        return dict(json.loads(text))


class Joined:
    """Files one after another, to be read once; each is closed when it is at its end."""

    def __init__(self, files: Iterable[BinaryIO]) -> None:
        self._files = iter(files)
        self._file: BinaryIO = io.BytesIO()

    def read(self, size: int = -1) -> bytes:
        while not (data := self._file.read(size)):
            self._file.close()
            following = next(self._files, None)
            if following is None:
                self._file = io.BytesIO()
                return b""
            self._file = following
        return data


def _copy(content: Content, file: BinaryIO) -> None:
    while chunk := content.read(CHUNK_BYTES):
        file.write(chunk)


def _plain(upload: str) -> str:
    if not re.fullmatch(r"[\w-]+", upload):
        raise Refusal(404, "No such upload", "notFound")
    return upload
