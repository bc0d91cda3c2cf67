"""The last step in memory: kept between calls, left to the process that takes the place, and read as a checkpoint."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator.distribution import step_memory
from trainer.estimator.distribution.step_memory import StepMemory
from trainer.estimator.saving import checkpoints
from trainer.estimator.steps.input.batches import StackedBatches
from trainer.job.successors import Place

HOST = "/device:CPU:0"


def batches() -> StackedBatches:
    return StackedBatches(tf.data.Dataset.range(40).shuffle(10, seed=1).batch(2), 3)


def test_what_one_process_kept_is_the_state_of_the_next() -> None:
    place, weight = Place.empty(), tf.Variable([1.0, 2.0], name="w")
    before, first = StepMemory(place), batches()
    first.peek()
    first.take(1)
    assert before.is_due and not place.has_met
    before.keep(7, {"w": weight}, first.position(), HOST)
    first.take(1)
    second = first.peek()
    assert second is not None
    weight.assign_add([5.0, 5.0])  # the call in which the peer is lost
    kept = before.hand_over()
    assert kept is not None and kept.step == 7
    after = StepMemory(place)
    after.met()
    left = after.left()
    assert (step_memory.step_of(left), place.has_met) == (7, True)
    checkpoint = after.unpacked(left)
    assert checkpoints.step_of(checkpoint) == 7
    assert checkpoints.read(checkpoint).value("w").tolist() == [1.0, 2.0]
    resumed = batches()
    assert resumed.restore(checkpoint)
    stack = resumed.peek()
    assert stack is not None
    resumed.take(1)
    assert np.array_equal(stack.tensors[0][stack.start], second.tensors[0][second.start])
    after.close()
    with pytest.raises(ValueError, match="cannot be read as a checkpoint"):
        checkpoints.read(checkpoint)


def test_nothing_is_kept_where_nobody_takes_the_place() -> None:
    memory = StepMemory()
    assert not memory.is_due
    assert (memory.hand_over(), memory.left(), step_memory.step_of(b"")) == (None, b"", -1)
    memory.met()
    memory.close()


def test_nothing_is_left_before_a_step_was_kept() -> None:
    place = Place.empty()
    assert StepMemory(place).hand_over() is None
    assert place.left() == b""


@pytest.mark.parametrize(
    ("num_bytes", "taken_secs", "secs"), [(0, 0.0, 0.0), (40_000, 0.001, 0.102), (2_000_000_000, 0.5, 150.0)]
)
def test_keeping_takes_a_hundredth_of_the_time(num_bytes: int, taken_secs: float, secs: float) -> None:
    assert step_memory.secs_between(num_bytes, taken_secs) == pytest.approx(secs)


def test_the_time_of_the_next_one_follows_from_the_last() -> None:
    now = [0.0]
    memory = StepMemory(Place.empty(), clock=lambda: now[0])
    memory.keep(1, {"w": tf.Variable(tf.zeros([1_000_000]))}, {}, HOST)
    assert not memory.is_due
    now[0] = 0.2
    assert memory.is_due
