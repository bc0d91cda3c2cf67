"""Fixtures for tests that need a bucket; a conftest.py imports them by name.

from tests.bucket.fixtures import bucket_server  # noqa: F401
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from tests.bucket.process import BucketServer

BUCKET = "bucket"


@pytest.fixture(scope="module")
def module_bucket_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BucketServer]:
    """One server for all tests of a module; each has to leave it without faults."""
    with (
        BucketServer(tmp_path_factory.mktemp("bucket-server"), buckets=(BUCKET,)) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in server.environ.items():
            patch.setenv(name, value)
        yield server


@pytest.fixture
def bucket_server(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BucketServer]:
    """A server of its own with the bucket `bucket`, at which the environment of the test points."""
    with BucketServer(tmp_path / "bucket-server", buckets=(BUCKET,)) as server:
        for name, value in server.environ.items():
            monkeypatch.setenv(name, value)
        yield server
