"""Objects in Google Cloud Storage, through its own client: every request checked, and tried again where that helps.

The client finds credentials and the endpoint (STORAGE_EMULATOR_HOST) by itself. Its own retries are off: they give
up on flipped bits, and do not know an answer that was lost from a conflict.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from trainer.storage import checksums, paths
from trainer.storage.entry import Entry
from trainer.storage.errors import ConflictError, CorruptError, NotFoundError, RefusedError, StorageError
from trainer.storage.retry_policy import Retrying, RetryPolicy

if TYPE_CHECKING:
    from google.cloud.storage import Blob, Client

T = TypeVar("T")

_TOKEN = "trainer-write"
_TRANSIENT_STATUS = {408, 429, 500, 502, 503, 504}
_PRECONDITION_FAILED, _NOT_MODIFIED, _NOT_FOUND, _BAD_REQUEST = 412, 304, 404, 400
_REFUSALS = {401: "no valid credentials", 403: "no permission"}
_CONNECTIONS = 16
_COMPOSE_SILENCES = 10  # times the usual silence: the bucket says nothing before a large object is there


class Bucket:
    """Reads and writes objects; safe in threads.

    Args:
      retry_policy: for requests that fail.
      wait: waits so many seconds between two tries.
    """

    def __init__(self, retry_policy: RetryPolicy, wait: Callable[[float], object] = time.sleep) -> None:
        self._retrying = Retrying(policy=retry_policy, transient_reason=transient_reason, wait=wait)
        self._timeout = (retry_policy.connect_secs, retry_policy.silence_secs)
        self._compose_timeout = (retry_policy.connect_secs, _COMPOSE_SILENCES * retry_policy.silence_secs)

    def stat(self, path: str) -> Entry | None:
        """The object's entry; None where there is none."""

        def attempt() -> Entry:
            blob = self._blob(path)
            blob.reload(timeout=self._timeout, retry=None)
            return _entry(path, blob)

        try:
            return self._run(attempt, "Looking at", path)
        except NotFoundError:
            return None

    def read(self, path: str, generation: int | None = None) -> tuple[bytes, int]:
        """The whole object as it is stored, checked, and its generation.

        Args:
          path: of the object.
          generation: the only one that will do; None for whatever is there.

        Raises:
          NotFoundError: there is no such object, or no longer in that generation.
        """

        def attempt() -> tuple[bytes, int]:
            blob = self._blob(path, generation)
            data = blob.download_as_bytes(checksum="crc32c", raw_download=True, retry=None, timeout=self._timeout)
            return data, int(blob.generation or 0)

        return self._run(attempt, "Reading", path)

    def read_if_changed(self, path: str, generation: int) -> tuple[bytes, int] | None:
        """As `read`; None while the object is still in that generation."""

        def attempt() -> tuple[bytes, int] | None:
            blob = self._blob(path)
            try:
                data = blob.download_as_bytes(
                    checksum="crc32c",
                    raw_download=True,
                    if_generation_not_match=generation,
                    retry=None,
                    timeout=self._timeout,
                )
            except Exception as error:
                if _status(error) == _NOT_MODIFIED:
                    return None
                raise
            return data, int(blob.generation or 0)

        return self._run(attempt, "Reading", path)

    def read_range(self, path: str, generation: int, start: int, size: int) -> bytes:
        """Some bytes of one generation of an object. Their number is checked; buckets state no checksum of a part."""
        buffer = io.BytesIO()
        self.fetch_range(path, generation, start, size, buffer, 0)
        return buffer.getvalue()

    def fetch_range(self, path: str, generation: int, start: int, size: int, file: BinaryIO, at: int) -> None:
        """As `read_range`, into a file from position `at` on."""

        def attempt() -> None:
            file.seek(at)
            self._blob(path, generation).download_to_file(
                file,
                start=start,
                end=start + size - 1,
                checksum=None,
                raw_download=True,
                retry=None,
                timeout=self._timeout,
            )
            if file.tell() != at + size:
                raise _TruncatedError

        if size:
            self._run(attempt, "Reading", path)

    def write(self, path: str, data: bytes, if_generation: int | None = None) -> Entry:
        """Stores an object whole, in one request.

        Args:
          path: of the object.
          data: its content.
          if_generation: write only over this generation; 0: only where there is no such object; None: over anything.

        Raises:
          ConflictError: the object is in another generation, and not because of this very call.
        """
        token, crc32c = uuid.uuid4().hex, checksums.of_bytes(data)

        def attempt() -> Entry:
            blob = self._blob(path)
            blob.metadata = {_TOKEN: token}
            blob.upload_from_string(
                data,
                content_type="application/octet-stream",
                checksum="crc32c",
                if_generation_match=if_generation,
                retry=None,
                timeout=self._timeout,
            )
            if blob.crc32c != crc32c:
                raise _TruncatedError
            return _entry(path, blob)

        return self._run(lambda: self._write_once(attempt, path, token), "Writing", path)

    def compose(self, path: str, parts: Sequence[Entry], if_generation: int | None, crc32c: str) -> Entry:
        """Puts an object together from others of its bucket, 32 at most, in one request.

        Raises:
          ConflictError: as in `write`.
          CorruptError: the whole does not have the checksum that it should have.
        """
        token = uuid.uuid4().hex

        def attempt() -> Entry:
            blob = self._blob(path)
            blob.metadata = {_TOKEN: token}
            blob.content_type = "application/octet-stream"
            sources = [self._blob(part.path, part.generation) for part in parts]
            blob.compose(sources, if_generation_match=if_generation, retry=None, timeout=self._compose_timeout)
            return _entry(path, blob)

        made = self._run(lambda: self._write_once(attempt, path, token), "Writing", path)
        if made.crc32c != crc32c:
            self.delete([made])
            raise CorruptError(
                f"{path} was put together with the checksum {made.crc32c} instead of {crc32c}", None, "Run again"
            )
        return made

    def _write_once(self, attempt: Callable[[], Entry], path: str, token: str) -> Entry:
        """One attempt of a write. Where the precondition fails because an earlier attempt of the same write got through
        and its answer was lost, that is a success."""
        try:
            return attempt()
        except Exception as error:
            if _status(error) != _PRECONDITION_FAILED:
                raise
            blob = self._blob(path)
            with contextlib.suppress(NotFoundError):
                self._run(lambda: blob.reload(timeout=self._timeout, retry=None), "Looking at", path)
                if (blob.metadata or {}).get(_TOKEN) == token:
                    return _entry(path, blob)
            raise ConflictError(
                f"{path} is in another generation than was expected", None, "See who else writes there"
            ) from None

    def delete(self, entries: Sequence[Entry]) -> None:
        """Deletes objects, each only in the generation given, all in one request.

        One that is gone or was written again meanwhile stays as it is.
        """
        for start in range(0, len(entries), 100):  # the service's limit for a batch
            self._delete_batch(entries[start : start + 100])

    def _delete_batch(self, entries: Sequence[Entry]) -> None:
        pending = list(entries)

        def attempt() -> None:
            statuses = self._delete_once(pending)
            pending[:] = [entry for entry, status in zip(pending, statuses, strict=True) if status in _TRANSIENT_STATUS]
            if pending:
                raise _PartlyError

        if pending:
            self._run(attempt, "Deleting", pending[0].path)

    def _delete_once(self, entries: Sequence[Entry]) -> list[int]:
        """HTTP statuses of the deletions."""
        if len(entries) == 1:
            try:
                self._blob(entries[0].path).delete(
                    if_generation_match=entries[0].generation, timeout=self._timeout, retry=None
                )
            except Exception as error:
                if _status(error) not in (_NOT_FOUND, _PRECONDITION_FAILED):
                    raise
            return [204]
        client = _client()
        batch = client.batch(raise_exception=False)
        with batch:
            for entry in entries:
                name = paths.parse(entry.path)
                blob = client.bucket(name.bucket).blob(name.name)
                blob.delete(client=client, if_generation_match=entry.generation, timeout=self._timeout, retry=None)
        return [response.status_code for response in batch._responses]

    def entries(self, prefix: str) -> Iterator[Entry]:
        """The objects whose paths begin with `prefix`, in the order of their names, a page a request."""
        name, token = paths.parse(prefix), None
        while True:
            page, token = self._page(name, token)
            yield from page
            if token is None:
                return

    def _page(self, prefix: paths.ObjectName, token: str | None) -> tuple[list[Entry], str | None]:
        def attempt() -> tuple[list[Entry], str | None]:
            listing = _client().list_blobs(
                prefix.bucket, prefix=prefix.name or None, page_token=token, retry=None, timeout=self._timeout
            )
            page = next(listing.pages, ())
            return [_entry(f"gs://{prefix.bucket}/{blob.name}", blob) for blob in page], listing.next_page_token

        return self._run(attempt, "Listing", str(prefix))

    def _blob(self, path: str, generation: int | None = None) -> Blob:
        name = paths.parse(path)
        return _client().bucket(name.bucket).blob(name.name, generation=generation)

    def _run(self, attempt: Callable[[], T], verb: str, path: str) -> T:
        try:
            return self._retrying.run(attempt, f"{verb} {path}")
        except StorageError:
            raise
        except Exception as error:
            raise _translated(error, verb, path) from None


