"""Tests of trainer.storage.synced_folder, and of the thread, the uploader and the writer behind it."""

from __future__ import annotations

import logging
import pathlib
import random
from collections.abc import Callable, Iterator

import pytest

from tests.bucket.faults import Kind, Rule
from tests.bucket.process import BucketServer
from trainer import storage
from trainer.storage import commits
from trainer.storage.errors import FencedError
from trainer.storage.synced_folder import SyncedFolder, SyncSettings
from trainer.storage.uploads import Checkpoints, File, Removal, Tree

pytestmark = pytest.mark.process

URL = "gs://bucket/job"
PARTS = ("data-00000-of-00001", "index")
HASTY = storage.RetryPolicy(silence_secs=0.5, total_secs=1, first_wait_secs=0.02, longest_wait_secs=0.2)

Opened = Callable[..., SyncedFolder]


@pytest.fixture
def opened(bucket_server: BucketServer, tmp_path: pathlib.Path) -> Iterator[Opened]:
    """Opens the folder, each time as another process would, and closes what a test leaves open."""
    made: list[SyncedFolder] = []

    def make(role: str = "chief", machine: str = "here") -> SyncedFolder:
        settings = SyncSettings(
            scratch_root=str(tmp_path / machine),
            role=role,
            commit_name="checkpoint",
            checkpoint_prefix="model.ckpt-",
            retry_policy=HASTY,
            hasty_retry_policy=HASTY,
        )
        made.append(SyncedFolder(URL, settings))
        return made[-1]

    yield make
    for left in made:
        left.close()


def end(process: SyncedFolder) -> None:
    """As the end of its process."""
    process.close()
    process.close = lambda: None  # type: ignore[method-assign]


def save(process: SyncedFolder, *steps: int) -> None:
    """Writes a checkpoint of the last of the steps as a saver would, and uploads a state of all of them."""
    write(process, f"model.ckpt-{steps[-1]}.data-00000-of-00001", content(steps[-1]))
    write(process, f"model.ckpt-{steps[-1]}.index", b"index %d" % steps[-1])
    files = tuple(f"model.ckpt-{step}.{part}" for step in steps for part in PARTS)
    process.post(Checkpoints("".join(f"{step}\n" for step in steps), files, f"model.ckpt-{steps[-1]}"))


def write(process: SyncedFolder, name: str, data: bytes) -> None:
    """Writes a local file."""
    file = pathlib.Path(process.folder.local(name))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


def send(process: SyncedFolder, name: str, data: bytes) -> None:
    """Writes a local file, and uploads it."""
    write(process, name, data)
    process.post(File(name))


def known_steps(process: SyncedFolder) -> set[int]:
    """The steps whose checkpoints the owner found whole or wrote."""
    known = set(process.writer.known)
    return {step for step in range(100) if known.issuperset(f"model.ckpt-{step}.{part}" for part in PARTS)}


def here(process: SyncedFolder, step: int) -> bool:
    return pathlib.Path(process.folder.local(f"model.ckpt-{step}.index")).exists()


def content(step: int) -> bytes:
    return random.Random(step).randbytes(5000)


def committed() -> list[int]:
    """The steps that the bucket's commit object names."""
    return [int(line) for line in commits.parse(storage.read(f"{URL}/checkpoint")).text.splitlines()]


def test_a_checkpoint_is_there_when_its_commit_is(opened: Opened, bucket_server: BucketServer) -> None:
    chief = opened()
    chief.take_over()
    before = len(bucket_server.log())
    save(chief, 10)
    chief.flush(20)
    asked = bucket_server.log()[before:]
    assert committed() == [10]
    assert len(asked) == 3 and asked[-1]["object"] == "job/checkpoint"
    assert storage.read(f"{URL}/model.ckpt-10.data-00000-of-00001") == content(10)


def test_old_checkpoints_leave_the_bucket_after_the_commit(opened: Opened, bucket_server: BucketServer) -> None:
    chief = opened()
    chief.take_over()
    for steps in ([10], [10, 20], [20, 30]):
        before = len(bucket_server.log())
        save(chief, *steps)
        chief.flush(20)
    asked = [record["op"] for record in bucket_server.log()[before:]]
    assert len(asked) <= 5 and asked[-1] == "batch", asked
    left = [entry.path.rpartition("/")[2] for entry in storage.entries(f"{URL}/model*")]
    assert left == [f"model.ckpt-{step}.{part}" for step in (20, 30) for part in PARTS]


