"""Tests of trainer.estimator.saving.job_directory, and of an Estimator whose model_dir is in a bucket."""

from __future__ import annotations

import json
import logging
import pathlib
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import tensorflow as tf

from tests.bucket.faults import Rule
from tests.bucket.fixtures import bucket_server  # noqa: F401
from tests.bucket.process import BucketServer
from tests.estimator import one_weight
from trainer import storage
from trainer.estimator import (
    BestExporter,
    CheckpointSaverListener,
    EvalSpec,
    LatestExporter,
    TrainSpec,
    train_and_evaluate,
)
from trainer.estimator.evaluation.early_stopping import stop_if_lower_hook
from trainer.estimator.saving import checkpoints
from trainer.estimator.saving.coordination_files import TRAINING_DONE, read_record
from trainer.estimator.saving.events import read_scalars
from trainer.estimator.saving.job_directory import JobDirectories, of_process
from trainer.job.errors import TrainingError
from trainer.storage.errors import FencedError

pytestmark = pytest.mark.process

JOB = "gs://bucket/job"


@pytest.fixture(autouse=True)
def scratch(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pathlib.Path]:
    """Scratch directories of this test; what it opened is closed at its end."""
    monkeypatch.setenv("TRAINER_SCRATCH", str(tmp_path / "scratch"))
    yield tmp_path / "scratch"
    another_process()


@pytest.fixture(autouse=True)
def server(bucket_server: BucketServer) -> BucketServer:  # noqa: F811
    return bucket_server


def names(folder: str) -> list[str]:
    return [entry.path.removeprefix(f"{folder}/") for entry in storage.entries(folder)]


def another_process() -> None:
    """From here on as a process that was started afresh."""
    of_process().close()


def test_training_in_a_bucket_leaves_what_it_leaves_on_disk(tmp_path: pathlib.Path) -> None:
    for directory in (str(tmp_path / "job"), JOB):
        one_weight.make(directory, keep_checkpoint_max=2).train(one_weight.batches(), steps=25)
    on_disk = sorted(path.name for path in (tmp_path / "job").iterdir() if "tfevents" not in path.name)
    assert [name for name in names(JOB) if "tfevents" not in name] == on_disk
    assert sum("tfevents" in name for name in names(JOB)) == 1
    for step in (20, 25):
        weights = [
            checkpoints.read(f"{place}/model.ckpt-{step}", of_process().at).value("weight")
            for place in (tmp_path / "job", JOB)
        ]
        assert weights[0] == weights[1]


def test_what_people_see_are_paths_in_the_bucket(scratch: pathlib.Path) -> None:
    estimator = one_weight.make(JOB)
    estimator.train(one_weight.batches(), steps=10)
    assert (estimator.model_dir, estimator.latest_checkpoint()) == (JOB, f"{JOB}/model.ckpt-10")
    assert estimator.eval_dir("test") == f"{JOB}/eval_test"
    exported = estimator.export_saved_model(f"{JOB}/export/mine", one_weight.receiver).decode()
    assert exported.startswith(f"{JOB}/export/mine/1") and storage.exists(f"{exported}/saved_model.pb")
    elsewhere = estimator.export_saved_model("gs://bucket/elsewhere", one_weight.receiver).decode()
    assert storage.exists(f"{elsewhere}/variables/variables.index")


def test_another_process_goes_on_evaluates_and_warm_starts() -> None:
    one_weight.make(JOB).train(one_weight.batches(), steps=10)
    another_process()
    reader = one_weight.make(JOB)
    assert reader.evaluate(one_weight.batches(1))["global_step"] == 10
    assert reader.get_variable_value("weight") == pytest.approx(one_weight.weight_after(10))
    another_process()
    one_weight.make(JOB).train(one_weight.batches(), max_steps=15)
    another_process()
    assert one_weight.make(JOB).get_variable_value("weight") == pytest.approx(one_weight.weight_after(15))
    warm = one_weight.make("gs://bucket/warm", warm_start_from=JOB)
    warm.train(one_weight.batches(), steps=5)
    assert warm.get_variable_value("weight") == pytest.approx(one_weight.weight_after(20))


