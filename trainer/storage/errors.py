"""What can go wrong between this process and a disk or a bucket. No message holds a URL's query, a header or a key."""

from __future__ import annotations

from trainer.job.errors import JobError
from trainer.job.signals import SAVED_EXIT_CODE


class StorageError(JobError):
    """A path that cannot be read or written."""

    exit_code = 2


class PathError(StorageError):
    """A path or an object's name that no file or object may have here."""


class NotFoundError(StorageError):
    """There is no such object, file or bucket."""


class RefusedError(StorageError):
    """The bucket refuses this process: no credentials, or none that may do this."""


class ConflictError(StorageError):
    """Somebody else wrote the object: its generation is not the one that was asked for."""

    exit_code = 1


class FencedError(StorageError):
    """Another process took over the folder; this one may write there no more."""

    exit_code = 1


class InUseError(StorageError):
    """Another process writes to the directory now."""


class DiskError(StorageError):
    """The disk cannot take what is written, or give what is read: it is full, or read-only, or it fails."""

    exit_code = 1


class CorruptError(StorageError):
    """What arrived is not what was stored, again and again."""

    exit_code = 1


class UnavailableError(StorageError):
    """The bucket did not answer in time. Another try, of this process or the next, may succeed."""

    exit_code = SAVED_EXIT_CODE
