"""What an exception of google-cloud-storage, or of what it stands on, means: whether to try again, and what to say."""

from __future__ import annotations

import functools
import json

from trainer.job import system_errors
from trainer.storage import disk
from trainer.storage.errors import NotFoundError, RefusedError, StorageError

TRANSIENT_STATUS = frozenset({408, 429, 500, 502, 503, 504})
PRECONDITION_FAILED, NOT_MODIFIED, NOT_FOUND, _BAD_REQUEST = 412, 304, 404, 400
_REFUSALS = {401: "no valid credentials", 403: "no permission"}


class TruncatedError(Exception):
    """Fewer bytes than there should be, or others."""


class PartlyError(Exception):
    """Some of the deletions of a batch have to be tried again."""


def status(error: Exception) -> int | None:
    """The HTTP status that an exception of the client stands for."""
    code = getattr(error, "code", None)
    return int(code) if isinstance(code, int) else None


def transient_reason(error: Exception) -> str | None:
    """Why a request failed, in words without secrets, where another try may succeed; None where it cannot."""
    if status(error) in TRANSIENT_STATUS:
        return f"the bucket answered {status(error)}"
    if status(error) == _BAD_REQUEST and any(word in str(error).lower() for word in ("crc32c", "md5", "checksum")):
        return "bits were flipped on the way"
    return next((reason for kind, reason in _transient_errors() if isinstance(error, kind)), None)


@functools.cache
def _transient_errors() -> tuple[tuple[type[Exception], str], ...]:
    """Exceptions after which another try may succeed, and what they mean. The narrower ones come first."""
    import requests
    import urllib3
    from google.auth import exceptions as auth
    from google.cloud.storage.exceptions import DataCorruption

    return (
        (DataCorruption, "bits were flipped on the way"),
        (TruncatedError, "bytes were lost or flipped on the way"),
        (PartlyError, "the bucket refused a part of it"),
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


def translated(error: Exception, action: str) -> Exception:
    """The error as ours; the exception itself where it is a fault of the program.

    Args:
      error: of the client.
      action: what failed, as "Reading gs://bucket/name".
    """
    import requests
    from google.auth import exceptions as auth

    code = status(error)
    if isinstance(error, auth.GoogleAuthError):
        return RefusedError(
            f"{action} failed: no credentials for Google Cloud could be used ({type(error).__name__})",
            None,
            "Run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a key's file",
        )
    if code:
        return refusal(code, action)
    if isinstance(error, OSError) and system_errors.kind_of(error) is not None:  # of the local file
        return disk.failed(action, error)
    if isinstance(error, requests.RequestException):  # whose text may hold an address with a password
        return StorageError(f"{action} failed: {type(error).__name__}", None, "Check the proxy and the endpoint")
    return error


def refusal(code: int, action: str) -> StorageError:
    """The error for an HTTP status that stays as it is.

    Args:
      code: the status, 300 or more.
      action: what failed, as "Reading gs://bucket/name".
    """
    if code == NOT_FOUND:
        return NotFoundError(f"{action} failed: there is no such object or bucket", None, "Check the path")
    if code in _REFUSALS:
        return RefusedError(
            f"{action} failed: {_REFUSALS[code]} (HTTP {code})",
            "an account that may read and write objects there",
            "Grant it roles/storage.objectUser on the bucket, or use another account",
        )
    return StorageError(f"{action} failed: HTTP {code}", None, "Check the path")
