"""Checkpoints: names, the state file, what is deleted, what is read, and what a kill leaves."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.estimator.one_weight import batches, make, receiver, weight_after
from trainer.estimator import Estimator, TrainingHook
from trainer.estimator.saving import checkpoints, state_file
from trainer.estimator.saving.checkpoint_store import LocalCheckpoints
from trainer.estimator.saving.saver import Saver
from trainer.estimator.saving.verification import DamagedCheckpointError
from trainer.job.errors import UsageError
from trainer.storage.errors import InUseError

HOUR = 3600.0


def saver(
    directory: Path,
    keep_max: int | None = 5,
    keep_every_hours: float = 10000,
    being_read: tuple[str, ...] = (),
    **settings: Any,
) -> Saver:
    store = LocalCheckpoints(str(directory))
    store.take_over(lambda reason: None, lambda: being_read)
    return Saver(store, keep_max, keep_every_hours, started_at=0.0, **settings)


def save(to: Saver, step: int, now: float = 1.0, weight: float = 0.5) -> str:
    values = {"weight": tf.constant(weight), "global_step": tf.constant(step, tf.int64)}
    return to.save(step, values, now)


def latest(directory: Path) -> str | None:
    return LocalCheckpoints(str(directory)).latest()


def steps_in(directory: Path) -> list[int]:
    return sorted(int(file.stem.rsplit("-", 1)[1]) for file in directory.glob("model.ckpt-*.index"))


def latest_step(directory: Path) -> int | None:
    newest = latest(directory)
    return None if newest is None else checkpoints.step_of(newest)


# The files and the state file


def test_a_checkpoint_is_named_by_its_step_and_keyed_by_names(tmp_path: Path) -> None:
    saved = save(saver(tmp_path), 7)
    assert saved == str(tmp_path / "model.ckpt-7")
    files = ["model.ckpt-7.data-00000-of-00001", "model.ckpt-7.index", "model.ckpt-7.manifest"]
    assert sorted(os.listdir(tmp_path)) == ["checkpoint", *files]
    assert dict(tf.train.list_variables(saved)) == {"weight": [], "global_step": []}


def test_the_state_file_holds_relative_paths_that_tensorflow_reads(tmp_path: Path) -> None:
    for step in (0, 10):
        save(saver(tmp_path), step)
    assert (tmp_path / "checkpoint").read_text().splitlines()[:3] == [
        'model_checkpoint_path: "model.ckpt-10"',
        'all_model_checkpoint_paths: "model.ckpt-0"',
        'all_model_checkpoint_paths: "model.ckpt-10"',
    ]
    assert tf.train.latest_checkpoint(str(tmp_path)) == str(tmp_path / "model.ckpt-10")


def test_training_resumes_in_a_directory_that_was_moved(tmp_path: Path) -> None:
    estimator = make(tmp_path / "before")
    estimator.train(batches(), steps=5)
    shutil.move(tmp_path / "before", tmp_path / "after")
    moved = make(tmp_path / "after")
    assert moved.latest_checkpoint() == str(tmp_path / "after" / "model.ckpt-5")
    moved.train(batches(), max_steps=8)
    assert moved.get_variable_value("weight") == pytest.approx(weight_after(8), rel=1e-6)


def test_a_step_saved_again_is_listed_once_and_last(tmp_path: Path) -> None:
    for step, weight in ((10, 0.1), (20, 0.2), (10, 0.3)):
        saved = save(saver(tmp_path), step, weight=weight)
    assert latest_step(tmp_path) == 10
    assert (tmp_path / "checkpoint").read_text().count("model.ckpt-10") == 2
    assert checkpoints.read(saved).value("weight") == np.float32(0.3)


def test_a_directory_without_checkpoints_has_no_latest(tmp_path: Path) -> None:
    assert latest(tmp_path) is None
    assert latest(tmp_path / "absent") is None


def test_without_the_files_of_the_newest_checkpoint_the_newest_one_with_files_is_the_latest(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        save(saver(tmp_path), step)
    for file in tmp_path.glob("model.ckpt-3.*"):
        file.unlink()
    assert latest_step(tmp_path) == 2


def test_a_state_file_that_was_set_to_an_earlier_checkpoint_by_hand_is_obeyed(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        save(saver(tmp_path), step)
    state = tmp_path / "checkpoint"
    state.write_text(state.read_text().replace("model.ckpt-3", "model.ckpt-1", 1))
    assert latest_step(tmp_path) == 1
    save(saver(tmp_path, keep_max=2), 2)
    assert (latest_step(tmp_path), steps_in(tmp_path)) == (2, [1, 2])


def test_a_name_that_is_not_a_checkpoints_has_no_step() -> None:
    with pytest.raises(
        ValueError, match="ckpt-7 is not a checkpoint of an Estimator. They are named model.ckpt-<step>"
    ):
        checkpoints.step_of("weights/ckpt-7")


# What stays


@pytest.mark.parametrize(("keep_max", "left"), [(1, [4]), (2, [3, 4]), (0, [0, 1, 2, 3, 4]), (None, [0, 1, 2, 3, 4])])
def test_the_newest_checkpoints_are_kept(tmp_path: Path, keep_max: int | None, left: list[int]) -> None:
    for step in range(5):
        save(saver(tmp_path, keep_max), step)
    assert steps_in(tmp_path) == left
    assert len(list(tmp_path.glob("*.data-*"))) == len(left)
    assert [f"model.ckpt-{step}" in (tmp_path / "checkpoint").read_text() for step in left] == [True] * len(left)


def test_one_checkpoint_in_an_hour_is_kept_across_restarts(tmp_path: Path) -> None:
    for step in range(8):
        save(saver(tmp_path, keep_max=1, keep_every_hours=1), step, now=step * 0.4 * HOUR)
    assert steps_in(tmp_path) == [3, 6, 7]
    assert "model.ckpt-3" not in (tmp_path / "checkpoint").read_text()


def test_a_checkpoint_that_is_being_read_is_kept_until_nobody_reads_it(tmp_path: Path) -> None:
    save(saver(tmp_path, keep_max=1), 1)
    for step in (2, 3):
        save(saver(tmp_path, keep_max=1, being_read=("model.ckpt-1",)), step)
    assert (steps_in(tmp_path), latest_step(tmp_path)) == ([1, 3], 3)
    save(saver(tmp_path, keep_max=1), 4)
    assert steps_in(tmp_path) == [4]


def test_the_references_meta_files_are_deleted_with_their_checkpoints_and_nothing_else_is(tmp_path: Path) -> None:
    others = ["model.ckpt-1.meta", "model.ckpt-10.meta", "model.ckpt-1.txt", "events.out.tfevents.1"]
    for name in others:
        (tmp_path / name).touch()
    for step in (1, 2):
        save(saver(tmp_path, keep_max=1), step)
    assert sorted(name for name in others if (tmp_path / name).exists()) == sorted(others[1:])


def test_the_checkpoint_that_a_run_resumes_from_is_not_written_again(tmp_path: Path) -> None:
    saved = save(saver(tmp_path), 7, weight=0.5)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert save(saver(tmp_path, continued=saved), 7, weight=0.25) == saved
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_checkpoint_whose_variables_are_ahead_of_its_name_is_not_written_again_either(tmp_path: Path) -> None:
    values = {"weight": tf.constant(0.5), "global_step": tf.constant(9, tf.int64)}  # as workers train on meanwhile
    saved = saver(tmp_path).save(7, values, 1.0)
    assert save(saver(tmp_path, continued=saved), 9) == saved
    assert steps_in(tmp_path) == [7]


def test_what_a_run_resumes_from_in_another_directory_is_written(tmp_path: Path) -> None:
    elsewhere = save(saver(tmp_path / "memory"), 7)
    assert save(saver(tmp_path, continued=elsewhere), 7) == str(tmp_path / "model.ckpt-7")
    assert steps_in(tmp_path) == [7]


def test_a_run_that_resumes_leaves_its_first_checkpoint_untouched(tmp_path: Path) -> None:
    make(tmp_path).train(batches(), steps=3)
    file = tmp_path / "model.ckpt-3.index"
    written = file.stat().st_ino, file.stat().st_mtime_ns
    make(tmp_path).train(batches(), steps=3)
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == written
    assert steps_in(tmp_path) == [0, 3, 6]


# What a kill leaves


def test_after_a_kill_before_the_state_file_is_written_the_previous_checkpoint_is_the_latest(tmp_path: Path) -> None:
    make(tmp_path, save_checkpoints_steps=2).train(batches(), max_steps=4)
    state = (tmp_path / "checkpoint").read_text()
    make(tmp_path, save_checkpoints_steps=2).train(batches(), max_steps=6)
    (tmp_path / "checkpoint").write_text(state)  # as it was when model.ckpt-6 was already there
    again = make(tmp_path, save_checkpoints_steps=2)
    assert again.latest_checkpoint() == str(tmp_path / "model.ckpt-4")
    again.train(batches(), max_steps=6)
    assert again.get_variable_value("weight") == pytest.approx(weight_after(6), rel=1e-6)


@pytest.mark.parametrize("ending", ["", ".tempstate1"])
def test_after_a_kill_in_the_middle_of_a_save_the_previous_checkpoint_is_the_latest(
    tmp_path: Path, ending: str
) -> None:
    save(saver(tmp_path), 7)
    (tmp_path / f"model.ckpt-9.data-00000-of-00001{ending}").write_bytes(b"half")
    assert latest_step(tmp_path) == 7
    save(saver(tmp_path), 9, weight=0.25)
    assert checkpoints.read(str(tmp_path)).value("weight") == np.float32(0.25)


def test_a_kill_in_the_middle_of_a_deletion_leaves_no_part_of_a_checkpoint(tmp_path: Path) -> None:
    for step in (1, 2):
        save(saver(tmp_path), step)
    (tmp_path / "model.ckpt-1.index").unlink()  # the first thing that a deletion does
    save(saver(tmp_path), 3)
    assert latest_step(tmp_path) == 3
    assert "model.ckpt-1" not in (tmp_path / "checkpoint").read_text()


def test_half_a_state_file_is_never_published(tmp_path: Path) -> None:
    state_file.write_whole(tmp_path / "checkpoint", b"one")
    state_file.write_whole(tmp_path / "checkpoint", b"another")
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint"]
    assert (tmp_path / "checkpoint").read_bytes() == b"another"


def test_leftovers_of_a_killed_save_are_deleted_by_the_next_process_that_saves(tmp_path: Path) -> None:
    leftovers = [
        "model.ckpt-9.data-00000-of-00001.tempstate1",
        "model.ckpt-9.part-0-of-2.index",
        ".model.ckpt-9.manifest.tmp-1",
        ".checkpoint.tmp-1",
    ]
    save(saver(tmp_path), 7)
    kept = sorted(os.listdir(tmp_path))
    for name in leftovers:
        (tmp_path / name).touch()
    saver(tmp_path)
    assert sorted(os.listdir(tmp_path)) == kept


# A state file that cannot be followed

LIES = {
    "missing": None,
    "empty": "",
    "not a checkpoint state file": "model_checkpoint_path 7",
    "which is not there": 'model_checkpoint_path: "model.ckpt-9"',
}


@pytest.mark.parametrize("what", LIES)
def test_the_newest_checkpoint_there_is_used_and_the_next_save_mends_the_state_file(
    tmp_path: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    make(tmp_path, save_checkpoints_steps=2).train(batches(), max_steps=5)
    content, state = LIES[what], tmp_path / "checkpoint"
    state.unlink() if content is None else state.write_text(content)
    again = make(tmp_path, save_checkpoints_steps=2)
    again.train(batches(), max_steps=7)
    assert again.get_variable_value("weight") == pytest.approx(weight_after(7), rel=1e-6)
    (line,) = [line for line in caplog.messages if line.startswith(str(state))]
    assert f"{what}, so the newest whole checkpoint there is used: model.ckpt-5." in line
    assert steps_in(tmp_path) == [0, 2, 4, 5, 7]
    assert tf.train.latest_checkpoint(str(tmp_path)) == str(tmp_path / "model.ckpt-7")


def test_a_state_file_that_names_nothing_of_what_is_there_is_told_where_nothing_is_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-9"')
    assert latest(tmp_path) is None
    assert caplog.messages == [
        f"{tmp_path / 'checkpoint'} names model.ckpt-9, which is not there, and no checkpoint is there."
    ]


def test_without_a_state_file_nothing_that_was_kept_for_good_is_deleted(tmp_path: Path) -> None:
    for step in range(5):
        save(saver(tmp_path, keep_max=2, keep_every_hours=1), step, now=step * HOUR)
    assert steps_in(tmp_path) == [2, 3, 4]
    (tmp_path / "checkpoint").unlink()
    save(saver(tmp_path, keep_max=2, keep_every_hours=1), 5, now=5 * HOUR)
    assert {2, 4, 5} <= set(steps_in(tmp_path))
    assert "model.ckpt-2" not in (tmp_path / "checkpoint").read_text()


# Damage


def damage(directory: Path, step: int) -> None:
    for file in directory.glob(f"model.ckpt-{step}.data-*"):
        file.write_bytes(bytes(file.stat().st_size))


@pytest.mark.parametrize("by", ["us", "tf.estimator"])
def test_damaged_checkpoints_are_skipped_by_name_and_stay(
    tmp_path: Path, by: str, caplog: pytest.LogCaptureFixture
) -> None:
    make(tmp_path, save_checkpoints_steps=2, keep_checkpoint_max=3).train(batches(), max_steps=6)
    if by == "tf.estimator":
        for file in tmp_path.glob("*.manifest"):
            file.unlink()
    damage(tmp_path, 6)
    damage(tmp_path, 4)
    again = make(tmp_path, save_checkpoints_steps=2, keep_checkpoint_max=3)
    assert again.latest_checkpoint() == str(tmp_path / "model.ckpt-2")
    lines = [line for line in caplog.messages if "is damaged" in line]
    for line, step in zip(lines, (6, 4), strict=True):
        assert line.startswith(f"model.ckpt-{step} in {tmp_path} is damaged (")
        assert line.endswith("), so model.ckpt-2 is used.")
    again.train(batches(), max_steps=3)
    assert steps_in(tmp_path) == [2, 3, 4, 6]
    assert again.get_variable_value("weight") == pytest.approx(weight_after(3), rel=1e-6)
    again.train(batches(), max_steps=9)
    assert again.get_variable_value("weight") == pytest.approx(weight_after(9), rel=1e-6)
    assert steps_in(tmp_path) == [4, 5, 6, 7, 9]


def test_damaged_ones_do_not_count_among_those_that_are_kept(tmp_path: Path) -> None:
    for step in range(3):
        save(saver(tmp_path, keep_max=3), step)
    damage(tmp_path, 2)
    for file in tmp_path.glob("model.ckpt-1.data-*"):
        file.write_bytes(b"short")  # which is seen without reading it
    one = saver(tmp_path, keep_max=2)
    assert one.store.latest() == str(tmp_path / "model.ckpt-0")
    save(one, 3)
    assert steps_in(tmp_path) == [0, 1, 2, 3]
    save(one, 4)
    assert steps_in(tmp_path) == [1, 2, 3, 4]
    assert latest_step(tmp_path) == 4


def test_where_none_is_whole_training_does_not_begin_anew(tmp_path: Path) -> None:
    make(tmp_path, save_checkpoints_steps=2).train(batches(), max_steps=4)
    for step in (0, 2, 4):
        damage(tmp_path, step)
    again = make(tmp_path)
    for call in (
        lambda: again.train(batches(), max_steps=9),
        lambda: again.evaluate(batches(1)),
        lambda: next(again.predict(batches(1))),
        lambda: again.export_saved_model(str(tmp_path / "export"), receiver),
        again.latest_checkpoint,
    ):
        with pytest.raises(DamagedCheckpointError) as raised:
            call()
        text = str(raised.value)
        assert text.startswith(f"No checkpoint in {tmp_path} is whole: model.ckpt-4.data-00000-of-00001 ")
        assert text.endswith("Restore one from a copy, or train into another directory (--output_dir).")


def test_a_damaged_checkpoint_that_somebody_names_is_an_error(tmp_path: Path) -> None:
    make(tmp_path / "one", save_checkpoints_steps=2).train(batches(), max_steps=4)
    damage(tmp_path / "one", 4)
    named = str(tmp_path / "one" / "model.ckpt-4")
    again = make(tmp_path / "one")
    warm = make(tmp_path / "two", warm_start_from=named)
    for call in (
        lambda: again.evaluate(batches(1), checkpoint_path=named),
        lambda: next(again.predict(batches(1), checkpoint_path=named)),
        lambda: again.export_saved_model(str(tmp_path / "export"), receiver, checkpoint_path=named),
        lambda: warm.train(batches(), max_steps=1),
    ):
        with pytest.raises(DamagedCheckpointError, match=r"model\.ckpt-4 is damaged: model\.ckpt-4\.data-00000-of"):
            call()
    from_directory = make(tmp_path / "three", warm_start_from=str(tmp_path / "one"))
    from_directory.train(batches(), max_steps=1)
    assert from_directory.get_variable_value("weight") == pytest.approx(weight_after(3), rel=1e-6)


# Several processes


def test_a_second_training_in_a_directory_is_refused_and_readers_are_not(tmp_path: Path) -> None:
    second = make(tmp_path)

    class Second(TrainingHook):
        def after_run(self, run_context: Any, run_values: Any) -> None:
            with pytest.raises(InUseError, match=f"{tmp_path} is in use by process {os.getpid()} on "):
                second.train(batches(), max_steps=99)
            assert second.evaluate(batches(1))["global_step"] == 0
            seen.append(True)

    seen: list[bool] = []
    make(tmp_path).train(batches(), max_steps=1, hooks=[Second()])
    assert seen
    second.train(batches(), max_steps=2)
    assert "training.lock" not in os.listdir(tmp_path)


# Reading


def test_a_checkpoint_is_read_by_path_by_directory_and_as_a_path_object(tmp_path: Path) -> None:
    saved = save(saver(tmp_path), 7)
    for source in (saved, str(tmp_path), tmp_path):
        reader = checkpoints.read(source)
        assert (reader.names(), reader.shape("weight"), "weight" in reader) == (["global_step", "weight"], [], True)
        assert reader.value("weight") == np.float32(0.5)
    assert checkpoints.saved_step(saved) == 7


def test_a_checkpoint_keyed_by_objects_is_read_by_the_variables_names(tmp_path: Path) -> None:
    variable = tf.Variable(0.25, name="weight")
    saved = tf.train.Checkpoint(anything=variable).save(str(tmp_path / "ckpt"))
    assert checkpoints.read(saved).value("weight") == np.float32(0.25)


def test_a_saved_model_is_read_by_the_variables_names(tmp_path: Path) -> None:
    module = tf.Module()
    module.anything = tf.Variable(0.25, name="weight")
    tf.saved_model.save(module, str(tmp_path))
    assert checkpoints.read(str(tmp_path)).value("weight") == np.float32(0.25)


def test_the_position_of_the_input_is_not_among_the_variables(tmp_path: Path) -> None:
    make(tmp_path).train(batches(), steps=1)
    stored = [name for name, _ in tf.train.list_variables(str(tmp_path / "model.ckpt-1"))]
    assert any(name.startswith(checkpoints.INPUT_PREFIX) for name in stored)
    assert checkpoints.read(str(tmp_path)).names() == ["global_step", "weight"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("absent/model.ckpt-7", "cannot be read as a checkpoint: .* It takes the path of a checkpoint"),
        (".", "holds no checkpoint. It takes a checkpoint's path, a directory with checkpoints, or a SavedModel"),
    ],
)
def test_a_source_without_a_checkpoint_says_what_is_accepted(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        checkpoints.read(str(tmp_path / source))


def test_a_checkpoint_with_damaged_data_is_named(tmp_path: Path) -> None:
    saved = save(saver(tmp_path), 7)
    data = tmp_path / "model.ckpt-7.data-00000-of-00001"
    data.write_bytes(bytes(len(data.read_bytes())))
    with pytest.raises(DamagedCheckpointError) as raised:
        checkpoints.read(saved)
    assert str(raised.value).startswith(f"{saved} is damaged: {data.name} has the checksum ")
    assert str(raised.value).endswith(
        "Accepted: a checkpoint as it was saved. "
        "Name another one, or its directory for the newest whole one there, or restore it from a copy."
    )


def test_damage_in_a_checkpoint_without_a_manifest_is_named_with_the_tensor(tmp_path: Path) -> None:
    saved = save(saver(tmp_path), 7)
    (tmp_path / "model.ckpt-7.manifest").unlink()
    data = tmp_path / "model.ckpt-7.data-00000-of-00001"
    data.write_bytes(bytes(len(data.read_bytes())))
    reader = checkpoints.read(saved)
    with pytest.raises(DamagedCheckpointError, match=r"model\.ckpt-7 is damaged: weight in it cannot be read: "):
        reader.value("weight")


def test_a_checkpoint_without_a_step_is_refused(tmp_path: Path) -> None:
    saved = tf.train.Checkpoint(weight=tf.Variable(1.0, name="weight")).save(str(tmp_path / "ckpt"))
    with pytest.raises(ValueError, match="lacks global_step; it has .*weight"):
        checkpoints.saved_step(saved)


# Restoring


def test_variables_get_the_values_of_their_names_or_of_others(tmp_path: Path) -> None:
    reader = checkpoints.read(save(saver(tmp_path), 7))
    one, other = tf.Variable(0.0), tf.Variable(0.0)
    checkpoints.restore({"weight": one}, reader)
    checkpoints.restore({"first": one, "second": other}, reader, {"first": "weight", "second": "weight"})
    assert (one.numpy(), other.numpy()) == (0.5, 0.5)


def test_nothing_is_set_when_a_variable_is_missing(tmp_path: Path) -> None:
    reader = checkpoints.read(save(saver(tmp_path), 7))
    variable = tf.Variable(0.0)
    with pytest.raises(ValueError) as raised:
        checkpoints.restore({"weight": variable, "bias": variable, "slot": variable}, reader)
    assert variable.numpy() == 0.0
    assert "model.ckpt-7 lacks bias, slot; it has global_step, weight." in str(raised.value)
    assert "use warm_start_from to start from the values that fit" in str(raised.value)


def test_of_many_missing_variables_the_first_dozen_are_named(tmp_path: Path) -> None:
    reader = checkpoints.read(save(saver(tmp_path), 7))
    variables = {f"v{number:02}": tf.Variable(0.0) for number in range(14)}
    with pytest.raises(UsageError, match=r"lacks v00, v01, .*, v11 and 2 more; it has global_step, weight\."):
        checkpoints.restore(variables, reader)


def test_nothing_is_set_when_a_shape_differs(tmp_path: Path) -> None:
    reader = checkpoints.read(save(saver(tmp_path), 7))
    variable = tf.Variable(0.0)
    with pytest.raises(ValueError, match=r"has weight of shape \[\]; the model function makes wide of shape \[2\]."):
        checkpoints.restore({"weight": variable, "wide": tf.zeros([2])}, reader, {"wide": "weight"})
    assert variable.numpy() == 0.0


# Saving off


def test_saving_off_leaves_no_checkpoint_at_all(tmp_path: Path) -> None:
    estimator: Estimator = make(tmp_path, save_checkpoints_steps=None, save_checkpoints_secs=None)
    estimator.train(batches(), steps=3)
    assert estimator.latest_checkpoint() is None
    assert [name for name in os.listdir(tmp_path) if not name.startswith("events.")] == []


def test_checkpoints_are_of_step_zero_of_the_configured_steps_and_of_the_last(tmp_path: Path) -> None:
    make(tmp_path, keep_checkpoint_max=None).train(batches(), steps=22)
    assert steps_in(tmp_path) == [0, 10, 20, 22]
