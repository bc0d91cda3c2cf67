"""Tests of trainer.storage on a bucket: the server of tests.bucket, with its faults."""

from __future__ import annotations

import pathlib
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.bucket.faults import Kind, Rule
from tests.bucket.process import BucketServer
from trainer import storage
from trainer.storage import Store, client, trees
from trainer.storage.parts import PARTS_FOLDER, WHOLE_BYTES

pytestmark = pytest.mark.process

FAULTS = ["503", "429", "408", "500", *(kind.value for kind in Kind)]
OBJECTS = 200


@pytest.mark.parametrize("fault", FAULTS)
def test_no_object_is_lost_or_wrong_on_a_bad_day(bucket_server: BucketServer, store: Store, fault: str) -> None:
    contents = {f"gs://bucket/day/{number:03d}": random.Random(number).randbytes(2000) for number in range(OBJECTS)}
    bucket_server.set_faults(Rule(kind=fault, rate=0.1), seed=1)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda path: store.write(path, contents[path], if_generation=storage.ABSENT), contents))
        assert dict(zip(contents, pool.map(store.read, contents), strict=True)) == contents
    listed = store.entries("gs://bucket/day")
    assert [entry.path for entry in listed] == sorted(contents)
    store.delete_all(listed)
    bucket_server.set_faults()
    assert store.entries("gs://bucket/day") == []
    met = sum(record["fault"] is not None for record in bucket_server.log())
    assert met > OBJECTS // 10


def test_a_lost_answer_is_no_conflict(bucket_server: BucketServer, store: Store) -> None:
    bucket_server.set_faults(Rule(kind="lost_response", ops=("upload*",), count=1))
    generation = store.write("gs://bucket/x", b"mine", if_generation=storage.ABSENT)
    entry = store.stat("gs://bucket/x")
    assert entry is not None and entry.generation == generation


def test_the_same_content_by_another_writer_is_a_conflict(bucket_server: BucketServer, store: Store) -> None:
    store.write("gs://bucket/x", b"the same")
    with pytest.raises(storage.ConflictError, match=r"gs://bucket/x has another generation than expected"):
        store.write("gs://bucket/x", b"the same", if_generation=storage.ABSENT)


def test_sixteen_writers_race_thirty_times_and_one_wins_each(bucket_server: BucketServer, store: Store) -> None:
    bucket_server.set_faults(Rule(kind="lost_response", rate=0.05), Rule(kind="503", rate=0.05))
    generation = storage.ABSENT

    def attempt(writer: int) -> int | None:
        try:
            return store.write("gs://bucket/commit", b"%d" % writer, if_generation=generation)
        except storage.ConflictError:
            return None

    with ThreadPoolExecutor(16) as pool:
        for _ in range(30):
            outcomes = list(pool.map(attempt, range(16)))
            (won,) = [outcome for outcome in outcomes if outcome is not None]
            assert store.read("gs://bucket/commit") == b"%d" % outcomes.index(won)
            generation = won


def test_large_files_go_in_parts_and_come_back_checked(
    bucket_server: BucketServer, patient_store: Store, tmp_path: pathlib.Path
) -> None:
    source, copy = tmp_path / "large", tmp_path / "copy"
    source.write_bytes(random.Random(0).randbytes(5 * WHOLE_BYTES + 17))
    bucket_server.set_faults(Rule(kind="bit_flip", rate=0.2), Rule(kind="truncation", rate=0.2), seed=3)
    entry = patient_store.upload(str(source), "gs://bucket/large", if_generation=storage.ABSENT)
    patient_store.fetch(entry, str(copy))
    assert copy.read_bytes() == source.read_bytes()
    assert b"".join(patient_store.open_stream("gs://bucket/large")) == source.read_bytes()
    bucket_server.set_faults()
    assert [entry.path for entry in patient_store.entries("gs://bucket/")] == ["gs://bucket/large"], PARTS_FOLDER


def test_a_whole_of_parts_is_written_under_its_condition(
    bucket_server: BucketServer, patient_store: Store, tmp_path: pathlib.Path
) -> None:
    source = tmp_path / "large"
    source.write_bytes(bytes(WHOLE_BYTES + 1))
    patient_store.write("gs://bucket/large", b"another")
    with pytest.raises(storage.ConflictError):
        patient_store.upload(str(source), "gs://bucket/large", if_generation=storage.ABSENT)
    assert [entry.path for entry in patient_store.entries("gs://bucket/")] == ["gs://bucket/large"]
    assert patient_store.read("gs://bucket/large") == b"another"


def test_an_object_that_changed_since_it_was_listed_is_not_fetched(
    bucket_server: BucketServer, store: Store, tmp_path: pathlib.Path
) -> None:
    store.write("gs://bucket/x", b"one")
    (listed,) = store.entries("gs://bucket/x")
    store.write("gs://bucket/x", b"two")
    with pytest.raises(storage.NotFoundError, match="Reading gs://bucket/x failed"):
        store.fetch(listed, str(tmp_path / "x"))
    assert not list(tmp_path.glob("x*"))


def test_what_was_written_again_is_not_deleted(bucket_server: BucketServer, store: Store) -> None:
    for name in "abc":
        store.write(f"gs://bucket/{name}", b"1")
    listed = store.entries("gs://bucket/*")
    store.write("gs://bucket/b", b"2")
    store.delete_all([*listed, listed[0]])
    assert [entry.path for entry in store.entries("gs://bucket/*")] == ["gs://bucket/b"]
    store.delete("gs://bucket/b")
    store.delete("gs://bucket/b")
    assert not store.exists("gs://bucket/b")


