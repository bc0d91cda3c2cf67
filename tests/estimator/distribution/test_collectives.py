"""Groups of devices: their keys, and what a group of one process exchanges between device calls."""

from __future__ import annotations

import tensorflow as tf

from trainer.estimator.distribution import collectives, devices
from trainer.estimator.distribution.collectives import Devices


def test_group_keys_are_new_and_above_those_that_tensorflow_gives_out() -> None:
    keys = [collectives.new_group_key() for _ in range(1000)]
    assert len(set(keys)) > 990  # drawn from a billion numbers
    assert all(1 << 20 <= key < 1 << 31 for key in keys)


def test_the_devices_of_one_process_are_a_group_of_their_own() -> None:
    first, second = Devices(["/device:CPU:0", "/device:CPU:1"]), Devices(["/device:CPU:0", "/device:CPU:1"])
    assert [participant.device for participant in first.participants] == ["/device:CPU:0", "/device:CPU:1"]
    assert (first.size, first.index, first.is_chief) == (1, 0, True)
    assert first.gather([3.0, 5.0]).tolist() == [[3.0, 5.0]]
    variable = tf.Variable([1.0, 2.0])
    second.broadcast([variable])
    assert variable.numpy().tolist() == [1.0, 2.0]


def test_the_devices_that_train_are_the_cpus_of_a_process_without_gpus() -> None:
    if tf.config.list_logical_devices("GPU"):
        expected = [device.name for device in tf.config.list_logical_devices("GPU")]
    else:
        expected = [device.name for device in tf.config.list_logical_devices("CPU")]
    assert devices.own_devices() == expected
    assert devices.own_devices("/job:elsewhere") == []