class _TruncatedError(Exception):
    """Fewer bytes than there should be, or others."""


class _PartlyError(Exception):
    """Some of the deletions of a batch have to be tried again."""


def _entry(path: str, blob: Blob) -> Entry:
    updated = blob.updated.timestamp() if blob.updated else 0.0
    return Entry(
        path=path, size=int(blob.size or 0), generation=int(blob.generation or 0), crc32c=blob.crc32c, updated=updated
    )


def _status(error: Exception) -> int | None:
    """The HTTP status that an exception of the client stands for."""
    code = getattr(error, "code", None)
    return int(code) if isinstance(code, int) else None


@functools.cache
def _transient_errors() -> tuple[tuple[type[Exception], str], ...]:
    """Exceptions after which another try may succeed, and what they mean. The narrower ones come first."""
    import requests
    import urllib3
    from google.auth import exceptions as auth
    from google.cloud.storage.exceptions import DataCorruption

    return (
        (DataCorruption, "bits were flipped on the way"),
        (_TruncatedError, "bytes were lost or flipped on the way"),
        (_PartlyError, "the bucket refused a part of it"),
        (requests.exceptions.ConnectTimeout, "no connection in time"),
        (requests.exceptions.Timeout, "no answer in time"),
        (urllib3.exceptions.TimeoutError, "the answer stalled"),
        (json.JSONDecodeError, "the answer was cut off"),
        (requests.exceptions.ChunkedEncodingError, "the answer was cut off"),
        (urllib3.exceptions.HTTPError, "the answer was cut off"),
        (requests.exceptions.ConnectionError, "no connection"),
        (ConnectionError, "the connection was lost"),
        (auth.TransportError, "no connection to the service that issues tokens"),
    )


