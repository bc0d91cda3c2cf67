from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.bucket.faults import Rule
from tests.bucket.process import BucketServer
from trainer import storage
from trainer.formats.files.copies import TemporaryCopies, free_a_share, superfluous
from trainer.formats.files.download_cache import START_BYTES, DownloadCache
from trainer.job.errors import DataError, UsageError

RETRY_POLICY = storage.RetryPolicy(silence_secs=0.5, total_secs=60, first_wait_secs=0.02, longest_wait_secs=0.1)
Make = Callable[..., DownloadCache]
Put = Callable[[str, bytes], storage.Entry]


@pytest.fixture(autouse=True)
def own_temporary_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[DownloadCache] = []

    def opened(cache_dir: str | None = None, **settings: object) -> DownloadCache:
        store = storage.Store(retry_policy=RETRY_POLICY)
        made.append(DownloadCache(cache_dir, store, **settings))  # type: ignore[arg-type]
        return made[-1]

    yield opened
    for cache in made:
        cache.close()


@pytest.fixture
def put(request: pytest.FixtureRequest, bucket: BucketServer) -> Put:
    """Stores an object below a folder of the test's own; its entry."""

    def stored(name: str, data: bytes) -> storage.Entry:
        path = f"gs://bucket/{request.node.name}/{name}"
        storage.write(path, data)
        entry = storage.stat(path)
        assert entry is not None
        return entry

    return stored


def content(path: str) -> bytes:
    return Path(path).read_bytes()


@pytest.mark.parametrize(
    ("sizes", "keep_bytes", "keep_files", "found"),
    [
        ([1, 1, 1], 10, 1, []),
        ([5, 5, 5], 10, 1, ["0"]),
        ([5, 5, 50], 10, 1, ["0", "1"]),
        ([50, 50, 50], 10, 2, ["0"]),
        ([50, 50, 50], 10, 3, []),
    ],
)
def test_the_oldest_go_until_the_bound_holds_but_never_the_last_few(
    sizes: list[int], keep_bytes: int, keep_files: int, found: list[str]
) -> None:
    assert superfluous({str(number): size for number, size in enumerate(sizes)}, keep_bytes, keep_files) == found


@pytest.mark.process
def test_a_copy_is_fetched_once_however_many_ask_for_it(bucket: BucketServer, make: Make, put: Put) -> None:
    entry, cache = put("a", b"data"), make()
    before = bucket.counts().get("download", 0)
    with ThreadPoolExecutor(8) as pool:
        paths = set(pool.map(cache.local, [entry] * 32))
    assert [content(path) for path in paths] == [b"data"]
    assert bucket.counts()["download"] == before + 1


@pytest.mark.process
@pytest.mark.parametrize("kind", ["bit_flip", "truncation", "reset", "503"])
def test_what_was_hurt_on_its_way_is_fetched_again(bucket: BucketServer, make: Make, put: Put, kind: str) -> None:
    entries = [put(str(number), b"%d" % number * 1000) for number in range(20)]
    bucket.set_faults(Rule(kind=kind, rate=0.3, ops=("download",)))
    cache = make()
    assert [content(cache.local(entry)) for entry in entries] == [b"%d" % number * 1000 for number in range(20)]
    assert kind in {entry["fault"] for entry in bucket.log()}


@pytest.mark.process
def test_a_start_is_read_until_two_answers_agree(bucket: BucketServer, make: Make, put: Put) -> None:
    data = os.urandom(3 * START_BYTES)
    entry, cache = put("large", data), make()
    bucket.set_faults(Rule(kind="bit_flip", ops=("download",), count=1))
    assert cache.start(entry) == data[:START_BYTES]
    asked = bucket.counts()["download"]
    assert cache.start(entry) == data[:START_BYTES]
    assert bucket.counts()["download"] == asked


@pytest.mark.process
def test_a_temporary_directory_holds_no_more_than_its_bound_and_is_gone_when_closed(
    make: Make, put: Put, tmp_path: Path
) -> None:
    cache = make(keep_bytes=1000, keep_files=2)
    entries = [put(str(number), b"x" * 400) for number in range(6)]
    with open(cache.local(entries[0]), "rb") as reading:
        for entry in entries:
            assert content(cache.local(entry)) == b"x" * 400
        (directory,) = tmp_path.iterdir()
        assert sum(path.stat().st_size for path in directory.iterdir()) == 800
        assert reading.read() == b"x" * 400
    cache.close()
    assert not directory.exists()


