"""What a worker computes of a partitioned step, as one function that XLA may compile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import tensorflow as tf

from trainer.estimator.distribution.ps.messages import Messages
from trainer.estimator.distribution.ps.step_partition import StepPartition
from trainer.estimator.graph.xla.rules import ForXla
from trainer.estimator.steps.compiling.xla import refusal


class WorkerPart:
    """The worker's part of a step.

    Args:
      partition: the step.
      messages: what the worker is sent and sends.
      xla: whether XLA compiles the part.
    """

    def __init__(self, partition: StepPartition, messages: Messages, xla: bool) -> None:
        self._partition, self._messages = partition, messages
        self._rule = ForXla if xla else None
        self._program = tf.function(self._compute, jit_compile=xla or None, autograph=False)

    def __call__(
        self,
        index: tf.Tensor,
        stacks: Sequence[tf.Tensor],
        pulled: Mapping[str, Sequence[tf.Tensor]],
        values: Mapping[str, tf.Tensor],
        copies: Mapping[str, tf.Tensor],
        rows: Sequence[tf.Tensor],
    ) -> tuple[tf.Tensor, dict[str, list[tf.Tensor]]]:
        """The loss of a batch before the update, float32 [], and what is pushed to each server, by device.

        Args:
          index: of the batch, int32 [].
          stacks: the batches, [steps, batch, …] for each feed of the model.
          pulled: what the servers sent, by device, as it travelled.
          values: of the variables that no step writes, by name, in the shapes of the variables.
          copies: handles [] of the worker's copies of variables, by name.
          rows: that the batch looks up, [rows, …] for each gather of the partition.
        """
        return self._program(index, list(stacks), dict(pulled), dict(values), dict(copies), list(rows))

    def unpack(self, pulled: Mapping[str, Sequence[tf.Tensor]]) -> dict[str, tf.Tensor]:
        """The values of the variables that were pulled, by name, in the shapes of the variables [...]."""
        return {
            name: value
            for device, names in self._messages.pulled.items()
            for name, value in zip(names, self._messages.pulls[device].unpack(pulled[device]), strict=True)
        }

    def _compute(
        self,
        index: tf.Tensor,
        stacks: list[tf.Tensor],
        pulled: dict[str, list[tf.Tensor]],
        values: dict[str, tf.Tensor],
        copies: dict[str, tf.Tensor],
        rows: list[tf.Tensor],
    ) -> tuple[tf.Tensor, dict[str, list[tf.Tensor]]]:
        """As a call. Args: index: []; stacks: [steps, batch, …]; rows: [rows, …]; the others as in a call."""
        part, known = self._partition, {**values, **self.unpack(pulled)}
        copier = part.step.copier(part.local, handles=copies)
        for feed, stack in zip(part.step.feeds, stacks, strict=True):
            copier.replace(feed, tf.gather(stack, index))
        # All reads of a variable get the one value of the pull, as one process would see one value in a step.
        for read, name in part.snapshot.items():
            copier.replace(read.outputs[0], known[name])
        for gather, gathered in zip(part.gathers, rows, strict=True):
            copier.replace(gather.outputs[0], gathered)
        rule = self._rule(copier, list(part.local)) if self._rule else None
        copier.copy(part.local, *([rule] if rule else []))
        loss = copier.copy_of(part.step.loss)
        pushed = {
            device: self._messages.pushes[device].pack([copier.copy_of(tensor) for tensor in tensors])
            for device, tensors in self._messages.pushed.items()
        }
        # Losses of all models are collected alike, whatever type they are computed in.
        return tf.cast(rule.loss(loss) if rule else loss, tf.float32), pushed

    def refused_by_xla(self, steps: int) -> str | None:
        """Why XLA does not compile the part, on stacks of so many steps; None if it does."""
        part, variables = self._partition, self._partition.step.variables
        gathered = [gather.outputs[0] for gather in part.gathers]
        if not all(tensor.shape.is_fully_defined() for tensor in gathered):
            # Ids that are made unique first, for example.
            return "it would have to be compiled anew for every number of rows that a batch looks up"
        if _may_find_the_same_rows_twice(self._messages.pushed):
            return "it may give a wrong number of rows where two tables are looked up by the same feature"
        # The shapes and types of a call, with zeros for values: only the compiler looks at them.
        copies = {name: tf.Variable(_zeros(variables[name])) for name in sorted(part.copied)}
        pulled = {
            device: self._messages.pulls[device].pack([_zeros(variables[name]) for name in names])
            for device, names in self._messages.pulled.items()
        }
        return refusal(
            self._program,
            tf.constant(0),
            [tf.zeros([steps, *feed.shape], feed.dtype) for feed in part.step.feeds],
            pulled,
            {name: _zeros(variables[name]) for name in self._messages.constant},
            {name: copy.handle for name, copy in copies.items()},
            [_zeros(tensor) for tensor in gathered],
        )


def _may_find_the_same_rows_twice(pushed: Mapping[str, Sequence[tf.Tensor]]) -> bool:
    """Whether two ops among what is sent, tensors [...] by device, make ids unique that come from the same features.

    Where XLA finds them to be the same it computes them once, and sends the second with a size that means nothing.
    """
    ops = {tensor.op for tensors in pushed.values() for tensor in tensors if tensor.op.type == "Unique"}
    return len({_fed_to(op) for op in ops}) < len(ops)


def _fed_to(op: tf.Operation) -> frozenset[str]:
    """The names of the features and variables that an op depends on."""
    seen, pending, fed = {op}, [op], set()
    while pending:
        last = pending.pop()
        if not last.inputs and last.type != "Const":
            fed.add(last.name)
        new = {tensor.op for tensor in last.inputs} - seen
        seen |= new
        pending += new
    return frozenset(fed)


def _zeros(like: tf.Tensor | tf.Variable) -> tf.Tensor:
    """Zeros in the shape [...] and of the type of a tensor or a variable."""
    return tf.zeros(like.shape, like.dtype)
