"""The devices of a process that train."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from trainer.estimator.contract.run_config import RunConfig
from trainer.job.distribution import Distribution


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


def of_strategy(given: tf.distribute.Strategy | None) -> Sequence[str] | None:
    """The devices of a person's strategy, else all of this process; None where TensorFlow may choose the only one."""
    if given is None:
        own = own_devices()
        return own if len(own) > 1 else None
    # The default strategy is what a person has who asks for none.
    return given.extended.worker_devices if given is not tf.distribute.get_strategy() else None


def batches_per_step(config: RunConfig) -> int:
    """How many batches of the input function a step of the whole job is on, before a strategy is chosen.

    Where several processes train in step it only lists their devices: whatever else is asked of TensorFlow before they
    have met would keep them from meeting.

    Args:
      config: of the run.
    """
    match config.distribution:
        case Distribution.PS:
            return 1
        case Distribution.SYNC:
            return config.num_worker_replicas * max(1, len(tf.config.list_physical_devices("GPU")))
        case Distribution.LOCAL:
            return len(of_strategy(config.train_distribute) or [""])