def test_what_is_being_read_stays(opened: Opened) -> None:
    chief = opened()
    chief.take_over()
    reading = ["model.ckpt-1"]
    chief.uploader.being_read = lambda: tuple(reading)
    for steps in ([1], [10], [10, 20]):
        save(chief, *steps)
        chief.flush(20)
    assert committed() == [10, 20] and storage.exists(f"{URL}/model.ckpt-1.index")
    reading.clear()
    save(chief, 20, 30)
    chief.flush(20)
    assert not storage.exists(f"{URL}/model.ckpt-1.index") and not storage.exists(f"{URL}/model.ckpt-10.index")


def test_the_next_process_goes_on_where_the_last_one_ended(opened: Opened) -> None:
    first = opened()
    first.take_over()
    save(first, 10)
    first.flush(20)
    end(first)
    second = opened()
    assert second.folder.directory == first.folder.directory
    second.take_over()
    assert known_steps(second) == {10}
    save(second, 10, 20)
    second.flush(20)
    assert committed() == [10, 20]


def test_while_the_bucket_is_down_copies_queue_and_come_when_it_is_back(
    opened: Opened, bucket_server: BucketServer, caplog: pytest.LogCaptureFixture
) -> None:
    chief = opened()
    chief.take_over()
    save(chief, 10)
    chief.flush(20)
    bucket_server.set_faults(down_secs=None)
    with caplog.at_level(logging.INFO, "trainer"):
        for steps in ([10, 20], [20, 30], [30, 40]):
            save(chief, *steps)
        send(chief, "summary.json", b"{}")
        with pytest.raises(storage.UnavailableError) as error:
            chief.flush(2)
        assert error.value.exit_code == 143
        assert "model.ckpt-40 and 1 other thing could not be uploaded to gs://bucket/job within 2 s" in str(error.value)
        assert f"it first uploads the local copies in {chief.folder.directory}" in str(error.value)
        bucket_server.set_faults()
        chief.flush(30)
    assert committed() == [30, 40] and storage.read(f"{URL}/summary.json") == b"{}"
    assert (
        "Training continues; uploads are queued until the bucket answers" in caplog.text
        and "answers again" in caplog.text
    )


def test_what_could_not_be_uploaded_is_uploaded_by_the_next_process_on_the_machine(
    opened: Opened, bucket_server: BucketServer
) -> None:
    first = opened()
    first.take_over()
    save(first, 10)
    first.flush(20)
    bucket_server.set_faults(down_secs=None)
    save(first, 10, 20)
    send(first, "training_done.json", b"done")
    end(first)
    bucket_server.set_faults()
    second = opened()
    second.take_over()
    assert here(second, 20)
    second.flush(20)
    assert committed() == [10, 20] and storage.read(f"{URL}/training_done.json") == b"done"


def test_what_another_one_overtook_is_set_aside(
    opened: Opened, bucket_server: BucketServer, caplog: pytest.LogCaptureFixture
) -> None:
    first = opened()
    first.take_over()
    bucket_server.set_faults(down_secs=None)
    save(first, 10)
    end(first)
    bucket_server.set_faults()
    elsewhere = opened(machine="there")
    elsewhere.take_over()
    save(elsewhere, 20)
    elsewhere.flush(20)
    end(elsewhere)
    with caplog.at_level(logging.WARNING, "trainer"):
        third = opened()
        third.take_over()
    assert "left model.ckpt-10 for gs://bucket/job, and another one took over since. They are in" in caplog.text
    aside = pathlib.Path(caplog.text.rpartition("They are in ")[2].strip().rstrip("."))
    assert (aside / "model.ckpt-10.index").exists()
    assert known_steps(third) == {20} and not here(third, 10) and committed() == [20]


