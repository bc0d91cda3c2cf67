"""Which batches go to which device in which step."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator.distribution.device_batches import DeviceBatches, rows_of
from trainer.estimator.steps.batches import Stack, StackedBatches
from trainer.job.errors import TrainingError


def stack(*sizes: int, width: int = 4, start: int = 0) -> Stack:
    """Of batches with so many rows each."""
    given = np.array(sizes)[:, None]
    return Stack([tf.zeros([len(sizes), width, 3])], None if (given == width).all() else given, start, len(sizes))


@pytest.mark.parametrize(
    ("given", "devices", "rows"),
    [
        (stack(4, 4, 4, 4), 1, [[0], [1], [2], [3]]),
        (stack(4, 4, 4, 4), 2, [[0, 1], [2, 3]]),
        (stack(4, 4, 4, 4, 4), 2, [[0, 1], [2, 3]]),
        (stack(4, 4, 4, 4, start=1), 2, [[1, 2]]),
        (stack(4, 1, 4, 4, 1, 4), 2, [[0, 2], [3, 5]]),
        (stack(4, 1, 4), 3, []),
        (stack(4, 4, width=5), 2, []),
    ],
)
def test_each_step_takes_a_batch_of_the_usual_size_for_every_device(
    given: Stack, devices: int, rows: list[list[int]]
) -> None:
    found = rows_of(given, [4], devices)
    assert (found.tolist(), found.dtype, found.shape[1]) == (rows, np.int32, devices)


def batches(*sizes: int) -> StackedBatches:
    """Of a pipeline whose batches have so many rows, in stacks of six."""

    def rows() -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices(tf.constant(sizes)).map(lambda size: tf.ones([size, 1]))

    return StackedBatches(rows(), 6)


def taken(device_batches: DeviceBatches) -> list[list[int]]:
    """The rows of all steps, one step at a time."""
    found = []
    while (ahead := device_batches.peek()) is not None:
        found.append(ahead[1][0].tolist())
        device_batches.take(ahead[1][:1])
    return found


def test_rounds_go_on_over_smaller_batches_and_stacks() -> None:
    assert taken(DeviceBatches(batches(4, 2, 4, 4, 4, 4, 4, 2, 4), 2)) == [[0, 2], [3, 4], [0, 2]]


def test_what_makes_no_round_is_left_out_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "trainer"):
        assert taken(DeviceBatches(batches(4, 4, 4), 2)) == [[0, 1]]
    assert caplog.messages == [
        "Devices train in step on batches of one size: 1 smaller ones, or too few for a step, are left out."
    ]


def test_data_without_a_batch_have_no_round() -> None:
    device_batches = DeviceBatches(batches(), 2)
    assert (device_batches.peek(), device_batches.batch_sizes) == (None, None)


def test_another_size_that_the_data_keep_to_is_followed() -> None:
    device_batches = DeviceBatches(batches(4, 4, 4, 4, 4, 4, 2, 2, 2, 2), 2)
    assert len(taken(device_batches)) == 5
    assert device_batches.batch_sizes == [2]


def test_a_smaller_last_batch_alone_in_its_stack_is_not_followed() -> None:
    device_batches = DeviceBatches(batches(4, 4, 4, 4, 4, 4, 2), 1)
    assert len(taken(device_batches)) == 6
    assert device_batches.batch_sizes == [4]


def test_batches_that_never_fill_a_round_are_an_error() -> None:
    for_ever = tf.data.Dataset.from_tensor_slices(tf.constant([4, 2])).map(lambda size: tf.ones([size, 1])).repeat()
    with pytest.raises(TrainingError) as raised:
        DeviceBatches(StackedBatches(for_ever, 2), 2)
    assert str(raised.value) == (
        "200 batches in a row make no step for 2 devices. "
        "Devices in step each take a batch of 4 examples, as the first ones had. "
        "Let the input function drop smaller batches, with batch(…, drop_remainder=True)."
    )
