"""Tests of the stores of a job's directory in a bucket, where several processes have it open."""

from __future__ import annotations

import contextlib
import os
import pathlib
import random
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from tests.bucket.fixtures import bucket_server  # noqa: F401
from tests.bucket.process import BucketServer
from trainer import storage
from trainer.estimator.saving import job_directory, manifest
from trainer.estimator.saving.job_directory import JobDirectory
from trainer.estimator.saving.retention import Checkpoint, Decision
from trainer.job.errors import TrainingError
from trainer.storage.synced_folder import SyncSettings

pytestmark = pytest.mark.process

URL = "gs://bucket/job"
HASTY = storage.RetryPolicy(silence_secs=10, total_secs=1, first_wait_secs=0.02, longest_wait_secs=0.2)

Opened = Callable[..., JobDirectory]


@pytest.fixture(autouse=True)
def server(bucket_server: BucketServer) -> BucketServer:  # noqa: F811
    return bucket_server


class Clock:
    """The machine's clock, put forward by a test."""

    def __init__(self) -> None:
        self.ahead_secs = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead_secs


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def opened(tmp_path: pathlib.Path, clock: Clock) -> Iterator[Opened]:
    """Opens the directory, each time as another process would, and closes what a test leaves open."""
    made: list[JobDirectory] = []

    def make(role: str = "chief", machine: str = "here") -> JobDirectory:
        settings = SyncSettings(
            scratch_root=str(tmp_path / machine),
            role=role,
            commit_name="checkpoint",
            checkpoint_prefix="model.ckpt-",
            retry_policy=HASTY,
            hasty_retry_policy=HASTY,
        )
        made.append(job_directory.in_bucket(URL, settings, clock))
        return made[-1]

    yield make
    for left in made:
        with contextlib.suppress(OSError):  # which a test closed
            left.close()


def chief_of(directory: JobDirectory) -> JobDirectory:
    directory.checkpoints.take_over(lambda reason: None, tuple)
    return directory


def save(directory: JobDirectory, *steps: int, expired: Sequence[int] = ()) -> None:
    """Writes a checkpoint of the last of the steps, and publishes all of them but those that expired."""
    pathlib.Path(directory.local, f"model.ckpt-{steps[-1]}.data-00000-of-00001").write_bytes(content(steps[-1]))
    pathlib.Path(directory.local, f"model.ckpt-{steps[-1]}.index").write_bytes(b"index %d" % steps[-1])
    manifest.write(os.path.join(directory.local, f"model.ckpt-{steps[-1]}"), {})
    listed, gone = ([Checkpoint(f"model.ckpt-{step}", float(step)) for step in some] for some in (steps, expired))
    directory.checkpoints.publish(Decision(listed=listed, expired=gone, kept_until=0.0))


def content(step: int) -> bytes:
    return random.Random(step).randbytes(5000)


# Checkpoints


def test_a_reader_fetches_what_is_committed(opened: Opened) -> None:
    chief = chief_of(opened())
    save(chief, 10)
    chief.flush(20)
    reader = opened("evaluator-0").checkpoints
    assert reader.latest() == f"{URL}/model.ckpt-10"
    assert pathlib.Path(f"{reader.fetch('model.ckpt-10')}.data-00000-of-00001").read_bytes() == content(10)


def test_what_was_fetched_is_fetched_again_only_when_it_changed(opened: Opened, server: BucketServer) -> None:
    chief = chief_of(opened())
    save(chief, 10)
    chief.flush(20)
    reader = opened("evaluator-0").checkpoints
    before = len(server.log())
    for _ in range(3):
        reader.fetch("model.ckpt-10")
    downloads = [record["object"] for record in server.log()[before:] if record["op"] == "download"]
    files = [f"job/model.ckpt-10.{suffix}" for suffix in ("data-00000-of-00001", "index", "manifest")]
    assert sorted(downloads) == ["job/checkpoint", *files]


