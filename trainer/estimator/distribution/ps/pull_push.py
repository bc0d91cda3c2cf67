"""A step of a worker that exchanges with the servers once: it takes a snapshot, computes alone, and sends an update.

What crosses the network is one message from each server, and one to each: small tensors travel in a parcel.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence

import tensorflow as tf

from trainer.estimator.distribution.ps.fused_tensors import FusedTensors
from trainer.estimator.distribution.ps.step_partition import StepPartition
from trainer.estimator.graph.subgraphs import Copier
from trainer.estimator.graph.variables import GLOBAL_STEP
from trainer.estimator.steps.xla import refusal

CopyOf = Callable[[tf.Variable], tf.Tensor]
"""A handle of the worker's own copy of a variable."""


@dataclasses.dataclass(frozen=True, eq=False)
class Resident:
    """What a worker holds over many steps.

    Attributes:
      values: of variables that no step writes, by name.
      copies: handles of its copies of variables, by name.
    """

    values: Mapping[str, tf.Tensor]
    copies: Mapping[str, tf.Tensor]


class PullPush:
    """Steps of a worker on the variables of servers.

    Args:
      cut: the step.
      copy_of: makes the worker's own copies, where loops and branches read them.
      xla: whether XLA compiles what the worker computes.
    """

    def __init__(self, cut: StepPartition, copy_of: CopyOf, xla: bool = True) -> None:
        self._cut, self._copy_of = cut, copy_of
        self._by_name = cut.step.variables
        self._home = self._by_name[GLOBAL_STEP].device
        read = [name for name in cut.needed if name in cut.written or name == GLOBAL_STEP]
        self._constant = [name for name in cut.needed if name not in read]
        self._pulled = _by_device(self._by_name, read)
        self._pulls = {device: _parcel(self._variables(names)) for device, names in self._pulled.items()}
        self._pushed = {self._home: [cut.step.loss], **cut.pushed}
        self._pushes = {device: _parcel(tensors) for device, tensors in self._pushed.items()}
        self._batch = list(cut.step.feeds)
        self._local = tf.function(self._compute, jit_compile=xla or None, autograph=False)

    @property
    def size(self) -> int:
        """About how many ops a step adds to the graph of a call."""
        return len(self._cut.applied) + len(self._cut.needed) + len(self._cut.indexing) + 10

    def refused_by_xla(self, steps: int) -> str | None:
        """Why XLA does not compile what the worker computes, on stacks of so many steps; None if it does."""
        gathered = [op.outputs[0] for op in self._cut.gathers]
        if not all(tensor.shape.is_fully_defined() for tensor in gathered):
            return "it would have to be compiled anew for every number of rows that a batch looks up"
        kept = [tf.Variable(tf.zeros(v.shape, v.dtype)) for v in self._variables(sorted(self._cut.copied))]
        stacks = [tf.zeros([steps, *feed.shape], feed.dtype) for feed in self._batch]
        pieces = {
            device: self._pulls[device].pack([tf.zeros(v.shape, v.dtype) for v in self._variables(names)])
            for device, names in self._pulled.items()
        }
        values = {name: tf.zeros(self._by_name[name].shape, self._by_name[name].dtype) for name in self._constant}
        copies = dict(zip(sorted(self._cut.copied), [variable.handle for variable in kept], strict=True))
        rows = [tf.zeros(tensor.shape, tensor.dtype) for tensor in gathered]
        return refusal(self._local, tf.constant(0), stacks, pieces, values, copies, rows)

    def begin(self) -> Resident:
        """What is fetched once for many steps."""
        values = {name: self._by_name[name].read_value() for name in self._constant}
        copies = {name: self._copy_of(self._by_name[name]) for name in sorted(self._cut.copied)}
        for name in set(values) & set(copies):
            tf.raw_ops.AssignVariableOp(resource=copies[name], value=values[name])
        return Resident(values, copies)

    def step(self, stacks: Sequence[tf.Tensor], index: tf.Tensor, kept: Resident) -> tf.Tensor:
        """One step on the batch of an index; the loss, float32 []."""
        pieces = {device: self._pull(device) for device in self._pulled}
        self._refresh(kept, pieces)
        rows = self._gathered(stacks, index)
        loss, pushed = self._local(index, list(stacks), pieces, dict(kept.values), dict(kept.copies), rows)
        self._push(pushed)
        return loss

    def _refresh(self, kept: Resident, pieces: Mapping[str, Sequence[tf.Tensor]]) -> None:
        """Sets the worker's copies to the snapshot."""
        names = sorted(set(kept.copies) - set(kept.values))
        values = self._unpulled(pieces) if names else {}
        for name in names:
            tf.raw_ops.AssignVariableOp(resource=kept.copies[name], value=values[name])

    def _variables(self, names: Iterable[str]) -> list[tf.Variable]:
        return [self._by_name[name] for name in names]

    def _pull(self, device: str) -> list[tf.Tensor]:
        with tf.device(device):
            return self._pulls[device].pack([v.read_value() for v in self._variables(self._pulled[device])])

    def _unpulled(self, pieces: Mapping[str, Sequence[tf.Tensor]]) -> dict[str, tf.Tensor]:
        return {
            name: value
            for device, names in self._pulled.items()
            for name, value in zip(names, self._pulls[device].unpack(pieces[device]), strict=True)
        }

    def _gathered(self, stacks: Sequence[tf.Tensor], index: tf.Tensor) -> list[tf.Tensor]:
        """The rows that the batch asks for, gathered where they are."""
        gathers = self._cut.gathers
        if not gathers:
            return []
        devices = {op: self._by_name[name].device for op, name in gathers.items()}
        ops = [*self._cut.indexing, *gathers]
        copier = self._cut.step.copier(ops, devices)
        for feed, stack in zip(self._batch, stacks, strict=True):
            copier.replace(feed, tf.gather(stack, index))
        copier.copy(ops)
        return [copier.copy_of(op.outputs[0]) for op in gathers]

    def _compute(
        self,
        index: tf.Tensor,
        stacks: list[tf.Tensor],
        pieces: dict[str, list[tf.Tensor]],
        values: dict[str, tf.Tensor],
        copies: dict[str, tf.Tensor],
        rows: list[tf.Tensor],
    ) -> tuple[tf.Tensor, dict[str, list[tf.Tensor]]]:
        """The worker's part: the loss, and what is sent to each server."""
        cut, values = self._cut, {**values, **self._unpulled(pieces)}
        copier = cut.step.copier(cut.local, handles=copies)
        for feed, stack in zip(self._batch, stacks, strict=True):
            copier.replace(feed, tf.gather(stack, index))
        for op, name in cut.snapshot.items():
            copier.replace(op.outputs[0], values[name])
        for op, row in zip(cut.gathers, rows, strict=True):
            copier.replace(op.outputs[0], row)
        copier.copy(cut.local)
        pushed = {
            device: self._pushes[device].pack([copier.copy_of(tensor) for tensor in tensors])
            for device, tensors in self._pushed.items()
        }
        return tf.cast(copier.copy_of(cut.step.loss), tf.float32), pushed

    def _push(self, pieces: Mapping[str, Sequence[tf.Tensor]]) -> None:
        """The servers' part, and the count of the step."""
        arrived: dict[tuple[str, int], tf.Tensor] = {}
        for device, tensors in self._pushed.items():
            with tf.device(device):
                unpacked = self._pushes[device].unpack(pieces[device])
            arrived |= {(device, id(tensor)): value for tensor, value in zip(tensors, unpacked, strict=True)}
        applied = self._cut.applied
        copier = self._cut.step.copier(applied, applied)
        copier.copy(applied, functools.partial(self._apply, copier, arrived))
        here = [value for (device, _), value in arrived.items() if device == self._home]
        with tf.device(self._home), tf.control_dependencies(here):
            self._by_name[GLOBAL_STEP].assign_add(1)

    def _apply(self, copier: Copier, arrived: Mapping[tuple[str, int], tf.Tensor], op: tf.Operation) -> list[tf.Tensor]:
        """One op of the update, on what was sent to its own device.

        Args:
          copier: makes the copy.
          arrived: what was sent, by the device and the id of the tensor in the step.
          op: of the update.
        """
        if op in self._cut.counting:
            copier.stands_for(op, [tf.no_op()])
            return []
        device = self._cut.applied[op]
        sent = [arrived.get((device, id(tensor))) for tensor in op.inputs]
        return copier.same(
            op, [copier.copy_of(tensor) if one is None else one for tensor, one in zip(op.inputs, sent, strict=True)]
        )


def _by_device(variables: Mapping[str, tf.Variable], names: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(variables[name].device, []).append(name)
    return found


def _parcel(tensors: Iterable[tf.Tensor | tf.Variable]) -> FusedTensors:
    return FusedTensors(tuple(tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in tensors))
