"""The client of google-cloud-storage. It is imported when the first `gs://` path is met: that takes half a second.

What is taken from inside that package stands here, with why; tests/storage/test_client.py is the first to run against a
new release of it.
"""

from __future__ import annotations

import functools
import os
from typing import Any

import requests
from google.cloud import storage
from google.cloud.storage import batch

_CONNECTIONS = 16
NO_BUCKET_METADATA = "DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA"


def of_environment() -> storage.Client:
    """The client of this process for the endpoint that the environment names."""
    return of(os.environ.get("STORAGE_EMULATOR_HOST"), os.getpid())


@functools.cache
def of(endpoint: str | None, process: int) -> storage.Client:
    """One client for each endpoint and process. It is as slow to make as its credentials are to find.

    No request of ours needs a project, which an account alone does not name.
    """
    # Else it asks about buckets in the background, for traces that nobody collects.
    os.environ.setdefault(NO_BUCKET_METADATA, "true")
    client = storage.Client(project=None if endpoint else "-")
    pooled = requests.adapters.HTTPAdapter(pool_connections=_CONNECTIONS, pool_maxsize=_CONNECTIONS)
    for scheme in ("http://", "https://"):
        # The session is `_http` only. Its pools hold ten connections; more threads than that upload and download at a
        # time, and urllib3 would warn of each connection that it throws away.
        client._http.mount(scheme, pooled)
    return client


class Batch(batch.Batch):
    """Requests that are sent together when the `with` statement ends.

    Args:
      client: that sends them.

    Attributes:
      statuses: HTTP statuses of the requests, in their order, once they are sent.
    """

    def __init__(self, client: storage.Client) -> None:
        super().__init__(client, raise_exception=False)
        self.statuses: list[int] = []

    def finish(self, raise_exception: bool = True) -> list[Any]:
        """Sends the requests; called at the end of the `with` statement."""
        responses = super().finish(raise_exception=raise_exception)
        self.statuses = [response.status_code for response in responses]
        return responses
