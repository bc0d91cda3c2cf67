"""Objects in Google Cloud Storage as they are deleted: many in a request, and each answer of it looked at."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from trainer.storage import failures, paths
from trainer.storage.bucket_reads import BucketReads, client_of_environment
from trainer.storage.entry import Entry
from trainer.storage.errors import StorageError, UnavailableError

log = logging.getLogger("trainer")

_BATCH = 100  # the service's limit
_NO_CONTENT = 204
_NO_BATCHES = frozenset({400, 403, 404, 405, 501})
"""What a service, or a proxy in front of it, answers that knows no batches, or does not let them through."""
_GONE = frozenset({failures.NOT_FOUND, failures.PRECONDITION_FAILED})


class BucketDeletions(BucketReads):
    """Deletes objects; safe in threads."""

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
