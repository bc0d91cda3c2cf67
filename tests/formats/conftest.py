"""What tests of data in buckets share: a server for a module, and no copies that outlive a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.bucket.fixtures import bucket_server, module_bucket_server
from tests.bucket.process import BucketServer
from trainer.estimator.graph.inside import python_functions
from trainer.formats import download_cache, fetching

__all__ = ["bucket_server", "module_bucket_server"]


@pytest.fixture
def bucket(module_bucket_server: BucketServer) -> Iterator[BucketServer]:
    """A bucket `gs://bucket` without faults, which holds what other tests of the module left there."""
    fetching.register(python_functions.define)
    yield module_bucket_server
    module_bucket_server.set_faults()
    download_cache.close_all()
