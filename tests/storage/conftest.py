"""What tests of buckets share: a server, and stores."""

from __future__ import annotations

import pytest

from tests.bucket.fixtures import bucket_server  # noqa: F401
from trainer.storage import RetryPolicy, Store


@pytest.fixture
def store() -> Store:
    """One that does not wait long for an answer, for objects of some kilobytes."""
    return Store(retry_policy=RetryPolicy(silence_secs=0.5, total_secs=60, first_wait_secs=0.02, longest_wait_secs=0.2))


@pytest.fixture
def patient_store() -> Store:
    """One that waits as long as the package's own for an answer, for objects of megabytes."""
    return Store(retry_policy=RetryPolicy(total_secs=60, first_wait_secs=0.02, longest_wait_secs=0.2))
