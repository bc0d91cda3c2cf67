"""Objects in Google Cloud Storage as they are written: under a condition, whole, and put together from parts."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Sequence

from trainer.storage import checksums, failures
from trainer.storage.bucket_deletions import BucketDeletions
from trainer.storage.bucket_reads import entry_of
from trainer.storage.entry import Entry
from trainer.storage.errors import ConflictError, CorruptError, NotFoundError
from trainer.storage.retry_policy import RetryPolicy

_TOKEN = "trainer-write"
_COMPOSE_SILENCES = 10  # times the usual silence: the bucket says nothing before a large object is there


class Bucket(BucketDeletions):
    """Reads and writes objects; safe in threads.

    Args:
      retry_policy: for requests that fail.
      wait: waits so many seconds between two tries.
    """

    def __init__(self, retry_policy: RetryPolicy, wait: Callable[[float], object] = time.sleep) -> None:
        super().__init__(retry_policy, wait)
        self._compose_timeout = (retry_policy.connect_secs, _COMPOSE_SILENCES * retry_policy.silence_secs)

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
                raise failures.TruncatedError
            return entry_of(path, blob)

        return self._run(lambda: self._write_once(attempt, path, token), "Writing", path)

    def compose(self, path: str, parts: Sequence[Entry], if_generation: int | None, crc32c: str) -> Entry:
        """Puts an object together from others of its bucket, in one request.

        Args:
          path: of the object.
          parts: in their order, 32 at most.
          if_generation: as in `write`.
          crc32c: that the whole should have.

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
            return entry_of(path, blob)

        whole = self._run(lambda: self._write_once(attempt, path, token), "Writing", path)
        if whole.crc32c != crc32c:
            self.clean_up([whole])
            raise CorruptError(
                f"{path} was put together with the checksum {whole.crc32c} instead of {crc32c}", None, "Run again"
            )
        return whole

    def _write_once(self, attempt: Callable[[], Entry], path: str, token: str) -> Entry:
        """One attempt of a write. Where the precondition fails because an earlier attempt of the same write got through
        and its answer was lost, that is a success."""
        try:
            return attempt()
        except Exception as error:
            if failures.status(error) != failures.PRECONDITION_FAILED:
                raise
            blob = self._blob(path)
            with contextlib.suppress(NotFoundError):
                self._run(lambda: blob.reload(timeout=self._timeout, retry=None), "Looking at", path)
                if (blob.metadata or {}).get(_TOKEN) == token:
                    return entry_of(path, blob)
            raise ConflictError(
                f"{path} has another generation than expected", None, "Find out what else writes there"
            ) from None
