"""Tests of trainer.storage.client: what is taken from inside google-cloud-storage does what it is taken for.

The first to run against a new release: python -m pytest tests/storage/test_client.py
"""

from __future__ import annotations

import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from google.cloud.storage import Client

from tests.bucket.faults import Rule
from tests.bucket.process import BucketServer
from trainer import storage
from trainer.storage import Store, client

pytestmark = pytest.mark.process

THREADS = 16
LONGEST_SECS = 60.0


def ops(server: BucketServer) -> list[str]:
    return [record["op"] for record in server.log()]


def test_sixteen_threads_have_a_connection_each(
    bucket_server: BucketServer, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    store.write("gs://bucket/x", b"data")
    bucket_server.set_faults(latency_secs=0.3)  # so that all of them are at work at one time
    with caplog.at_level(logging.WARNING, "urllib3"), ThreadPoolExecutor(THREADS) as pool:
        assert set(pool.map(store.read, ["gs://bucket/x"] * THREADS)) == {b"data"}
    assert "Connection pool is full" not in caplog.text


def test_ten_connections_are_what_the_session_has_by_itself(
    bucket_server: BucketServer, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """Should this fail, a new release has more of them, and `_http` is not needed any more."""
    store.write("gs://bucket/x", b"data")
    bucket_server.set_faults(latency_secs=0.3)
    blob = Client(project=None).bucket("bucket").blob("x")
    with caplog.at_level(logging.WARNING, "urllib3"), ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda _: blob.exists(), range(THREADS)))
    assert "Connection pool is full" in caplog.text


def test_nothing_is_asked_about_a_bucket(bucket_server: BucketServer, store: Store) -> None:
    store.write("gs://bucket/x", b"data")
    with pytest.raises(storage.NotFoundError):
        store.read("gs://bucket/nothing")
    store.delete_all(store.entries("gs://bucket/"))
    assert set(ops(bucket_server)) == {"upload", "download", "list", "delete"}


def test_without_the_variable_the_client_asks_about_buckets(
    bucket_server: BucketServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should this fail, a new release asks no more, and the variable is not needed any more."""
    assert os.environ[client.NO_BUCKET_METADATA] == "true"
    monkeypatch.setenv(client.NO_BUCKET_METADATA, "false")
    Client(project=None).bucket("bucket").blob("x").exists()
    until = time.monotonic() + LONGEST_SECS
    while "bucket.get" not in ops(bucket_server) and time.monotonic() < until:
        pass
    assert "bucket.get" in ops(bucket_server)


def test_a_batch_tells_what_became_of_each_request(bucket_server: BucketServer, store: Store) -> None:
    first, _ = [store.write(f"gs://bucket/{name}", b"") for name in "ab"]
    bucket = client.of_environment().bucket("bucket")
    with client.Batch(bucket.client) as batch:
        for name, generation in (("a", first), ("b", first), ("c", None)):
            bucket.blob(name).delete(if_generation_match=generation)
    assert batch.statuses == [204, 412, 404]


def test_a_batch_that_is_refused_as_a_whole_is_an_error(bucket_server: BucketServer, store: Store) -> None:
    store.write("gs://bucket/a", b"")
    bucket_server.set_faults(Rule(kind="403", ops=("batch",)))
    bucket = client.of_environment().bucket("bucket")
    with pytest.raises(Exception, match="403"), client.Batch(bucket.client) as batch:
        bucket.blob("a").delete()
    assert batch.statuses == []
