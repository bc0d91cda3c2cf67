"""When a save is due, and what listeners hear of it."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from trainer.estimator import CheckpointSaverListener
from trainer.estimator.saving.checkpoint_store import LocalCheckpoints
from trainer.estimator.saving.saver import Saver
from trainer.estimator.steps.cadence import Cadence
from trainer.estimator.steps.saves import Saves

TENSORS = {"global_step": tf.constant(0, tf.int64)}


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
    assert [every_ten.steps_until_due(step) for step in (3, 12, 13)] == [10, 1, 10]
    assert [every_ten.due(step, now=0.0) for step in (12, 13)] == [False, True]
    every_ten.save(13, TENSORS, now=0.0)
    assert [every_ten.due(step, now=0.0) for step in (13, 22, 23, 41)] == [False, False, True, True]


def test_a_cadence_in_seconds_counts_from_the_last_save(tmp_path: Path) -> None:
    every_five_secs = saves(tmp_path, save_secs=5.0)
    assert every_five_secs.steps_until_due(3) is None
    assert [every_five_secs.due(4, now) for now in (104.9, 105.0)] == [False, True]
    every_five_secs.save(4, TENSORS, now=107.0)
    assert [every_five_secs.due(9, now) for now in (111.9, 112.0)] == [False, True]


def test_without_a_saver_nothing_is_ever_due() -> None:
    off = Saves(None, Cadence(save_steps=1), [], 0, 0.0)
    assert (off.on, off.due(5, 9.0), off.steps_until_due(0)) == (False, False, None)
    assert off.last_good() == "no checkpoint was saved"


def test_every_listener_hears_of_a_save_and_one_may_end_training(tmp_path: Path) -> None:
    ends, other = Heard(end_after=5), Heard()
    both = saves(tmp_path, ends, other, save_steps=1)
    both.begin()
    for step, asks in ((4, False), (5, True)):
        both.save(step, TENSORS, now=0.0)
        assert both.tell_saved(step) is asks
    both.end(5)
    expected = [("begin", None), ("before", 4), ("after", 4), ("before", 5), ("after", 5), ("end", 5)]
    assert ends.heard == other.heard == expected


def test_the_last_good_checkpoint_is_named_with_its_directory(tmp_path: Path) -> None:
    saved = saves(tmp_path, save_steps=1)
    assert saved.last_good() == "no checkpoint was saved"
    saved.save(4, TENSORS, now=0.0)
    assert saved.last_good() == f"the last good checkpoint is model.ckpt-4 in {tmp_path}"