def test_a_saved_model_in_a_bucket_warm_starts() -> None:
    source = one_weight.make(JOB)
    source.train(one_weight.batches(), steps=10)
    exported = source.export_saved_model(f"{JOB}/export/mine", one_weight.receiver).decode()
    warm = one_weight.make("gs://bucket/warm", warm_start_from=exported)
    warm.train(one_weight.batches(), steps=5)
    assert warm.get_variable_value("weight") == pytest.approx(one_weight.weight_after(15))


def test_evaluations_exports_and_the_best_go_on_in_another_process() -> None:
    def run(max_steps: int) -> list[bytes | None] | None:
        best, latest = (
            BestExporter("best", one_weight.receiver, exports_to_keep=1),
            LatestExporter("latest", one_weight.receiver, exports_to_keep=2),
        )
        spec = EvalSpec(one_weight.batches(1), exporters=[best, latest], throttle_secs=0)
        _, exports = train_and_evaluate(one_weight.make(JOB), TrainSpec(one_weight.batches(), max_steps), spec)
        return exports

    first = run(20)
    assert first is not None and first[0] is not None
    assert json.loads(storage.read(f"{JOB}/training_done.json"))["reason"] == "max_steps"
    another_process()
    second = run(40)
    assert second is not None and second[0] is not None and second[0] > first[0]
    graphs = [name for name in names(f"{JOB}/export") if name.endswith("saved_model.pb")]
    assert [name.partition("/")[0] for name in graphs] == ["best", "latest", "latest"]
    assert second[0].decode() == f"{JOB}/export/{graphs[0].removesuffix('/saved_model.pb')}"
    assert json.loads(storage.read(f"{JOB}/export/best/best.json"))["checkpoint"] == "model.ckpt-40"
    assert list(read_scalars(of_process().local_events(f"{JOB}/eval"))) == [10, 20, 30, 40]


def test_early_stopping_sees_evaluations_of_another_process() -> None:
    one_weight.make(JOB).train(one_weight.batches(), steps=10)
    one_weight.make(JOB).evaluate(one_weight.batches(1))
    another_process()
    estimator = one_weight.make(JOB)
    hook = stop_if_lower_hook(estimator, "loss", threshold=100.0, run_every_secs=None, run_every_steps=10)
    estimator.train(one_weight.batches(), hooks=[hook], max_steps=100)
    assert checkpoints.step_of(estimator.latest_checkpoint() or "") < 100


def test_a_damaged_checkpoint_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    one_weight.make(JOB).train(one_weight.batches(), steps=20)
    storage.write(f"{JOB}/model.ckpt-20.data-00000-of-00001", b"damaged")
    another_process()
    estimator = one_weight.make(JOB)
    with caplog.at_level(logging.WARNING, "trainer"):
        assert estimator.latest_checkpoint() == f"{JOB}/model.ckpt-10"
    # How many bytes there were depends on how far the input was read ahead.
    assert re.search(
        r"model\.ckpt-20 in gs://bucket/job is damaged \(model\.ckpt-20\.data-00000-of-00001 has 7 bytes, "
        r"where [\d,]+ were saved\), so model\.ckpt-10 is used\.",
        caplog.text,
    )
    with pytest.raises(
        TrainingError, match=r"gs://bucket/job/model\.ckpt-20|model\.ckpt-20 is not there, or not whole"
    ):
        estimator.evaluate(one_weight.batches(1), checkpoint_path=f"{JOB}/model.ckpt-20")
    estimator.train(one_weight.batches(), max_steps=20)
    another_process()
    assert one_weight.make(JOB).get_variable_value("weight") == pytest.approx(one_weight.weight_after(20))


