"""A session that signs requests to Google's services with the credentials of this machine."""

from __future__ import annotations

import urllib.parse
from typing import TYPE_CHECKING

from trainer.job.errors import UsageError

if TYPE_CHECKING:
    import requests

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


def open_session(endpoint: str) -> requests.Session:
    """A session for requests to `endpoint`.

    To plain http nothing secret is sent: only servers on this machine are asked so, and anonymously.

    Raises:
      UsageError: there are no credentials, or the endpoint is no safe place for them.
    """
    import google.auth
    import requests
    from google.auth import exceptions
    from google.auth.transport.requests import AuthorizedSession

    parts = urllib.parse.urlsplit(endpoint)
    if parts.scheme == "http":
        if parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            got, accept = f"--endpoint={endpoint} without TLS", "https://, or http:// on this machine"
            raise UsageError(got, accept, "Credentials would be readable on the way: write https://")
        return requests.Session()
    try:
        credentials, _ = google.auth.default(scopes=[_SCOPE])
    except exceptions.DefaultCredentialsError as error:
        raise UsageError(
            "No credentials for Google Cloud",
            "those of gcloud, of a service account's key file or of the machine",
            "gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS to a key file",
        ) from error
    session: requests.Session = AuthorizedSession(credentials)
    return session


def broken_connections() -> tuple[type[Exception], ...]:
    """What such a session raises when no whole answer came."""
    import requests
    from google.auth import exceptions

    return (
        requests.exceptions.ConnectionError,
        requests.exceptions.Timeout,
        requests.exceptions.ChunkedEncodingError,
        requests.exceptions.ContentDecodingError,
        exceptions.TransportError,
    )


def lost_credentials() -> tuple[type[Exception], ...]:
    """What such a session raises when its credentials have expired and cannot be renewed."""
    from google.auth import exceptions

    return (exceptions.RefreshError,)