@pytest.mark.process
def test_a_cache_serves_later_processes_and_stays(bucket: BucketServer, make: Make, put: Put, tmp_path: Path) -> None:
    entry, cache = put("a", b"data"), str(tmp_path / "new" / "cache")
    path = make(cache).local(entry)
    asked = bucket.counts()["download"]
    later = make(cache)
    assert later.local(entry) == path
    later.close()
    assert content(path) == b"data"
    assert bucket.counts()["download"] == asked


def test_a_cache_on_a_disk_that_is_nearly_full_gives_up_what_was_not_used_for_the_longest_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=1000, free=50))
    for age, name in enumerate(["in use", "old", "older", "oldest"]):
        (tmp_path / name).write_bytes(b"x" * 30)
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    free_a_share(tmp_path, before=1000)
    assert {path.name for path in tmp_path.iterdir()} == {"in use", "old"}
    free_a_share(tmp_path, before=1000)
    free_a_share(tmp_path, before=1000)
    assert {path.name for path in tmp_path.iterdir()} == {"in use"}


@pytest.mark.process
def test_a_copy_in_a_cache_that_somebody_cut_is_fetched_again(make: Make, put: Put, tmp_path: Path) -> None:
    entry, cache = put("a", b"data"), make(str(tmp_path / "cache"))
    Path(cache.local(entry)).write_bytes(b"da")
    assert content(cache.local(entry)) == b"data"


@pytest.mark.process
def test_an_object_that_was_written_again_is_named_with_what_to_do(make: Make, put: Put) -> None:
    entry, cache = put("a", b"old"), make()
    put("a", b"new")
    with pytest.raises(
        DataError,
        match=rf"/a was written again or deleted since .*\(generation {entry.generation}\).*Start the job again",
    ):
        cache.local(entry)


@pytest.mark.process
def test_a_disk_without_room_is_named(make: Make, put: Put, tmp_path: Path) -> None:
    entry, cache = put("a", b"data"), make()
    copy = Path(cache.local(put("another", b"data")))
    copy.unlink()
    directory = copy.parent
    directory.rmdir()
    directory.write_bytes(b"no directory")
    with pytest.raises(UsageError, match=r"A copy of gs://.*/a .*Set TMPDIR or --data_cache_dir"):
        cache.local(entry)
    directory.unlink()


def test_directories_of_processes_that_are_gone_are_deleted_and_those_of_others_stay(tmp_path: Path) -> None:
    prefix = f"trainer-data-{os.getuid()}-"
    for name in ("gone", "held", "new"):
        (tmp_path / f"{prefix}{name}").mkdir()
        (tmp_path / f"{prefix}{name}" / "copy").write_bytes(b"")
        if name != "new":
            os.utime(tmp_path / f"{prefix}{name}", (0, 0))
    handle = os.open(tmp_path / f"{prefix}held", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    TemporaryCopies(keep_bytes=1, keep_files=1, clock=time.time).close()
    os.close(handle)
    left = {path.name.removeprefix(prefix) for path in tmp_path.iterdir()}
    assert {"held", "new"} <= left and "gone" not in left


def test_a_cache_that_cannot_be_is_refused_with_its_flag(make: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    entry = storage.Entry(path="gs://bucket/a", size=1, generation=1, crc32c="", updated=0.0)
    with pytest.raises(UsageError, match="--data_cache_dir=.*/file/cache: Not a directory"):
        make(str(tmp_path / "file" / "cache")).local(entry)


@pytest.mark.process
def test_different_objects_are_fetched_at_the_same_time(bucket: BucketServer, make: Make, put: Put) -> None:
    entries, cache = [put(str(number), b"x") for number in range(2)], make()
    bucket.set_faults(Rule(kind="stall", ops=("download",), objects="*/0", count=1))
    stalled = threading.Thread(target=cache.local, args=(entries[0],))
    stalled.start()
    assert content(cache.local(entries[1])) == b"x"
    bucket.set_faults()
    stalled.join()
    assert content(cache.local(entries[0])) == b"x"
