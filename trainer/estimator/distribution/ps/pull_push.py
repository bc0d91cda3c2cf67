"""A step of a worker that pulls from each server once, computes alone, and pushes to each once.

Pull and push are the words of Li et al., Scaling Distributed Machine Learning with the Parameter Server, OSDI 2014. The
step of the example in `step_partition`, w [5, 1] on server 0 and b [1] and the global step on server 1, on batches of
6 rows, trained by momentum::

    server 0                      worker                                     server 1

    Read(w) ─── float32 [5, 1] ─► WorkerPart(w, b, batch):           ◄── float32 [1] ─── Read(b)
                                  loss [], dw [5, 1], db [1]
    momentum ◄─ float32 [5, 1] ──── dw ─┘         └─ db ───── float32 [1] ─► momentum on b
    on w                                                                     global_step += 1

A server that has several variables packs them into one message (`fused_tensors`). Of a row-sharded or large table a
worker pulls the rows alone that its batch looks up: it sends the numbers of the rows, and is sent the rows.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from trainer.estimator.distribution.ps.messages import messages_of
from trainer.estimator.distribution.ps.step_partition import StepPartition
from trainer.estimator.distribution.ps.worker_part import WorkerPart
from trainer.estimator.graph.subgraphs import Copier
from trainer.estimator.graph.variables import GLOBAL_STEP

CopyOf = Callable[[tf.Variable], tf.Tensor]
"""Gives a handle of the worker's own copy of a variable."""


@dataclasses.dataclass(frozen=True, eq=False)
class Resident:
    """What a worker has for many steps.

    Attributes:
      values: of variables that no step writes, by name.
      copies: handles of its copies of variables, by name.
    """

    values: Mapping[str, tf.Tensor]
    copies: Mapping[str, tf.Tensor]


class PullPush:
    """Steps of a worker on the variables of servers.

    Args:
      partition: the step.
      copy_of: makes the worker's own copies, where loops and branches read them.
      xla: whether XLA compiles what the worker computes.
    """

    def __init__(self, partition: StepPartition, copy_of: CopyOf, xla: bool = True) -> None:
        self._partition, self._copy_of = partition, copy_of
        self._variables = partition.step.variables
        self._messages = messages_of(partition)
        self._worker = WorkerPart(partition, self._messages, xla)

    @property
    def size(self) -> int:
        """About how many ops a step adds to the graph of a call."""
        return len(self._partition.applied) + len(self._partition.needed) + len(self._partition.indexing) + 10

    def refused_by_xla(self, steps: int) -> str | None:
        """Why XLA does not compile what the worker computes, on stacks of so many steps; None if it does."""
        return self._worker.refused_by_xla(steps)

    def begin(self) -> Resident:
        """What is fetched once for many steps."""
        values = {name: self._variables[name].read_value() for name in self._messages.constant}
        copies = {name: self._copy_of(self._variables[name]) for name in sorted(self._partition.copied)}
        # What no step writes is set in the copies once; the others are set anew from each pull.
        for name in set(values) & set(copies):
            tf.raw_ops.AssignVariableOp(resource=copies[name], value=values[name])
        return Resident(values, copies)

    def step(self, stacks: Sequence[tf.Tensor], index: tf.Tensor, resident: Resident) -> tf.Tensor:
        """One step; the loss before the update, float32 [].

        Args:
          stacks: the batches, [steps, batch, …] for each feed of the model.
          index: of the batch, int32 [].
          resident: what `begin` fetched.
        """
        pulled = {device: self._pull(device) for device in self._messages.pulled}
        self._refresh(resident, pulled)
        rows = self._gather(stacks, index)
        loss, pushed = self._worker(index, stacks, pulled, resident.values, resident.copies, rows)
        self._push(pushed)
        return loss

    def _pull(self, device: str) -> list[tf.Tensor]:
        """The values [...] of a server's variables, packed there."""
        # On the server, so that one packed tensor crosses the network and not each value.
        with tf.device(device):
            values = [self._variables[name].read_value() for name in self._messages.pulled[device]]
            return self._messages.pulls[device].pack(values)

    def _refresh(self, resident: Resident, pulled: Mapping[str, Sequence[tf.Tensor]]) -> None:
        """Sets the worker's copies to what was pulled, packed tensors [...] by device."""
        names = sorted(set(resident.copies) - set(resident.values))
        values = self._worker.unpack(pulled) if names else {}
        for name in names:
            tf.raw_ops.AssignVariableOp(resource=resident.copies[name], value=values[name])

    def _gather(self, stacks: Sequence[tf.Tensor], index: tf.Tensor) -> list[tf.Tensor]:
        """The rows that a batch looks up, gathered where they are: [rows, …] for each gather of the partition.

        Args:
          stacks: the batches, [steps, batch, …] for each feed of the model.
          index: of the batch, int32 [].
        """
        gathers = self._partition.gathers
        if not gathers:
            return []
        ops = [*self._partition.indexing, *gathers]
        # The numbers of the rows are computed on the worker and sent; the rows alone come back, not the table.
        devices = {op: self._variables[name].device for op, name in gathers.items()}
        copier = self._partition.step.copier(ops, devices)
        for feed, stack in zip(self._partition.step.feeds, stacks, strict=True):
            copier.replace(feed, tf.gather(stack, index))
        copier.copy(ops)
        return [copier.copy_of(op.outputs[0]) for op in gathers]

    def _push(self, pushed: Mapping[str, Sequence[tf.Tensor]]) -> None:
        """The servers' part, on packed tensors [...] by device, and the count of the step."""
        # Two servers may be sent the same tensor of the step, which then arrives twice.
        arrived: dict[tuple[str, int], tf.Tensor] = {}
        for device, tensors in self._messages.pushed.items():
            with tf.device(device):
                unpacked = self._messages.pushes[device].unpack(pushed[device])
            arrived |= {(device, id(tensor)): value for tensor, value in zip(tensors, unpacked, strict=True)}
        applied = self._partition.applied
        copier = self._partition.step.copier(applied, applied)
        copier.copy(applied, functools.partial(self._apply, copier, arrived))
        home = self._variables[GLOBAL_STEP].device
        here = [value for (device, _), value in arrived.items() if device == home]
        # Not before the push is there: a step that counts has happened on the server that counts it.
        with tf.device(home), tf.control_dependencies(here):
            self._variables[GLOBAL_STEP].assign_add(1)

    def _apply(self, copier: Copier, arrived: Mapping[tuple[str, int], tf.Tensor], op: tf.Operation) -> list[tf.Tensor]:
        """One op of the update, on what was sent to its own device; its outputs [...].

        Args:
          copier: makes the copy.
          arrived: what was sent, by the device and the id of the tensor in the step.
          op: of the update.
        """
        if op in self._partition.counting:
            # What waits for the count still waits for what the count waited for.
            copier.stands_for(op, [tf.no_op()])
            return []
        device = self._partition.applied[op]
        sent = [arrived.get((device, id(tensor))) for tensor in op.inputs]
        inputs = [copier.copy_of(tensor) if one is None else one for tensor, one in zip(op.inputs, sent, strict=True)]
        return copier.same(op, inputs)
