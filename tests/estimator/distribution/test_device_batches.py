"""Which batches go to which device in which step."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator.distribution.device_batches import DeviceBatches, rows_of
from trainer.estimator.steps.input.batches import StackedBatches
from trainer.estimator.steps.input.stacks import Stack
from trainer.job.errors import TrainingError


def stack(*sizes: int, largest: int = 4, start: int = 0) -> Stack:
    """Of batches with so many rows each."""
    given = np.array(sizes)[:, None]
    return Stack([tf.zeros([len(sizes), largest, 3])], None if (given == largest).all() else given, start, len(sizes))


@pytest.mark.parametrize(
    ("given", "devices", "rows"),
    [
        (stack(4, 4, 4, 4), 1, [[0], [1], [2], [3]]),
        (stack(4, 4, 4, 4), 2, [[0, 1], [2, 3]]),
        (stack(4, 4, 4, 4, 4), 2, [[0, 1], [2, 3]]),
        (stack(4, 4, 4, 4, start=1), 2, [[1, 2]]),
        (stack(4, 1, 4, 4, 1, 4), 2, [[0, 2], [3, 5]]),
        (stack(4, 1, 4), 3, []),
        (stack(4, 4, largest=5), 2, []),
    ],
)
def test_each_step_takes_a_batch_of_the_usual_size_for_every_device(
    given: Stack, devices: int, rows: list[list[int]]
) -> None:
    places = rows_of(given, [4], devices)
    assert (places.tolist(), places.dtype, places.shape[1]) == (rows, np.int32, devices)


def batches(*sizes: int) -> StackedBatches:
    """Of a pipeline whose batches have so many rows, in stacks of six."""

    def rows() -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices(tf.constant(sizes)).map(lambda size: tf.ones([size, 1]))

    return StackedBatches(rows(), 6)


def taken(device_batches: DeviceBatches) -> list[list[int]]:
    """The rows of all steps, one step at a time."""
    steps = []
    while (next_batches := device_batches.peek()) is not None:
        _, rows = next_batches
        steps.append(rows[0].tolist())
        device_batches.take(rows[:1])
    return steps


def test_steps_go_on_over_smaller_batches_and_stacks() -> None:
    assert taken(DeviceBatches(batches(4, 2, 4, 4, 4, 4, 4, 2, 4), 2)) == [[0, 2], [3, 4], [0, 2]]


def test_batches_that_do_not_fill_a_step_are_left_out_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "trainer"):
        assert taken(DeviceBatches(batches(4, 4, 4), 2)) == [[0, 1]]
    assert caplog.messages == [
        "Left out 1 batches that are smaller than the others or too few for a step on all devices."
    ]


def test_data_without_a_batch_have_no_step() -> None:
    device_batches = DeviceBatches(batches(), 2)
    assert (device_batches.peek(), device_batches.batch_sizes) == (None, None)


def test_another_size_that_the_data_keep_to_becomes_the_one_that_is_used() -> None:
    device_batches = DeviceBatches(batches(4, 4, 4, 4, 4, 4, 2, 2, 2, 2), 2)
    assert len(taken(device_batches)) == 5
    assert device_batches.batch_sizes == [2]


def test_a_smaller_last_batch_alone_in_its_stack_does_not_change_the_size() -> None:
    device_batches = DeviceBatches(batches(4, 4, 4, 4, 4, 4, 2), 1)
    assert len(taken(device_batches)) == 6
    assert device_batches.batch_sizes == [4]


def test_batches_that_never_fill_a_step_are_an_error() -> None:
    for_ever = tf.data.Dataset.from_tensor_slices(tf.constant([4, 2])).map(lambda size: tf.ones([size, 1])).repeat()
    with pytest.raises(TrainingError) as raised:
        DeviceBatches(StackedBatches(for_ever, 2), 2)
    assert str(raised.value) == (
        "200 batches in a row do not make a step for 2 devices. "
        "Accepted: a batch of 4 examples for each device, the size of the first ones. "
        "Drop smaller batches in the input function, with batch(…, drop_remainder=True)."
    )