@pytest.mark.parametrize("machine", ["here", "there"])
@pytest.mark.parametrize("damage", ["changed", "deleted"])
def test_a_damaged_checkpoint_is_not_whole(opened: Opened, damage: str, machine: str) -> None:
    chief = chief_of(opened())
    save(chief, 10)
    save(chief, 10, 20)
    chief.flush(20)
    path = f"{URL}/model.ckpt-20.data-00000-of-00001"
    if damage == "changed":
        storage.write(path, b"x" * len(content(20)))
    else:
        storage.delete(path)
    reader, next_chief = opened("evaluator-0").checkpoints, chief_of(opened(machine=machine)).checkpoints
    assert reader.latest() == next_chief.latest() == f"{URL}/model.ckpt-10"
    with pytest.raises(TrainingError, match=r"gs://bucket/job/model\.ckpt-20 is not there, or not whole"):
        reader.fetch("model.ckpt-20")
    assert not next_chief.exists("model.ckpt-20") and next_chief.exists("model.ckpt-10")


def test_a_reader_deletes_its_copies_of_what_left_the_bucket(opened: Opened, clock: Clock) -> None:
    chief, reader = chief_of(opened()), opened("evaluator-0")
    for steps in ([10], [20]):
        save(chief, *steps)
        chief.flush(20)
        clock.ahead_secs += 1  # what the reader knows of the bucket is a second old
        reader.checkpoints.fetch(f"model.ckpt-{steps[-1]}")
    assert {file.stem for file in pathlib.Path(reader.local).glob("model.ckpt-*")} == {"model.ckpt-20"}


def test_what_expired_while_the_bucket_was_down_is_neither_uploaded_nor_kept(
    opened: Opened, server: BucketServer
) -> None:
    chief = chief_of(opened())
    save(chief, 10)
    chief.flush(20)
    server.set_faults(down_secs=None)
    save(chief, 20, expired=[10])
    save(chief, 30, expired=[20])
    chief.close()
    server.set_faults()
    following = chief_of(opened())
    assert following.checkpoints.latest() == f"{URL}/model.ckpt-30"
    save(following, 30, 40)
    following.flush(20)
    left = {entry.path.removeprefix(f"{URL}/").partition(".index")[0] for entry in storage.entries(f"{URL}/*.index")}
    assert left == {"model.ckpt-30", "model.ckpt-40"}


# Events


def test_events_are_uploaded_as_they_grow_and_to_a_second_place(opened: Opened) -> None:
    process = opened()
    process.events.copy_to("gs://bucket/logs")
    events = pathlib.Path(process.local, "eval", "events.out.tfevents.1")
    events.parent.mkdir()
    for written in (b"one", b"one two"):
        events.write_bytes(written)
        process.flush(20)
    assert storage.read(f"{URL}/eval/events.out.tfevents.1") == b"one two"
    assert storage.read("gs://bucket/logs/eval/events.out.tfevents.1") == b"one two"
    local = opened("evaluator-0").events.refresh("eval")
    assert pathlib.Path(local, "events.out.tfevents.1").read_bytes() == b"one two"


def test_events_of_others_are_no_reason_to_wait_while_the_bucket_is_down(opened: Opened, server: BucketServer) -> None:
    process = opened()
    server.set_faults(down_secs=None)
    assert not pathlib.Path(process.events.refresh("eval")).exists()


def test_event_files_that_vanish_do_not_end_the_uploads(opened: Opened) -> None:
    process = opened("evaluator")
    pathlib.Path(process.local, "events.out.tfevents.1").symlink_to("gone")
    process.events.publish()
    process.records.write("evaluator.json", b"{}")
    process.flush(20)
    assert storage.read(f"{URL}/evaluator.json") == b"{}"


# Records


def test_a_record_is_read_as_this_process_wrote_it_before_it_is_uploaded(opened: Opened, server: BucketServer) -> None:
    process = opened()
    server.set_faults(down_secs=None)
    process.records.write("evaluator.json", b"{}")
    assert process.records.read("evaluator.json") == b"{}"
    process.records.remove("evaluator.json")
    assert process.records.read("evaluator.json") is None
