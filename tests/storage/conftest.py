"""What tests of buckets share: a server, and a store that does not wait long."""

from __future__ import annotations

import pytest

from tests.bucket.fixtures import bucket_server  # noqa: F401
from trainer.storage import RetryPolicy, Store


@pytest.fixture
def store() -> Store:
    return Store(retry_policy=RetryPolicy(silence_secs=0.5, total_secs=60, first_wait_secs=0.02, longest_wait_secs=0.2))