def transient_reason(error: Exception) -> str | None:
    """Why a request failed, in words without secrets, where another try may succeed; None where it cannot."""
    if _status(error) in _TRANSIENT_STATUS:
        return f"the bucket answered {_status(error)}"
    if _status(error) == _BAD_REQUEST and any(word in str(error).lower() for word in ("crc32c", "md5", "checksum")):
        return "bits were flipped on the way"
    return next((words for kind, words in _transient_errors() if isinstance(error, kind)), None)


def _translated(error: Exception, verb: str, path: str) -> Exception:
    """The error as ours; the exception itself where it is a fault of the program."""
    import requests
    from google.auth import exceptions as auth

    status = _status(error)
    if status == _NOT_FOUND:
        return NotFoundError(f"{verb} {path} failed: there is no such object or bucket", None, "Check the path")
    if status in _REFUSALS:
        return RefusedError(
            f"{verb} {path} failed: {_REFUSALS[status]} (HTTP {status})",
            "An account that may read and write objects there",
            "Grant it roles/storage.objectUser on the bucket, or use another account",
        )
    if isinstance(error, auth.GoogleAuthError):
        return RefusedError(
            f"{verb} {path} failed: no credentials for Google Cloud could be used ({type(error).__name__})",
            None,
            "Run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a key's file",
        )
    if status:
        return StorageError(f"{verb} {path} failed: HTTP {status}", None, "Check the path")
    if isinstance(error, requests.RequestException):  # whose text may hold an address with a password
        return StorageError(f"{verb} {path} failed: {type(error).__name__}", None, "Check the proxy and the endpoint")
    return error


def _client() -> Client:
    return _clients(os.environ.get("STORAGE_EMULATOR_HOST"), os.getpid())


@functools.cache
def _clients(endpoint: str | None, process: int) -> Client:
    """One client for each endpoint and process. It is as slow to make as its credentials are to find.

    No request of ours needs a project, which an account alone does not name.
    """
    import requests
    from google.cloud import storage

    client = storage.Client(project=None if endpoint else "-")
    pooled = requests.adapters.HTTPAdapter(pool_connections=_CONNECTIONS, pool_maxsize=_CONNECTIONS)
    for scheme in ("http://", "https://"):
        client._http.mount(scheme, pooled)
    # It asks about buckets in the background, for traces that nobody collects, and again after each 404.
    client._bucket_metadata_cache = None
    return client
