"""What tests of data in buckets share: a server for a module, and no copies that outlive a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.bucket.fixtures import bucket_server, module_bucket_server
from tests.bucket.process import BucketServer
from trainer.estimator.graph.inside import python_functions
from trainer.formats.files.download_cache import DownloadCache
from trainer.formats.files.fetching import Fetcher

__all__ = ["bucket_server", "module_bucket_server"]


@pytest.fixture
def bucket(module_bucket_server: BucketServer) -> Iterator[BucketServer]:
    """A bucket `gs://bucket` without faults, which holds what other tests of the module left there."""
    yield module_bucket_server
    module_bucket_server.set_faults()


@pytest.fixture
def cache() -> Iterator[DownloadCache]:
    """Where copies of the test go; the pipelines of this process take their files from it."""
    opened = DownloadCache()
    fetcher = Fetcher(opened)
    fetcher.register(python_functions.define)
    yield opened
    opened.close()
