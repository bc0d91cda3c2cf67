"""When a save is due, and what listeners hear of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import tensorflow as tf

from trainer.estimator import CheckpointSaverListener
from trainer.estimator.contract.hooks import PatientListener
from trainer.estimator.saving import slices
from trainer.estimator.saving.checkpoint_store import LocalCheckpoints
from trainer.estimator.saving.saver import Saver
from trainer.estimator.steps.outer.saves import Saves
from trainer.estimator.steps.timing.cadence import Cadence

TENSORS = {"global_step": tf.constant(0, tf.int64)}
LARGE = {**TENSORS, "w": tf.Variable(tf.zeros([slices.LEAST_SNAPSHOT_BYTES // 4]))}
"""Variables that are worth writing beside the steps."""


class Heard(CheckpointSaverListener):
    """Notes what it hears; asks for the end after a step."""

    def __init__(self, end_after: int | None = None) -> None:
        self.heard: list[tuple[str, int | None]] = []
        self._end_after = end_after

    def begin(self) -> None:
        self.heard.append(("begin", None))

    def before_save(self, global_step_value: int) -> None:
        self.heard.append(("before", global_step_value))

    def after_save(self, global_step_value: int) -> bool:
        self.heard.append(("after", global_step_value))
        return global_step_value == self._end_after

    def end(self, global_step_value: int) -> None:
        self.heard.append(("end", global_step_value))


def saves(directory: Path, *listeners: CheckpointSaverListener, start: int = 3, **cadence: float) -> Saves:
    """Saves of a training that begins at a step, at second 100."""
    saver = Saver(LocalCheckpoints(str(directory)), 5, 10000, 100.0)
    return Saves(saver, Cadence(**cadence), listeners, start, 100.0)  # type: ignore[arg-type]


def test_a_cadence_in_steps_counts_from_the_start_of_training(tmp_path: Path) -> None:
    every_ten = saves(tmp_path, save_steps=10)
    assert [every_ten.schedule.steps_until_due(step) for step in (3, 12, 13)] == [10, 1, 10]
    assert [every_ten.schedule.due(step, now=0.0) for step in (12, 13)] == [False, True]
    every_ten.save(13, TENSORS, now=0.0)
    assert [every_ten.schedule.due(step, now=0.0) for step in (13, 22, 23, 41)] == [False, False, True, True]


def test_a_cadence_in_seconds_counts_from_the_last_save(tmp_path: Path) -> None:
    every_five_secs = saves(tmp_path, save_secs=5.0)
    assert every_five_secs.schedule.steps_until_due(3) is None
    assert [every_five_secs.schedule.due(4, now) for now in (104.9, 105.0)] == [False, True]
    every_five_secs.save(4, TENSORS, now=107.0)
    assert [every_five_secs.schedule.due(9, now) for now in (111.9, 112.0)] == [False, True]


def test_without_a_saver_nothing_is_saved() -> None:
    off = Saves(None, Cadence(save_steps=1), [], 0, 0.0)
    assert (off.on, off.arrived(wait=True)) == (False, None)
    assert off.last_good() == "no checkpoint was saved"


def test_every_listener_hears_of_a_save_and_one_may_end_training(tmp_path: Path) -> None:
    ends, other = Heard(end_after=5), Heard()
    both = saves(tmp_path, ends, other, save_steps=1)
    both.listeners.begin()
    for step, asks in ((4, False), (5, True)):
        both.save(step, TENSORS, now=0.0)
        assert both.listeners.after_save(step) is asks
    both.listeners.end(5)
    expected = [("begin", None), ("before", 4), ("after", 4), ("before", 5), ("after", 5), ("end", 5)]
    assert ends.heard == other.heard == expected


def test_the_last_good_checkpoint_is_named_with_its_directory(tmp_path: Path) -> None:
    saved = saves(tmp_path, save_steps=1)
    assert saved.last_good() == "no checkpoint was saved"
    saved.save(4, TENSORS, now=0.0)
    assert saved.last_good() == f"the last good checkpoint is model.ckpt-4 in {tmp_path}"


class Patient(PatientListener):
    """Notes what it hears, whenever that is."""

    def __init__(self) -> None:
        self.heard: list[int] = []

    def after_save(self, global_step_value: int) -> None:
        self.heard.append(global_step_value)


def test_steps_go_on_while_a_checkpoint_is_written_unless_a_listener_waits_for_it(tmp_path: Path) -> None:
    patient = Patient()
    beside = saves(tmp_path, patient, CheckpointSaverListener(), save_steps=1)
    assert [beside.save(step, LARGE, now=0.0) for step in (3, 4)] == [True, False]
    assert (beside.arrived(wait=True), beside.arrived(wait=True), beside.last_step) == (4, None, 4)
    assert beside.save(5, TENSORS, now=0.0)  # in the time that a thread would take to begin
    waited_for = saves(tmp_path, patient, Heard(), save_steps=1)
    assert [waited_for.save(step, LARGE, now=0.0) for step in (6, 7)] == [True, True]


def test_a_checkpoint_that_is_being_written_when_training_ends_is_told_of_and_not_written_again(tmp_path: Path) -> None:
    patient = Patient()
    beside = saves(tmp_path, patient, save_steps=1)
    for step in (3, 4):
        beside.save(step, LARGE, now=0.0)
    assert not beside.training_ended(4)
    assert patient.heard == [4]
    assert beside.last_good() == f"the last good checkpoint is model.ckpt-4 in {tmp_path}"


def test_a_save_that_fails_beside_the_steps_ends_training_as_any_other(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    beside = saves(directory, save_steps=1)
    beside.save(3, LARGE, now=0.0)
    shutil.rmtree(directory)
    directory.touch()
    assert not beside.save(4, LARGE, now=0.0)
    with pytest.raises(FileExistsError, match="run"):
        beside.arrived(wait=True)
    beside.close()


@pytest.mark.parametrize("compiled", [False, True], ids=["graph", "XLA"])
def test_a_checkpoint_has_what_variables_held_when_it_was_begun(tmp_path: Path, compiled: bool) -> None:
    dense, table = tf.Variable(tf.zeros([1 << 20])), tf.Variable(tf.zeros([1000, 2]))

    @tf.function(jit_compile=compiled)
    def step() -> None:
        dense.assign_add(tf.ones([1 << 20]))
        table.scatter_add(tf.IndexedSlices(tf.ones([2, 2]), tf.constant([3, 7])))

    step()
    taken = slices.snapshot({"dense": dense, "table": table})
    for _ in range(3):
        step()
    assert taken is not None
    slices.write(str(tmp_path / "model.ckpt-1"), taken)
    reader = tf.train.load_checkpoint(str(tmp_path / "model.ckpt-1"))
    assert (reader.get_tensor("dense").sum(), reader.get_tensor("table").sum()) == (1 << 20, 4)
    assert (float(tf.reduce_sum(dense)), float(tf.reduce_sum(table))) == (4 << 20, 16)
