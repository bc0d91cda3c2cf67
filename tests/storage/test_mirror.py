"""Tests of trainer.storage.mirror and of its upload thread: scratch directories that stand for folders in a bucket."""

from __future__ import annotations

import logging
import pathlib
import random
from collections.abc import Callable, Iterator

import pytest

from tests.bucket.faults import Kind, Rule
from tests.bucket.process import BucketServer
from trainer import storage
from trainer.storage import commits, mirror
from trainer.storage.mirror import Mirror, MirrorSettings
from trainer.storage.uploader import FencedError

pytestmark = pytest.mark.process

URL = "gs://bucket/job"
PARTS = ("data-00000-of-00001", "index")
HASTY = storage.RetryPolicy(silence_secs=0.5, total_secs=1, first_wait_secs=0.02, longest_wait_secs=0.2)

Opened = Callable[..., Mirror]


@pytest.fixture
def opened(bucket_server: BucketServer, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """Opens mirrors, each as another process would, and closes what a test leaves open."""
    monkeypatch.setattr(mirror, "_SHORT_RETRY_POLICY", HASTY)
    made: list[Mirror] = []

    def make(role: str = "chief", machine: str = "here") -> Mirror:
        settings = MirrorSettings(
            scratch_root=str(tmp_path / machine),
            role=role,
            commit_name="checkpoint",
            prefix="model.ckpt-",
            retry_policy=HASTY,
        )
        made.append(Mirror(URL, settings))
        return made[-1]

    yield make
    for left in made:
        if left.directory:
            left.close()


def end(process: Mirror) -> None:
    """As the end of its process."""
    process.close()
    process.close = lambda: None  # type: ignore[method-assign]


def save(process: Mirror, *steps: int) -> None:
    """Writes a checkpoint of the last of the steps as a saver would, and sends a state of all of them."""
    pathlib.Path(process.local(f"model.ckpt-{steps[-1]}.data-00000-of-00001")).write_bytes(content(steps[-1]))
    pathlib.Path(process.local(f"model.ckpt-{steps[-1]}.index")).write_bytes(b"index %d" % steps[-1])
    files = [f"model.ckpt-{step}.{part}" for step in steps for part in PARTS]
    process.send_checkpoints("".join(f"{step}\n" for step in steps), files, f"model.ckpt-{steps[-1]}")


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
    reader = opened("evaluator-0")
    files = reader.files("model.ckpt-10")
    assert files is not None
    reader.fetch("model.ckpt-10", files)
    assert pathlib.Path(reader.local("model.ckpt-10.data-00000-of-00001")).read_bytes() == content(10)


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
    chief.protect(lambda: tuple(reading))
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
    assert second.directory == first.directory
    second.take_over()
    assert second.whole("model.ckpt-10") and not second.whole("model.ckpt-20")
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
        chief.write("summary.json", b"{}")
        with pytest.raises(storage.UnavailableError) as error:
            chief.flush(2)
        assert error.value.exit_code == 143
        assert "model.ckpt-40 and 1 other thing could not be uploaded to gs://bucket/job within 2 s" in str(error.value)
        assert f"The local copies are in {chief.directory}" in str(error.value)
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
    first.write("training_done.json", b"done")
    end(first)
    bucket_server.set_faults()
    second = opened()
    second.take_over()
    assert second.whole("model.ckpt-20")
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
    assert third.whole("model.ckpt-20") and not third.whole("model.ckpt-10") and committed() == [20]


@pytest.mark.parametrize(("machine", "step"), [("here", 20), ("there", 20), ("there", 15)])
def test_a_process_that_was_replaced_changes_nothing_any_more(opened: Opened, machine: str, step: int) -> None:
    zombie = opened()
    zombie.take_over()
    save(zombie, 10)
    zombie.flush(20)
    told: list[str] = []
    zombie.when_fenced(told.append)
    chief = opened(machine=machine)
    assert chief.directory != zombie.directory
    chief.take_over()
    for name in ("model.ckpt-10.index", "model.ckpt-10.data-00000-of-00001"):
        files = chief.files("model.ckpt-10")
        assert files is not None and name in files
    save(chief, 10, 20)
    chief.flush(20)
    before = {entry.path: entry.generation for entry in storage.entries(URL)}
    save(zombie, 10, step)
    zombie.write("summary.json", b"zombie")
    with pytest.raises(FencedError, match=r"Another process took over gs://bucket/job; .* One chief for each") as error:
        zombie.flush(20)
    assert error.value.exit_code == 1 and told == ["another process took over the directory"]
    with pytest.raises(FencedError):
        save(zombie, 20, 30)
    zombie.write("training_done.json", b"zombie")
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


@pytest.mark.parametrize("machine", ["here", "there"])
@pytest.mark.parametrize("damage", ["changed", "deleted"])
def test_a_damaged_checkpoint_is_not_whole(opened: Opened, damage: str, machine: str) -> None:
    chief = opened()
    chief.take_over()
    save(chief, 10)
    save(chief, 10, 20)
    chief.flush(20)
    end(chief)
    path = f"{URL}/model.ckpt-20.data-00000-of-00001"
    if damage == "changed":
        storage.write(path, b"x" * len(content(20)))
    else:
        storage.delete(path)
    reader, next_chief = opened("evaluator-0"), opened(machine=machine)
    assert reader.files("model.ckpt-20") is None and reader.files("model.ckpt-10") is not None
    next_chief.take_over()
    assert not next_chief.whole("model.ckpt-20") and next_chief.whole("model.ckpt-10")


@pytest.mark.parametrize("fault", ["503", *(kind.value for kind in Kind)])
def test_commits_and_files_arrive_on_a_bad_day(opened: Opened, bucket_server: BucketServer, fault: str) -> None:
    chief = opened()
    chief.take_over()
    bucket_server.set_faults(Rule(kind=fault, rate=0.3), seed=2)
    for steps in ([10], [10, 20], [20, 30]):
        save(chief, *steps)
        chief.write("evaluator.json", b"%d" % steps[-1])
    chief.flush(60)
    bucket_server.set_faults()
    assert committed() == [20, 30] and storage.read(f"{URL}/evaluator.json") == b"30"
    reader = opened("evaluator-0")
    assert reader.files("model.ckpt-30") is not None


def test_one_object_is_written_once_a_second_at_most(opened: Opened, bucket_server: BucketServer) -> None:
    chief = opened()
    chief.take_over()
    bucket_server.set_faults(one_write_a_second=True)
    for step in range(11, 30):
        save(chief, step - 1, step)
        chief.write("summary.json", b"%d" % step)
    chief.flush(30)
    assert committed() == [28, 29] and storage.read(f"{URL}/summary.json") == b"29"
    assert not [record for record in bucket_server.log() if record["status"] == 429]


def test_a_tree_appears_with_its_last_file_and_goes_with_it(opened: Opened, bucket_server: BucketServer) -> None:
    process = opened("evaluator-0")
    tree = pathlib.Path(process.local("export/latest/1700000000"))
    (tree / "variables").mkdir(parents=True)
    (tree / "saved_model.pb").write_bytes(b"graph")
    (tree / "variables" / "variables.index").write_bytes(b"index")
    process.send_tree("export/latest/1700000000", "saved_model.pb")
    process.flush(20)
    uploads = [record["object"] for record in bucket_server.log() if record["op"] == "upload"]
    assert uploads[-1] == "job/export/latest/1700000000/saved_model.pb" and len(uploads) == 2
    assert not tree.exists()
    process.remove_tree("export/latest/1700000000", "saved_model.pb")
    process.flush(20)
    assert storage.entries(f"{URL}/export") == []


def test_events_are_uploaded_as_they_grow_and_to_a_second_place(opened: Opened) -> None:
    process = opened()
    process.copy_events("gs://bucket/logs")
    events = pathlib.Path(process.local("eval/events.out.tfevents.1"))
    events.parent.mkdir()
    events.write_bytes(b"one")
    process.flush(20)
    events.write_bytes(b"one two")
    process.flush(20)
    assert storage.read(f"{URL}/eval/events.out.tfevents.1") == b"one two"
    assert storage.read("gs://bucket/logs/eval/events.out.tfevents.1") == b"one two"
    other = opened("evaluator-0")
    other.refresh("eval/*tfevents*")
    assert pathlib.Path(other.local("eval/events.out.tfevents.1")).read_bytes() == b"one two"


def test_events_of_others_are_no_reason_to_wait_while_the_bucket_is_down(
    opened: Opened, bucket_server: BucketServer
) -> None:
    process = opened()
    bucket_server.set_faults(down_secs=None)
    process.refresh("eval/*tfevents*")
    assert not pathlib.Path(process.local("eval")).exists()


def test_a_file_is_read_as_it_is_in_the_bucket_and_while_that_is_down_as_it_was(
    opened: Opened, bucket_server: BucketServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "_FRESH_SECS", 0.0)
    reader = opened("ps-0")
    assert reader.read("training_done.json") is None
    storage.write(f"{URL}/training_done.json", b"1")
    assert reader.read("training_done.json") == b"1"
    bucket_server.set_faults(down_secs=None)
    assert reader.read("training_done.json") == b"1"


def test_without_its_bucket_a_chief_does_not_begin(opened: Opened, bucket_server: BucketServer) -> None:
    bucket_server.set_faults(Rule(kind="403"))
    chief = opened()
    with pytest.raises(storage.RefusedError, match=r"Reading gs://bucket/job/checkpoint failed: no permission"):
        chief.take_over()


def test_event_files_that_vanish_do_not_end_the_uploads(opened: Opened) -> None:
    process = opened("evaluator")
    pathlib.Path(process.local("events.out.tfevents.1")).symlink_to("gone")
    process.send_events(now=True)
    process.write("evaluator.json", b"{}")
    process.flush(20)
    assert storage.read(f"{URL}/evaluator.json") == b"{}"