def test_a_tree_is_copied_out_with_its_marker_last_and_in(
    bucket_server: BucketServer, store: Store, tmp_path: pathlib.Path
) -> None:
    source = tmp_path / "source"
    for name in ("saved_model.pb", "variables/variables.index", "assets.extra/é x"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(name.encode())
    trees.copy_out(store, str(source), "gs://bucket/export/1", last="saved_model.pb")
    uploads = [record["object"] for record in bucket_server.log() if record["op"].startswith("upload")]
    assert uploads[-1] == "export/1/saved_model.pb" and len(uploads) == 3
    trees.copy_in(store, "gs://bucket/export/1", str(tmp_path / "copy"))
    for file in source.rglob("*.*"):
        if file.is_file():
            assert (tmp_path / "copy" / file.relative_to(source)).read_bytes() == file.read_bytes()


@pytest.mark.parametrize("name", ["../x", "/abs", "a/../../b", "a\\b", "n" * 300])
def test_hostile_names_never_write_outside_the_target(
    bucket_server: BucketServer, store: Store, tmp_path: pathlib.Path, name: str
) -> None:
    store.write("gs://bucket/tree/plain", b"")
    store.write(f"gs://bucket/tree/{name}", b"hostile")
    with pytest.raises(storage.PathError, match="cannot be a file below"):
        trees.copy_in(store, "gs://bucket/tree", str(tmp_path / "target"))
    assert [path.name for path in tmp_path.iterdir()] == ["bucket-server"]


def test_pages_of_a_listing_are_joined(tmp_path: pathlib.Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with BucketServer(tmp_path / "small-pages", page_size=3) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        for number in range(10):
            store.write(f"gs://bucket/x-{number}", b"")
        assert len(store.entries("gs://bucket/x-*")) == 10
        assert [entry.path[-1] for entry in store.entries("gs://bucket/x-[3-5]")] == ["3", "4", "5"]


def test_an_unchanged_object_is_not_sent_again(bucket_server: BucketServer, store: Store) -> None:
    generation = store.write("gs://bucket/x", b"1")
    assert store.bucket.read_if_changed("gs://bucket/x", generation) is None
    newer = store.write("gs://bucket/x", b"2")
    assert store.bucket.read_if_changed("gs://bucket/x", generation) == (b"2", newer)


@pytest.mark.parametrize("path", ["gs://bucket/nothing", "gs://no-such-bucket/x"])
def test_what_is_missing_is_named_with_what_to_do(bucket_server: BucketServer, store: Store, path: str) -> None:
    with pytest.raises(
        storage.NotFoundError, match=rf"Reading {path} failed: there is no such object or bucket. Check"
    ):
        store.read(path)


def test_a_refusal_says_what_to_grant(bucket_server: BucketServer, store: Store) -> None:
    bucket_server.set_faults(Rule(kind="403"))
    message = r"Writing gs://bucket/x failed: no permission \(HTTP 403\)\. .*roles/storage\.objectUser"
    with pytest.raises(storage.RefusedError, match=message) as error:
        store.write("gs://bucket/x", b"")
    assert error.value.exit_code == 2


def test_a_bucket_that_stays_away_is_an_error_that_asks_for_a_restart(bucket_server: BucketServer) -> None:
    bucket_server.set_faults(down_secs=None)
    hasty = Store(retry_policy=storage.RetryPolicy(total_secs=0.2, first_wait_secs=0.05))
    with pytest.raises(storage.UnavailableError, match=r"Reading gs://bucket/x failed \d+ times in \d+ s") as error:
        hasty.read("gs://bucket/x")
    assert error.value.exit_code == 143


def test_the_environments_credentials_stay_in_it(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    key = tmp_path / "key.json"
    key.write_text('{"type": "service_account", "private_key": "-----BEGIN hunter2", "client_email": "x@y"}')
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    client.of.cache_clear()
    with pytest.raises(storage.RefusedError, match="no credentials for Google Cloud could be used") as error:
        Store().read("gs://bucket/x")
    assert "hunter2" not in str(error.value) and error.value.__cause__ is None


@pytest.mark.parametrize("ops", [("*delete",), ("batch.delete",), ("batch", "delete")])
def test_a_whole_of_parts_counts_as_stored_where_its_parts_cannot_be_deleted(
    bucket_server: BucketServer,
    patient_store: Store,
    tmp_path: pathlib.Path,
    caplog: pytest.LogCaptureFixture,
    ops: tuple[str, ...],
) -> None:
    source = tmp_path / "large"
    source.write_bytes(random.Random(0).randbytes(5 * WHOLE_BYTES))
    bucket_server.set_faults(Rule(kind="403", ops=ops))
    entry = patient_store.upload(str(source), "gs://bucket/large")
    assert patient_store.stat("gs://bucket/large") == entry
    assert "failed: no permission (HTTP 403). Left behind: gs://bucket/large.parts-" in caplog.text
    assert "Nothing reads these; they only take up space." in caplog.text


def test_a_bucket_without_batches_deletes_one_by_one(bucket_server: BucketServer, store: Store) -> None:
    for name in "abc":
        store.write(f"gs://bucket/{name}", b"1")
    bucket_server.set_faults(Rule(kind="404", ops=("batch",)))
    store.delete_all(store.entries("gs://bucket/"))
    assert store.entries("gs://bucket/") == []


def test_a_refusal_inside_a_batch_is_no_success(bucket_server: BucketServer, store: Store) -> None:
    for name in "abc":
        store.write(f"gs://bucket/{name}", b"1")
    bucket_server.set_faults(Rule(kind="403", ops=("batch.delete",), objects="b"))
    with pytest.raises(storage.RefusedError, match=r"Deleting gs://bucket/b failed: no permission \(HTTP 403\)"):
        store.delete_all(store.entries("gs://bucket/"))
    assert [entry.path for entry in store.entries("gs://bucket/")] == ["gs://bucket/b"]