def test_a_checkpoint_whose_objects_are_not_those_of_its_manifest_is_skipped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    one_weight.make(JOB).train(one_weight.batches(), steps=20)
    storage.write(f"{JOB}/model.ckpt-20.index", b"of the same commit")
    storage.write(f"{JOB}/checkpoint", b"garbage \xff")  # so that nothing but the manifest tells
    another_process()
    estimator = one_weight.make(JOB)
    assert estimator.evaluate(one_weight.batches(1))["global_step"] == 10
    assert caplog.messages[:2] == [
        f"{JOB}/checkpoint is not a checkpoint state file, so the newest whole checkpoint there is used: "
        "model.ckpt-10.",
        f"model.ckpt-20 in {JOB} is damaged (model.ckpt-20.index has 18 bytes, where 244 were saved), "
        "so model.ckpt-10 is used.",
    ]
    estimator.train(one_weight.batches(), max_steps=30)
    another_process()
    assert one_weight.make(JOB).get_variable_value("weight") == pytest.approx(one_weight.weight_after(30))


def test_without_a_commit_object_training_goes_on_and_writes_another(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    one_weight.make(JOB).train(one_weight.batches(), steps=20)
    storage.delete(f"{JOB}/checkpoint")
    another_process()
    one_weight.make(JOB).train(one_weight.batches(), max_steps=30)
    lines = [line for line in caplog.messages if line.startswith(f"{JOB}/checkpoint is ")]
    assert lines == [f"{JOB}/checkpoint is empty, so the newest whole checkpoint there is used: model.ckpt-20."]
    another_process()
    assert one_weight.make(JOB).get_variable_value("weight") == pytest.approx(one_weight.weight_after(30))
    storage.copy_in(JOB, str(tmp_path / "copy"))
    assert tf.train.latest_checkpoint(str(tmp_path / "copy")) == str(tmp_path / "copy" / "model.ckpt-30")


def test_a_directory_that_tensorflow_wrote_is_gone_on_with(tmp_path: pathlib.Path) -> None:
    one_weight.make(tmp_path / "job").train(one_weight.batches(), steps=20)
    storage.copy_out(str(tmp_path / "job"), JOB)
    estimator = one_weight.make(JOB)
    assert estimator.latest_checkpoint() == f"{JOB}/model.ckpt-20"
    estimator.train(one_weight.batches(), max_steps=30)
    assert estimator.get_variable_value("weight") == pytest.approx(one_weight.weight_after(30))
    assert "model.ckpt-10.index" in names(JOB)


def test_tensorflow_reads_the_state_file_that_commits(tmp_path: pathlib.Path) -> None:
    one_weight.make(JOB).train(one_weight.batches(), steps=20)
    storage.copy_in(JOB, str(tmp_path / "copy"))
    assert tf.train.latest_checkpoint(str(tmp_path / "copy")) == str(tmp_path / "copy" / "model.ckpt-20")


def test_a_training_that_another_one_replaces_ends_with_an_error(tmp_path: pathlib.Path) -> None:
    estimator = one_weight.make(JOB)

    class Replaced(CheckpointSaverListener):
        def after_save(self, global_step_value: int) -> None:
            if global_step_value == 10:
                of_process().flush(20)
                text = storage.read(f"{JOB}/checkpoint").replace(b'"owner": "', b'"owner": "another ')
                storage.write(f"{JOB}/checkpoint", text)

    with pytest.raises(FencedError, match="Another process took over gs://bucket/job"):
        estimator.train(one_weight.batches(), max_steps=100_000, saving_listeners=[Replaced()])
    assert b'"owner": "another ' in storage.read(f"{JOB}/checkpoint")


def test_a_record_of_an_owner_that_was_replaced_does_not_count() -> None:
    spec = EvalSpec(one_weight.batches(1), throttle_secs=0)
    train_and_evaluate(one_weight.make(JOB), TrainSpec(one_weight.batches(), 10), spec)
    another_process()
    assert read_record(of_process().at(JOB), TRAINING_DONE)["reason"] == "max_steps"
    another_process()
    record = {"reason": "max_steps", "global_step": 5, "checkpoint": "model.ckpt-5", "owner": "a zombie"}
    storage.write(f"{JOB}/{TRAINING_DONE}", json.dumps(record).encode())
    assert read_record(of_process().at(JOB), TRAINING_DONE) == {}


def test_training_does_not_wait_for_a_bucket_on_a_bad_day(server: BucketServer) -> None:
    estimator = one_weight.make(JOB, keep_checkpoint_max=2)
    estimator.train(one_weight.batches(), steps=10)
    server.set_faults(Rule(kind="503", rate=0.3), Rule(kind="bit_flip", rate=0.1), Rule(kind="lost_response", rate=0.1))
    estimator.train(one_weight.batches(), steps=30)
    another_process()
    server.set_faults()
    assert one_weight.make(JOB).get_variable_value("weight") == pytest.approx(one_weight.weight_after(40))


# The directories of a process


@pytest.fixture
def directories(tmp_path: pathlib.Path) -> Iterator[JobDirectories]:
    """Those of a process that waits a second for uploads."""
    opened = JobDirectories({"TRAINER_SCRATCH": str(tmp_path / "own-scratch"), "TRAINER_DELIVERY_SECS": "1"})
    yield opened
    opened.close()


def test_a_folder_is_opened_once_and_whatever_is_below_it_belongs_to_it(directories: JobDirectories) -> None:
    job = directories.at(JOB, "chief")
    assert directories.at(f"{JOB}/") is job
    assert directories.holding(f"{JOB}/export/best/best.json") == (job, "export/best/best.json")
    other, name = directories.holding("gs://bucket/jobs/output.metrics")
    assert (other.path, name) == ("gs://bucket/jobs", "output.metrics")


def test_work_in_the_middle_of_other_work_does_not_wait_for_uploads(
    directories: JobDirectories, server: BucketServer
) -> None:
    done = []
    with pytest.raises(storage.UnavailableError, match="could not be uploaded to gs://bucket/job within 1 s"):  # noqa: SIM117
        with directories.flushed_at_end():
            server.set_faults(down_secs=None)
            with directories.flushed_at_end():
                directories.write(f"{JOB}/evaluator.json", b"{}")
            done.append("the evaluation")
    assert done == ["the evaluation"]


def test_work_in_another_thread_waits_for_its_own_uploads(directories: JobDirectories, server: BucketServer) -> None:
    def work() -> None:
        with directories.flushed_at_end():
            directories.write(f"{JOB}/evaluator.json", b"{}")

    with directories.flushed_at_end(), ThreadPoolExecutor(1) as pool:
        server.set_faults(down_secs=None)
        with pytest.raises(storage.UnavailableError, match="1 other thing could not be uploaded"):
            pool.submit(work).result()
        server.set_faults()


def test_an_error_counts_more_than_uploads_that_fail(directories: JobDirectories, server: BucketServer) -> None:
    directories.hurry(1)
    with pytest.raises(KeyError, match="of the work"), directories.flushed_at_end():
        server.set_faults(down_secs=None)
        directories.write(f"{JOB}/evaluator.json", b"{}")
        raise KeyError("of the work")


def test_who_is_in_a_hurry_waits_no_longer_than_it_says(directories: JobDirectories, server: BucketServer) -> None:
    directories.hurry(0.5)
    server.set_faults(down_secs=None)
    directories.write(f"{JOB}/evaluator.json", b"{}")
    with pytest.raises(storage.UnavailableError, match="within 0 s"):
        directories.flush(600)


def test_events_on_disk_are_copied_to_a_second_place_at_the_end(
    directories: JobDirectories, tmp_path: pathlib.Path
) -> None:
    directories.copy_events(str(tmp_path / "job"), "gs://bucket/logs")
    (tmp_path / "job" / "eval").mkdir(parents=True)
    (tmp_path / "job" / "eval" / "events.out.tfevents.1").write_bytes(b"events")
    (tmp_path / "job" / "model.ckpt-1.index").write_bytes(b"no events")
    directories.flush()
    assert names("gs://bucket/logs") == ["eval/events.out.tfevents.1"]
