"""Tests of trainer.storage.recent_reads."""

from __future__ import annotations

import pytest

from tests.bucket.process import BucketServer
from trainer import storage
from trainer.storage import Store
from trainer.storage.recent_reads import RecentReads

pytestmark = pytest.mark.process

PATH = "gs://bucket/training_done.json"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reads(clock: Clock, bucket_server: BucketServer) -> RecentReads:
    hasty = storage.RetryPolicy(silence_secs=10, total_secs=1, first_wait_secs=0.02, longest_wait_secs=0.2)
    return RecentReads(Store(retry_policy=hasty).bucket, clock)


def test_an_object_is_read_as_it_is_in_the_bucket_and_while_that_is_down_as_it_was(
    reads: RecentReads, clock: Clock, bucket_server: BucketServer
) -> None:
    assert reads.read(PATH) is None
    storage.write(PATH, b"1")
    clock.now += 1
    assert reads.read(PATH) == b"1"
    bucket_server.set_faults(down_secs=None)
    clock.now += 1
    assert reads.read(PATH) == b"1"


def test_within_a_second_no_request_is_made(reads: RecentReads, clock: Clock, bucket_server: BucketServer) -> None:
    storage.write(PATH, b"1")
    for secs in (0.0, 0.5, 0.9):
        clock.now = secs
        assert reads.read(PATH) == b"1"
    assert [record["op"] for record in bucket_server.log()].count("download") == 1


def test_an_object_that_did_not_change_is_not_sent_again(
    reads: RecentReads, clock: Clock, bucket_server: BucketServer
) -> None:
    storage.write(PATH, b"1")
    assert reads.read(PATH) == b"1"
    clock.now += 1
    assert reads.read(PATH) == b"1"
    assert [record["status"] for record in bucket_server.log() if record["op"] == "download"] == [200, 304]


def test_a_bucket_that_never_answered_is_an_error(reads: RecentReads, bucket_server: BucketServer) -> None:
    bucket_server.set_faults(down_secs=None)
    with pytest.raises(storage.UnavailableError, match=f"Reading {PATH} failed"):
        reads.read(PATH)
    assert PATH not in reads
