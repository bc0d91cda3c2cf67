"""Objects in Google Cloud Storage: read, written under a condition, put together and deleted."""

from __future__ import annotations

import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Sequence

from trainer.storage import checksums, failures, paths
from trainer.storage.bucket_reads import BucketReads, client_of_environment, entry_of
from trainer.storage.entry import Entry
from trainer.storage.errors import ConflictError, CorruptError, NotFoundError, StorageError, UnavailableError
from trainer.storage.retry_policy import RetryPolicy

log = logging.getLogger("trainer")

_TOKEN = "trainer-write"
_COMPOSE_SILENCES = 10  # times the usual silence: the bucket says nothing before a large object is there
_BATCH = 100  # the service's limit
_NO_CONTENT = 204
_NO_BATCHES = frozenset({400, 403, 404, 405, 501})
"""What a service, or a proxy in front of it, answers that knows no batches, or does not let them through."""
_GONE = frozenset({failures.NOT_FOUND, failures.PRECONDITION_FAILED})


class Bucket(BucketReads):
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

    def delete(self, entries: Sequence[Entry]) -> None:
        """Deletes objects, each only in the generation given, in as few requests as may be.

        One that is gone or was written again meanwhile stays as it is.

        Raises:
          RefusedError: this account may not delete one of them; the others are deleted.
        """
        for start in range(0, len(entries), _BATCH):
            self._delete_batch(list(entries[start : start + _BATCH]))

    def clean_up(self, entries: Sequence[Entry], *, retried: bool = False) -> None:
        """Deletes what nobody reads. Where that fails it stays, with a warning: what was written before counts.

        Args:
          entries: of the objects.
          retried: whether the caller does this again when the bucket is unreachable.

        Raises:
          UnavailableError: it is `retried`, and the bucket did not answer in time.
        """
        try:
            self.delete(entries)
        except StorageError as error:
            if retried and isinstance(error, UnavailableError):
                raise
            log.warning(
                "%s. Left behind: %s. Nothing reads these; they only take up space.", error.got, _listed(entries)
            )

    def _delete_batch(self, pending: list[Entry]) -> None:
        refused: list[tuple[Entry, int]] = []

        def attempt() -> None:
            statuses = self._delete_once(pending)
            answered = list(zip(pending, statuses, strict=True))
            refused.extend((entry, status) for entry, status in answered if _is_refusal(status))
            pending[:] = [entry for entry, status in answered if status in failures.TRANSIENT_STATUS]
            if pending:
                raise failures.PartlyError
            for entry, status in refused:
                raise failures.refusal(status, f"Deleting {entry.path}")

        self._run(attempt, "Deleting", pending[0].path)

    def _delete_once(self, entries: Sequence[Entry]) -> list[int]:
        """HTTP statuses of the deletions."""
        if len(entries) > 1:
            try:
                return self._delete_together(entries)
            except Exception as error:
                if failures.status(error) not in _NO_BATCHES:
                    raise
        return [self._delete_alone(entry) for entry in entries]

    def _delete_together(self, entries: Sequence[Entry]) -> list[int]:
        from trainer.storage.client import Batch

        client = client_of_environment()
        with Batch(client) as batch:
            for entry in entries:
                name = paths.parse(entry.path)
                blob = client.bucket(name.bucket).blob(name.name)
                blob.delete(client=client, if_generation_match=entry.generation, timeout=self._timeout, retry=None)
        return batch.statuses

    def _delete_alone(self, entry: Entry) -> int:
        try:
            self._blob(entry.path).delete(if_generation_match=entry.generation, timeout=self._timeout, retry=None)
        except Exception as error:
            code = failures.status(error)
            if code is None or code in failures.TRANSIENT_STATUS:
                raise
            return code
        return _NO_CONTENT


def _is_refusal(status: int) -> bool:
    """Whether a deletion failed for good; what is gone need not be deleted."""
    return status >= 300 and status not in _GONE and status not in failures.TRANSIENT_STATUS


def _listed(entries: Sequence[Entry]) -> str:
    """The first of some objects, and how many more there are."""
    others = len(entries) - 1
    return entries[0].path + (f" and {others} more" if others else "")