@pytest.mark.parametrize(("machine", "step"), [("here", 20), ("there", 20), ("there", 15)])
def test_a_process_that_was_replaced_changes_nothing_any_more(opened: Opened, machine: str, step: int) -> None:
    zombie = opened()
    zombie.take_over()
    save(zombie, 10)
    zombie.flush(20)
    told: list[str] = []
    zombie.uploads.on_fenced = told.append
    chief = opened(machine=machine)
    assert chief.folder.directory != zombie.folder.directory
    chief.take_over()
    assert known_steps(chief) == {10}
    save(chief, 10, 20)
    chief.flush(20)
    before = {entry.path: entry.generation for entry in storage.entries(URL)}
    save(zombie, 10, step)
    send(zombie, "summary.json", b"zombie")
    with pytest.raises(FencedError, match=r"Another process took over gs://bucket/job; .* one chief for each") as error:
        zombie.flush(20)
    assert error.value.exit_code == 1 and told == ["another process took over the directory"]
    with pytest.raises(FencedError):
        save(zombie, 20, 30)
    send(zombie, "training_done.json", b"zombie")
    assert {entry.path: entry.generation for entry in storage.entries(URL)} == before


def test_a_newer_owner_replaces_what_an_older_one_left_uncommitted(opened: Opened, bucket_server: BucketServer) -> None:
    storage.write(f"{URL}/model.ckpt-10.data-00000-of-00001", b"of a process that was killed")
    chief = opened()
    chief.take_over()
    save(chief, 10)
    chief.flush(20)
    assert storage.read(f"{URL}/model.ckpt-10.data-00000-of-00001") == content(10)


def test_parts_of_an_upload_that_was_cut_off_are_deleted(opened: Opened) -> None:
    storage.write(f"{URL}/model.ckpt-10.data-00000-of-00001.parts-0a/00", b"of a process that was killed")
    opened().take_over()
    assert [entry.path for entry in storage.entries(URL)] == [f"{URL}/checkpoint"]


@pytest.mark.parametrize("fault", ["503", *(kind.value for kind in Kind)])
def test_commits_and_files_arrive_on_a_bad_day(opened: Opened, bucket_server: BucketServer, fault: str) -> None:
    chief = opened()
    chief.take_over()
    bucket_server.set_faults(Rule(kind=fault, rate=0.3), seed=2)
    for steps in ([10], [10, 20], [20, 30]):
        save(chief, *steps)
        send(chief, "evaluator.json", b"%d" % steps[-1])
    chief.flush(60)
    bucket_server.set_faults()
    assert committed() == [20, 30] and storage.read(f"{URL}/evaluator.json") == b"30"
    end(chief)
    next_chief = opened()
    next_chief.take_over()
    assert known_steps(next_chief) == {20, 30}


def test_one_object_is_written_once_a_second_at_most(opened: Opened, bucket_server: BucketServer) -> None:
    chief = opened()
    chief.take_over()
    bucket_server.set_faults(one_write_a_second=True)
    for step in range(11, 30):
        save(chief, step - 1, step)
        send(chief, "summary.json", b"%d" % step)
    chief.flush(30)
    assert committed() == [28, 29] and storage.read(f"{URL}/summary.json") == b"29"
    assert not [record for record in bucket_server.log() if record["status"] == 429]


def test_a_tree_appears_with_its_last_file_and_goes_with_it(opened: Opened, bucket_server: BucketServer) -> None:
    process = opened("evaluator-0")
    write(process, "export/latest/1700000000/saved_model.pb", b"graph")
    write(process, "export/latest/1700000000/variables/variables.index", b"index")
    process.post(Tree("export/latest/1700000000", "saved_model.pb"))
    process.flush(20)
    uploads = [record["object"] for record in bucket_server.log() if record["op"] == "upload"]
    assert uploads[-1] == "job/export/latest/1700000000/saved_model.pb" and len(uploads) == 2
    assert not pathlib.Path(process.folder.local("export/latest/1700000000")).exists()
    process.post(Removal("export/latest/1700000000", "saved_model.pb"))
    process.flush(20)
    assert storage.entries(f"{URL}/export") == []


def test_without_its_bucket_a_chief_does_not_begin(opened: Opened, bucket_server: BucketServer) -> None:
    bucket_server.set_faults(Rule(kind="403"))
    chief = opened()
    with pytest.raises(storage.RefusedError, match=r"Reading gs://bucket/job/checkpoint failed: no permission"):
        chief.take_over()
