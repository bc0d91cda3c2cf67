"""Google's own Python client against the bucket server: every ability that jobs use, and the faults as it sees them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.api_core.exceptions import BadRequest, NotFound, PreconditionFailed
from google.cloud import storage
from google.cloud.storage import transfer_manager
from google.cloud.storage.exceptions import DataCorruption

from tests.bucket.faults import Rule
from tests.bucket.process import BucketServer
from trainer.storage.client import Batch

pytestmark = pytest.mark.process
MEBIBYTE = 1 << 20


@pytest.fixture
def server(module_bucket_server: BucketServer) -> Iterator[BucketServer]:
    yield module_bucket_server
    module_bucket_server.set_faults()


@pytest.fixture
def bucket(server: BucketServer) -> Iterator[storage.Bucket]:
    client = storage.Client()
    yield client.bucket("bucket")
    client.close()


def names(bucket: storage.Bucket, **query: object) -> list[str]:
    return [blob.name for blob in bucket.client.list_blobs(bucket, **query)]


@pytest.mark.parametrize("name", ["a/b", "../x", "/abs", "a\\b", "é ☃?&#%2F", "x" * 300])
def test_an_upload_comes_back_with_its_metadata_under_any_name(bucket: storage.Bucket, name: str) -> None:
    blob = bucket.blob(name)
    blob.metadata = {"key": "wért"}
    blob.upload_from_string(b"data", content_type="text/x")
    read = bucket.get_blob(name)
    assert (read.name, read.metadata, read.content_type, read.size) == (name, {"key": "wért"}, "text/x", 4)
    assert (read.generation, read.crc32c, read.md5_hash) == (blob.generation, blob.crc32c, blob.md5_hash)
    assert read.download_as_bytes() == b"data"
    blob.delete()
    assert not blob.exists()


def test_resumable_uploads_and_ranges_are_whole(bucket: storage.Bucket) -> None:
    data = os.urandom(3 * MEBIBYTE + 17)
    blob = bucket.blob("large", chunk_size=MEBIBYTE)
    blob.upload_from_string(data)
    assert bucket.blob("large").download_as_bytes() == data
    assert bucket.blob("large").download_as_bytes(start=5, end=MEBIBYTE) == data[5 : MEBIBYTE + 1]
    assert bucket.blob("large", chunk_size=MEBIBYTE).download_as_bytes() == data
    with bucket.blob("large").open("rb") as file:
        file.seek(MEBIBYTE)
        assert file.read(10) == data[MEBIBYTE : MEBIBYTE + 10]


def test_parallel_transfers_use_parts_and_ranges(server: BucketServer, bucket: storage.Bucket, tmp_path: Path) -> None:
    (tmp_path / "up").write_bytes(os.urandom(12 * MEBIBYTE))
    settings = {"chunk_size": 5 * MEBIBYTE, "worker_type": "thread"}
    transfer_manager.upload_chunks_concurrently(str(tmp_path / "up"), bucket.blob("parts"), **settings)
    transfer_manager.download_chunks_concurrently(bucket.blob("parts"), str(tmp_path / "down"), **settings)
    assert (tmp_path / "down").read_bytes() == (tmp_path / "up").read_bytes()
    assert server.counts()["part"] == 3
    assert bucket.get_blob("parts").component_count == 3


def test_preconditions_are_enforced_on_every_kind_of_write(bucket: storage.Bucket) -> None:
    blob = bucket.blob("guarded")
    blob.upload_from_string(b"1", if_generation_match=0)
    first = blob.generation
    with pytest.raises(PreconditionFailed):
        bucket.blob("guarded").upload_from_string(b"2", if_generation_match=0)
    with pytest.raises(PreconditionFailed):
        bucket.blob("guarded", chunk_size=MEBIBYTE).upload_from_string(b"2" * 2 * MEBIBYTE, if_generation_match=0)
    with pytest.raises(PreconditionFailed):
        bucket.blob("guarded").compose([blob], if_generation_match=0)
    with pytest.raises(PreconditionFailed):
        bucket.blob("guarded").rewrite(blob, if_generation_match=0)
    with pytest.raises(PreconditionFailed):
        blob.delete(if_generation_match=first - 1)
    with pytest.raises(PreconditionFailed):
        blob.patch(if_metageneration_match=7)
    assert bucket.blob("guarded").download_as_bytes(if_generation_match=first) == b"1"
    bucket.blob("guarded").upload_from_string(b"3", if_generation_match=first)
    with pytest.raises(NotFound):
        bucket.blob("guarded", generation=first).download_as_bytes()


def test_objects_are_put_together_copied_renamed_and_changed(bucket: storage.Bucket) -> None:
    for name, data in (("c/1", b"one"), ("c/2", b"two")):
        bucket.blob(name).upload_from_string(data)
    whole = bucket.blob("c/whole")
    whole.compose([bucket.blob("c/1"), bucket.blob("c/2")])
    assert (whole.download_as_bytes(), whole.component_count, whole.md5_hash) == (b"onetwo", 2, None)
    assert bucket.blob("c/rewritten").rewrite(whole) == (None, 6, 6)
    bucket.rename_blob(bucket.blob("c/rewritten"), "c/renamed")
    assert bucket.copy_blob(bucket.blob("c/renamed"), bucket, "c/copied").size == 6
    assert names(bucket, prefix="c/") == ["c/1", "c/2", "c/copied", "c/renamed", "c/whole"]
    whole.metadata = {"a": "1"}
    whole.patch()
    whole.metadata = {"b": "2"}
    whole.update()
    whole.reload()
    assert (whole.metadata, whole.metageneration) == ({"b": "2"}, 3)


def test_lists_go_over_pages_and_folders(bucket: storage.Bucket) -> None:
    for name in ("l/1", "l/2", "l/a/3", "l/a/4", "l/b/5"):
        bucket.blob(name).upload_from_string(b"")
    listed = bucket.client.list_blobs(bucket, prefix="l/", delimiter="/", page_size=1)
    assert ([blob.name for blob in listed], sorted(listed.prefixes)) == (["l/1", "l/2"], ["l/a/", "l/b/"])
    assert listed.page_number == 4
    assert names(bucket, prefix="l/", page_size=2) == ["l/1", "l/2", "l/a/3", "l/a/4", "l/b/5"]
    assert names(bucket, match_glob="l/**/[3-4]") == ["l/a/3", "l/a/4"]
    assert names(bucket, prefix="l/", start_offset="l/2", end_offset="l/b") == ["l/2", "l/a/3", "l/a/4"]


def test_a_batch_is_one_request_whose_parts_fail_one_by_one(server: BucketServer, bucket: storage.Bucket) -> None:
    for name in ("b/1", "b/3"):
        bucket.blob(name).upload_from_string(b"")
    before = server.counts()
    with Batch(bucket.client) as batch:
        for name in ("b/1", "b/2", "b/3"):
            bucket.blob(name).delete()
    assert batch.statuses == [204, 404, 204]
    after = server.counts()
    assert after["batch"] == before.get("batch", 0) + 1
    assert after.get("delete") == before.get("delete")
    assert names(bucket, prefix="b/") == []


def test_buckets_are_made_listed_and_missed(bucket: storage.Bucket) -> None:
    made = bucket.client.create_bucket("another-bucket")
    assert {"bucket", "another-bucket"} <= {one.name for one in bucket.client.list_buckets()}
    made.delete()
    assert not made.exists()
    with pytest.raises(NotFound, match="bucket does not exist"):
        made.blob("x").upload_from_string(b"")


def test_flipped_bits_are_corruption_to_the_client(server: BucketServer, bucket: storage.Bucket) -> None:
    bucket.blob("flipped").upload_from_string(b"data")
    server.set_faults(Rule(kind="bit_flip"))
    with pytest.raises(DataCorruption):
        bucket.blob("flipped").download_as_bytes()
    with pytest.raises(BadRequest, match="doesn't match calculated hash"):
        bucket.blob("flipped").upload_from_string(b"other")
    server.set_faults()
    assert bucket.blob("flipped").download_as_bytes() == b"data"


def test_a_lost_response_is_a_false_conflict_to_the_client(server: BucketServer, bucket: storage.Bucket) -> None:
    server.set_faults(Rule(kind="lost_response", ops=("upload",), count=1))
    with pytest.raises(PreconditionFailed):
        bucket.blob("lost").upload_from_string(b"data", if_generation_match=0)
    assert bucket.blob("lost").download_as_bytes() == b"data"


@pytest.mark.parametrize("kind", ["503", "429", "408", "500", "reset", "truncation"])
def test_the_client_tries_again_what_may_succeed(server: BucketServer, bucket: storage.Bucket, kind: str) -> None:
    bucket.blob("tried").upload_from_string(b"data")
    before = len(server.log())
    server.set_faults(Rule(kind=kind, count=1))
    assert bucket.blob("tried").download_as_bytes() == b"data"
    faults = [entry["fault"] for entry in server.log()[before:]]
    # On a busy machine the client may try once more, after a connection that the server has closed.
    assert (faults[0], set(faults[1:])) == (kind, {None})
