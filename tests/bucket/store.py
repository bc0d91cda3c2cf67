"""Buckets and objects in a directory: whole or not there, checked, with growing generations, and still there after
a restart.

Names of files are hashes, so that no name of an object reaches outside the directory. Only the live generation of an
object is kept.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import datetime
import hashlib
import json
import os
import pathlib
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

import google_crc32c

from tests.bucket.conditions import Conditions
from tests.bucket.messages import CHUNK_BYTES, Content, Refusal

SETTABLE = ("contentType", "contentEncoding", "contentLanguage", "contentDisposition", "cacheControl", "storageClass")
LONGEST_NAME_BYTES = 1024


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoredObject:
    """One live object.

    Attributes:
      crc32c: base64, as the service writes it.
      md5: base64; None for what was put together from parts.
      parts: how many it was put together from; None for one that was uploaded as it is.
      fields: what clients may set, with `metadata` among it.
      file: name of the file of its bytes.
    """

    bucket: str
    name: str
    generation: int
    metageneration: int
    size: int
    crc32c: str
    md5: str | None
    parts: int | None
    created: str
    updated: str
    fields: dict[str, Any]
    file: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hashes:
    """Checksums in base64; None for one that is not known or not asked for."""

    crc32c: str | None = None
    md5: str | None = None


class Store:
    """Buckets in a directory.

    Args:
      directory: made if it is not there; holds nothing else.
      one_write_a_second: refuse (429) to write one name twice in less than a second, as the service does.
      clock: seconds since 1970.
    """

    def __init__(
        self, directory: pathlib.Path, *, one_write_a_second: bool = False, clock: Callable[[], float] = time.time
    ) -> None:
        self._directory, self._clock = directory, clock
        self.one_write_a_second = one_write_a_second
        self._lock = threading.RLock()
        self._written: dict[tuple[str, str], float] = {}
        self._last = 0
        self._buckets: dict[str, dict[str, StoredObject]] = {}
        self._created: dict[str, str] = {}
        directory.mkdir(parents=True, exist_ok=True)
        self._load()

    def buckets(self) -> dict[str, str]:
        """When each bucket was created."""
        return dict(sorted(self._created.items()))

    def create_bucket(self, bucket: str) -> None:
        """Raises Refusal: a name that is none, or one that is there."""
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", bucket):
            raise Refusal(400, f"Invalid bucket name: '{bucket}'")
        with self._lock:
            if bucket in self._buckets:
                raise Refusal(409, "Your previous request to create the named bucket succeeded.", "conflict")
            folder = self._directory / bucket
            folder.mkdir(exist_ok=True)
            created = self._now()
            _publish(folder / "bucket.json", json.dumps({"created": created}).encode())
            self._created[bucket], self._buckets[bucket] = created, {}

    def delete_bucket(self, bucket: str) -> None:
        with self._lock:
            if self._in(bucket):
                raise Refusal(409, "The bucket you tried to delete is not empty.", "conflict")
            (self._directory / bucket / "bucket.json").unlink()
            del self._buckets[bucket], self._created[bucket]

    def require_bucket(self, bucket: str) -> str:
        """When it was created; Refusal 404 when it was not."""
        self._in(bucket)
        return self._created[bucket]

    def names(self, bucket: str) -> list[str]:
        """In the order of their UTF-8 bytes."""
        with self._lock:
            return sorted(self._in(bucket), key=str.encode)

    def get(
        self,
        bucket: str,
        name: str,
        generation: int | None = None,
        conditions: Conditions = Conditions(),  # noqa: B008
        *,
        reading: bool = True,
    ) -> StoredObject:
        """Raises Refusal: no such object or generation, a condition that does not hold."""
        with self._lock:
            found = self._in(bucket).get(name)
            if found is None or generation not in (None, found.generation):
                if found is None:
                    conditions.check(0, 0, reading=reading)
                raise Refusal(404, f"No such object: {bucket}/{name}", "notFound")
            conditions.check(found.generation, found.metageneration, reading=reading)
            return found

    def open(
        self,
        bucket: str,
        name: str,
        generation: int | None = None,
        conditions: Conditions = Conditions(),  # noqa: B008
        *,
        reading: bool = True,
    ) -> tuple[StoredObject, BinaryIO]:
        """As `get`, with its bytes, which stay readable when it is deleted or written again; the caller closes them."""
        with self._lock:
            found = self.get(bucket, name, generation, conditions, reading=reading)
            return found, open(self._directory / bucket / found.file, "rb")

    def put(
        self,
        bucket: str,
        name: str,
        content: Content,
        *,
        fields: Mapping[str, Any],
        expected: Hashes = Hashes(),  # noqa: B008
        conditions: Conditions = Conditions(),  # noqa: B008
        parts: int | None = None,
    ) -> StoredObject:
        """Stores the rest of `content` as a new generation, all at once.

        Args:
          parts: of how many it is put together; such an object has no MD5.

        Raises:
          Refusal: a bad name, no bucket, another checksum, a condition that does not hold, too many writes.
        """
        _check_name(name)
        self._check_write(bucket, name, conditions)
        with self._received(bucket, content) as (path, size, found):
            _verify(found, expected)
            with self._lock:
                old = self._check_write(bucket, name, conditions)
                self._count_write(bucket, name)
                now, generation = self._now(), self._next_generation()
                stored = StoredObject(
                    bucket=bucket,
                    name=name,
                    generation=generation,
                    metageneration=1,
                    size=size,
                    crc32c=found.crc32c or "",
                    md5=found.md5 if parts is None else None,
                    parts=parts,
                    created=now,
                    updated=now,
                    fields=settable(fields),
                    file=f"{_key(name)}-{generation}.data",
                )
                os.replace(path, self._directory / bucket / stored.file)
                self._publish_object(stored)
                if old:
                    (self._directory / bucket / old.file).unlink(missing_ok=True)
        return stored

    def patch(self, bucket: str, name: str, changes: Mapping[str, Any], conditions: Conditions, *, whole: bool) -> Any:
        """Changes fields of an object; `whole` forgets those that are not given."""
        with self._lock:
            old = self.get(bucket, name, None, conditions, reading=False)
            fields = settable(changes) if whole else _merged(old.fields, changes)
            new = dataclasses.replace(old, fields=fields, metageneration=old.metageneration + 1, updated=self._now())
            self._publish_object(new)
        return new

    def delete(self, bucket: str, name: str, generation: int | None, conditions: Conditions) -> None:
        with self._lock:
            old = self.get(bucket, name, generation, conditions, reading=False)
            (self._directory / bucket / f"{_key(name)}.json").unlink()
            (self._directory / bucket / old.file).unlink(missing_ok=True)
            del self._buckets[bucket][name]

    def _in(self, bucket: str) -> dict[str, StoredObject]:
        if bucket not in self._buckets:
            raise Refusal(404, "The specified bucket does not exist.", "notFound")
        return self._buckets[bucket]

    def _check_write(self, bucket: str, name: str, conditions: Conditions) -> StoredObject | None:
        with self._lock:
            old = self._in(bucket).get(name)
            conditions.check(old.generation if old else 0, old.metageneration if old else 0)
        return old

    def _count_write(self, bucket: str, name: str) -> None:
        now = self._clock()
        if self.one_write_a_second and now - self._written.get((bucket, name), -1.0) < 1.0:
            message = f"The object {bucket}/{name} exceeded the rate limit for object mutation operations."
            raise Refusal(429, message, "rateLimitExceeded")
        self._written[bucket, name] = now

    @contextlib.contextmanager
    def _received(self, bucket: str, content: Content) -> Iterator[tuple[pathlib.Path, int, Hashes]]:
        """A file of its own with the content, its size and checksums; gone afterwards unless it was moved."""
        path = self._directory / bucket / f"{secrets.token_hex(16)}.part"
        crc32c, md5, size = google_crc32c.Checksum(), hashlib.md5(usedforsecurity=False), 0
        try:
            with open(path, "xb") as file:
                while chunk := content.read(CHUNK_BYTES):
                    file.write(chunk)
                    crc32c.update(chunk)
                    md5.update(chunk)
                    size += len(chunk)
            yield path, size, Hashes(crc32c=in_base64(crc32c.digest()), md5=in_base64(md5.digest()))
        finally:
            path.unlink(missing_ok=True)

    def _publish_object(self, stored: StoredObject) -> None:
        record = json.dumps(dataclasses.asdict(stored)).encode()
        _publish(self._directory / stored.bucket / f"{_key(stored.name)}.json", record)
        self._buckets[stored.bucket][stored.name] = stored

    def _next_generation(self) -> int:
        self._last = max(self._last + 1, int(self._clock() * 1e6))
        return self._last

    def _now(self) -> str:
        moment = datetime.datetime.fromtimestamp(self._clock(), datetime.UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def _load(self) -> None:
        """What an earlier process stored; what it was in the middle of storing goes."""
        for marker in self._directory.glob("*/bucket.json"):
            bucket = marker.parent.name
            self._created[bucket] = json.loads(marker.read_bytes())["created"]
            records = [path for path in marker.parent.glob("*.json") if path != marker]
            objects = [StoredObject(**json.loads(path.read_bytes())) for path in records]
            self._buckets[bucket] = {stored.name: stored for stored in objects}
            self._last = max([self._last, *(stored.generation for stored in objects)])
            kept = {stored.file for stored in objects}
            for path in [*marker.parent.glob("*.part"), *marker.parent.glob("*.data")]:
                if path.name not in kept:
                    path.unlink()


def settable(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Those fields that clients may set; `None` removes one."""
    kept = {name: fields[name] for name in SETTABLE if fields.get(name) is not None}
    metadata = {name: str(value) for name, value in (fields.get("metadata") or {}).items() if value is not None}
    return {**kept, "metadata": metadata} if metadata else kept


def in_base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def _merged(old: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {**old.get("metadata", {}), **(changes.get("metadata") or {})}
    if "metadata" in changes and changes["metadata"] is None:
        metadata = {}
    return settable({**old, **changes, "metadata": metadata})


def _verify(found: Hashes, expected: Hashes) -> None:
    for kind in ("crc32c", "md5"):
        provided, calculated = getattr(expected, kind), getattr(found, kind)
        if provided is not None and provided != calculated:
            raise Refusal(
                400, f'Provided {kind.upper()} hash "{provided}" doesn\'t match calculated hash "{calculated}".'
            )


def _check_name(name: str) -> None:
    if not name or len(name.encode()) > LONGEST_NAME_BYTES:
        raise Refusal(400, f"An object name of {len(name.encode())} bytes; accepted: 1 to {LONGEST_NAME_BYTES}")
    if name in (".", "..") or "\n" in name or "\r" in name or name.startswith(".well-known/acme-challenge/"):
        raise Refusal(400, f"Disallowed object name {name!r}")


def _key(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:40]


def _publish(path: pathlib.Path, data: bytes) -> None:
    new = path.with_name(f"{secrets.token_hex(16)}.part")
    new.write_bytes(data)
    os.replace(new, path)
