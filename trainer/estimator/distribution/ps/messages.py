"""What crosses the network between a worker and each server in one step: one message each way."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import tensorflow as tf

from trainer.estimator.distribution.ps.fused_tensors import FusedTensors
from trainer.estimator.distribution.ps.step_partition import StepPartition
from trainer.estimator.graph.variables import GLOBAL_STEP


@dataclasses.dataclass(frozen=True, eq=False)
class Messages:
    """The messages of a step.

    Attributes:
      constant: names of variables that the worker needs and no step writes, which it is sent once for many steps.
      pulled: names of those whose values it is sent for each step, by device.
      pulls: how those travel.
      pushed: tensors of the step's graph that it sends, by device.
      pushes: how those travel.
    """

    constant: list[str]
    pulled: Mapping[str, list[str]]
    pulls: Mapping[str, FusedTensors]
    pushed: Mapping[str, list[tf.Tensor]]
    pushes: Mapping[str, FusedTensors]


def messages_of(partition: StepPartition) -> Messages:
    """The messages that a partitioned step needs."""
    variables = partition.step.variables
    pulled: dict[str, list[str]] = {}
    constant = []
    for name in partition.needed:
        if name in partition.written or name == GLOBAL_STEP:
            pulled.setdefault(variables[name].device, []).append(name)
        else:
            constant.append(name)
    # The server of the global step counts a step when the step's message is there. Where it has no gradient to wait
    # for, it is sent the loss.
    pushed = {variables[GLOBAL_STEP].device: [partition.step.loss], **partition.pushed}
    return Messages(
        constant=constant,
        pulled=pulled,
        pulls={device: FusedTensors.like(variables[name] for name in names) for device, names in pulled.items()},
        pushed=pushed,
        pushes={device: FusedTensors.like(tensors) for device, tensors in pushed.items()},
    )
