"""Objects in Google Cloud Storage as they are read: every answer checked, and requests tried again where that helps.

The client finds credentials and the endpoint (STORAGE_EMULATOR_HOST) by itself. Its own retries are off: they give
up on flipped bits, and do not know an answer that was lost from a conflict.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from trainer.storage import failures, paths
from trainer.storage.entry import Entry
from trainer.storage.errors import NotFoundError, StorageError
from trainer.storage.retry_policy import Retrying, RetryPolicy

if TYPE_CHECKING:
    from google.cloud.storage import Blob, Client

T = TypeVar("T")


class BucketReads:
    """Reads objects; safe in threads.

    Args:
      retry_policy: for requests that fail.
      wait: waits so many seconds between two tries.
    """

    def __init__(self, retry_policy: RetryPolicy, wait: Callable[[float], object] = time.sleep) -> None:
        self._retrying = Retrying(policy=retry_policy, transient_reason=failures.transient_reason, wait=wait)
        self._timeout = (retry_policy.connect_secs, retry_policy.silence_secs)

    def stat(self, path: str) -> Entry | None:
        """The object's entry; None where there is none."""

        def attempt() -> Entry:
            blob = self._blob(path)
            blob.reload(timeout=self._timeout, retry=None)
            return entry_of(path, blob)

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
                if failures.status(error) == failures.NOT_MODIFIED:
                    return None
                raise
            return data, int(blob.generation or 0)

        return self._run(attempt, "Reading", path)

    def read_range(self, path: str, generation: int, start: int, size: int) -> bytes:
        """Some bytes of an object. Their number is checked; buckets state no checksum of a part.

        Args:
          path: of the object.
          generation: the only one that will do.
          start: index of the first byte.
          size: how many bytes.
        """
        buffer = io.BytesIO()
        self.fetch_range(path, generation, start, size, buffer, 0)
        return buffer.getvalue()

    def fetch_range(self, path: str, generation: int, start: int, size: int, file: BinaryIO, at: int) -> None:
        """As `read_range`, into a file.

        Args:
          path: of the object.
          generation: the only one that will do.
          start: index of the first byte.
          size: how many bytes.
          file: open for writing; its position is moved.
          at: position of the first byte in the file.
        """

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
                raise failures.TruncatedError

        if size:
            self._run(attempt, "Reading", path)

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
            listing = client_of_environment().list_blobs(
                prefix.bucket, prefix=prefix.name or None, page_token=token, retry=None, timeout=self._timeout
            )
            page = next(listing.pages, ())
            return [entry_of(f"gs://{prefix.bucket}/{blob.name}", blob) for blob in page], listing.next_page_token

        return self._run(attempt, "Listing", str(prefix))

    def _blob(self, path: str, generation: int | None = None) -> Blob:
        name = paths.parse(path)
        return client_of_environment().bucket(name.bucket).blob(name.name, generation=generation)

    def _run(self, attempt: Callable[[], T], verb: str, path: str) -> T:
        """The result of a request.

        Raises:
          StorageError: it failed for good, or all tries of it did.
        """
        action = f"{verb} {path}"
        try:
            return self._retrying.run(attempt, action)
        except StorageError:
            raise
        except Exception as error:
            raise failures.translated(error, action) from None


def entry_of(path: str, blob: Blob) -> Entry:
    """What the service said of an object."""
    updated = blob.updated.timestamp() if blob.updated else 0.0
    return Entry(
        path=path, size=int(blob.size or 0), generation=int(blob.generation or 0), crc32c=blob.crc32c, updated=updated
    )


def client_of_environment() -> Client:
    """The client, which is imported here: only those who have buckets wait for that."""
    from trainer.storage import client

    return client.of_environment()
