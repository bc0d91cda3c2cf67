"""The devices of a process that train."""

from __future__ import annotations

import tensorflow as tf


def own_devices(process: str = "") -> list[str]:
    """The names of the devices of a process that train: its GPUs, or without any its logical CPUs, normally one.

    Args:
      process: the part of a device's name that says which process of a cluster it belongs to, because TensorFlow lists
        the devices of all of them; empty outside of a cluster.
    """
    for kind in ("GPU", "CPU"):
        names = [device.name for device in tf.config.list_logical_devices(kind) if process in device.name]
        if names:
            return names
    return []
