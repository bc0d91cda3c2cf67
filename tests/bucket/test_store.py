from __future__ import annotations

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.bucket.conditions import Conditions
from tests.bucket.messages import Content, Refusal
from tests.bucket.store import Hashes, Store, StoredObject
from tests.deadlines import ANSWER_SECS

HOSTILE = ["../x", "/abs", "a/../../b", "a\\b", "ü/☃", "x" * 300, "a//b", " ", "x\0y"]


def put(store: Store, name: str, data: bytes, **settings: object) -> StoredObject:
    return store.put("bucket", name, io.BytesIO(data), fields={}, **settings)  # type: ignore[arg-type]


def content(store: Store, name: str) -> bytes:
    with store.open("bucket", name)[1] as file:
        return file.read()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "buckets")
    made.create_bucket("bucket")
    return made


@pytest.mark.parametrize("name", HOSTILE)
def test_an_object_of_any_name_stays_within_the_directory(tmp_path: Path, store: Store, name: str) -> None:
    put(store, name, b"data")
    assert content(store, name) == b"data"
    assert store.names("bucket") == [name]
    assert {path.parent for path in tmp_path.rglob("*") if path.is_file()} == {tmp_path / "buckets" / "bucket"}


@pytest.mark.parametrize(
    ("name", "message"), [("", "of 0 bytes"), ("x" * 1025, "of 1025 bytes"), ("..", "Disallowed"), ("a\nb", "Disallow")]
)
def test_names_that_the_service_refuses_are_refused(store: Store, name: str, message: str) -> None:
    with pytest.raises(Refusal, match=message):
        put(store, name, b"")


def test_generations_grow_from_one_write_to_the_next_and_over_deletions_and_restarts(tmp_path: Path) -> None:
    stopped = lambda: 1000.0  # noqa: E731
    store = Store(tmp_path, clock=stopped)
    store.create_bucket("bucket")
    first, second = put(store, "a", b"1"), put(store, "a", b"2")
    again = put(Store(tmp_path, clock=stopped), "a", b"3")
    assert first.generation < second.generation < again.generation


def test_a_restarted_store_holds_what_was_stored_and_nothing_of_what_was_under_way(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.create_bucket("bucket")
    stored = put(store, "a", b"1")
    (tmp_path / "bucket" / "0.part").write_bytes(b"half")
    (tmp_path / "bucket" / "0-1.data").write_bytes(b"not published")
    again = Store(tmp_path)
    assert again.get("bucket", "a") == stored
    assert content(again, "a") == b"1"
    assert len(list((tmp_path / "bucket").iterdir())) == 3


def test_a_write_with_another_checksum_leaves_everything_as_it_was(store: Store) -> None:
    put(store, "a", b"1")
    with pytest.raises(Refusal, match="Provided CRC32C hash .AAAAAA==. doesn't match calculated hash"):
        put(store, "a", b"2", expected=Hashes(crc32c="AAAAAA=="))
    assert content(store, "a") == b"1"


def test_a_reader_keeps_the_bytes_that_it_opened(store: Store) -> None:
    put(store, "a", b"old")
    _, reading = store.open("bucket", "a")
    put(store, "a", b"new")
    store.delete("bucket", "a", None, Conditions())
    with reading:
        assert reading.read() == b"old"


def test_of_many_writers_under_one_precondition_one_wins(store: Store) -> None:
    together = threading.Barrier(8)

    class Slow:
        """Content that ends when all writers have passed the first check."""

        def __init__(self) -> None:
            self._left = [b"x"]

        def read(self, size: int = -1, /) -> bytes:
            if self._left:
                return self._left.pop()
            together.wait(ANSWER_SECS)
            return b""

    def write(_: int) -> bool:
        content: Content = Slow()
        try:
            store.put("bucket", "a", content, fields={}, conditions=Conditions(generation_match=0))
        except Refusal as refusal:
            assert refusal.status == 412
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(write, range(8))) == 1


def test_a_second_write_within_a_second_is_refused_where_that_is_asked_for(tmp_path: Path) -> None:
    now = [1000.0]
    store = Store(tmp_path, one_write_a_second=True, clock=lambda: now[0])
    store.create_bucket("bucket")
    put(store, "a", b"1")
    put(store, "b", b"1")
    now[0] += 0.9
    with pytest.raises(Refusal, match="exceeded the rate limit") as caught:
        put(store, "a", b"2")
    assert caught.value.status == 429
    now[0] += 0.1
    put(store, "a", b"2")


def test_patches_merge_metadata_and_count_up(store: Store) -> None:
    put(store, "a", b"1")
    store.patch("bucket", "a", {"metadata": {"x": "1", "y": "2"}}, Conditions(), whole=False)
    patched = store.patch("bucket", "a", {"metadata": {"x": None}, "contentType": "t/t"}, Conditions(), whole=False)
    assert patched.fields == {"metadata": {"y": "2"}, "contentType": "t/t"}
    assert patched.metageneration == 3
    with pytest.raises(Refusal, match="ifMetagenerationMatch=1: it is 3"):
        store.patch("bucket", "a", {}, Conditions(metageneration_match=1), whole=False)


@pytest.mark.parametrize("name", ["A", "ab", "../x", "a_", "a" * 300])
def test_names_that_no_bucket_has_are_refused(store: Store, name: str) -> None:
    with pytest.raises(Refusal, match="Invalid bucket name"):
        store.create_bucket(name)


def test_a_bucket_that_is_not_there_is_named_and_one_that_is_full_stays(store: Store) -> None:
    with pytest.raises(Refusal, match="bucket does not exist") as caught:
        store.names("none")
    assert caught.value.status == 404
    put(store, "a", b"1")
    with pytest.raises(Refusal, match="not empty"):
        store.delete_bucket("bucket")
