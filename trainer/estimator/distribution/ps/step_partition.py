"""A training step divided in three: what is read on parameter servers, what a worker computes, and what servers apply.

A model function reads a variable wherever it uses it, and an optimizer may compute on its slots with many small ops.
Run op by op across processes, each of them is a message. Partitioned, a step is one snapshot of the variables, one
computation on the worker's own machine, and one update where the variables are. The update begins at whatever reads or
follows a write, and takes with it the reads that only arithmetic stands between: an optimizer's slots, learning rates
and moving averages never leave their server.

An example: a linear model with w [5, 1] on server 0 and b [1] on server 1, trained by momentum on batches x [6, 5].
The step as the model function has built it::

    Read(w) ─► MatMul(x, w) ─► AddV2 ─► … ─► loss [] ─► … ─► dw [5, 1] ─► ResourceApplyMomentum(w, w/Momentum, 0.1)
    Read(b) ─────────────────────┘                      └──► db [1] ────► ResourceApplyMomentum(b, b/Momentum, 0.1)
                                                                          AssignAddVariableOp(global_step)

The same, partitioned::

    server 0                              worker                                 server 1

    snapshot: Read(w) ──── w [5, 1] ────► local: MatMul, AddV2, …, loss,  ◄── b [1] ── snapshot: Read(b)
                                          and the gradients dw and db
    applied:  ResourceApplyMomentum ◄─ dw [5, 1] (pushed) ─┴─ db [1] (pushed) ─► applied: ResourceApplyMomentum
              on w and w/Momentum                                                on b and b/Momentum

`counting` is the AssignAddVariableOp, which is not run: a push counts its step itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping

import tensorflow as tf

from trainer.estimator.distribution.ps.step_graph import StepGraph
from trainer.estimator.distribution.ps.variable_accesses import NotPartitionableError, VariableAccesses
from trainer.estimator.graph import op_table
from trainer.estimator.graph.subgraphs import ancestors
from trainer.estimator.graph.variables import GLOBAL_STEP

Place = Callable[[str], str]
"""Gives the device that has a variable, by the variable's name."""


@dataclasses.dataclass(frozen=True, eq=False)
class StepPartition:
    """The three parts of a step; ops and tensors are those of its graph.

    Attributes:
      step: the whole.
      snapshot: the reads whose values the worker is sent, with the names of their variables.
      copied: variables that the worker's loops and branches read through handles, which are given copies.
      gathers: reads of some rows, whose numbers follow from the batch alone; the worker is sent the rows.
      indexing: what computes those numbers, on the worker.
      local: what the worker computes.
      applied: what the servers do, with the device of each op.
      pushed: what the worker sends, by device.
      written: variables that the step writes, but the global step.
      counting: ops of the update that advance the global step, which is counted elsewhere.
    """

    step: StepGraph
    snapshot: Mapping[tf.Operation, str]
    copied: frozenset[str]
    gathers: Mapping[tf.Operation, str]
    indexing: list[tf.Operation]
    local: list[tf.Operation]
    applied: Mapping[tf.Operation, str]
    pushed: Mapping[str, list[tf.Tensor]]
    written: frozenset[str]
    counting: frozenset[tf.Operation]

    @property
    def needed(self) -> list[str]:
        """The variables whose values the worker needs, in the order of their names."""
        return sorted({*self.snapshot.values(), *self.copied})


def partition(step: StepGraph, place: Place) -> StepPartition:
    """Divides a step.

    Args:
      step: the whole.
      place: gives the device that has a variable.

    Raises:
      NotPartitionableError: the step would be another one if it were divided, or would make servers do a worker's work.
    """
    accesses = VariableAccesses(step)
    for op in accesses.used:
        accesses.check(op)
    applied = _written_or_after(accesses)
    # A read that leads to updates of its own server alone may as well stay there: a slot, a rate, a moving average.
    for op in accesses.used:
        if op.type == op_table.READ or op.type in op_table.GATHERS:
            applied |= _kept_on_servers(accesses, op, applied, place)
    _check_applied(accesses, applied)
    return _divided(accesses, applied, place)


def _divided(accesses: VariableAccesses, applied: set[tf.Operation], place: Place) -> StepPartition:
    """The partition of a step of which it is known what the servers apply."""
    others = {op: names[0] for op, names in accesses.used.items() if op not in applied}
    reads = {op: name for op, name in others.items() if op.type == op_table.READ}
    gathers = {op: name for op, name in others.items() if op.type in op_table.GATHERS}
    local = [op for op in accesses.order if not (op in applied or op in reads or op in gathers)]
    devices = _devices(accesses, applied, place)
    # A value that only the update takes, on the server that has it, need not travel to the worker and back.
    devices |= {op: place(name) for op, name in reads.items() if _only_on(place(name), op, accesses, devices)}
    devices |= _cheaper_there(accesses, local, devices)
    pushed = _pushed(accesses, devices)
    # A read that nothing is left to take (its op went to the servers) is not pulled.
    used = _with_inputs({*local, accesses.step.loss.op})
    used |= {tensor.op for tensors in pushed.values() for tensor in tensors}
    return StepPartition(
        step=accesses.step,
        snapshot={op: name for op, name in reads.items() if op in used},
        copied=frozenset(name for op in local for name in accesses.used.get(op, ())),
        gathers=gathers,
        indexing=_indexing(accesses, gathers),
        local=[op for op in local if op not in devices],
        applied=_with_constants(accesses, devices),
        pushed=pushed,
        written=frozenset(name for op in applied for name in accesses.writes.get(op, ())) - {GLOBAL_STEP},
        counting=frozenset(op for op in applied if accesses.counts_steps(op)),
    )


def _written_or_after(accesses: VariableAccesses) -> set[tf.Operation]:
    """Ops that write, that read what the step has written, and what is computed from those."""
    applied: set[tf.Operation] = set()
    for op in accesses.order:
        if accesses.writes.get(op) or accesses.is_late(op) or any(tensor.op in applied for tensor in op.inputs):
            applied.add(op)
    return applied


def _kept_on_servers(
    accesses: VariableAccesses, read: tf.Operation, applied: set[tf.Operation], place: Place
) -> set[tf.Operation]:
    """A read and what follows from it, if that is the arithmetic of updates on its own server; else nothing.

    Args:
      accesses: of the step.
      read: of a variable or of its rows.
      applied: what the servers do already.
      place: gives the device that has a variable.
    """
    home = place(accesses.used[read][0])
    following, waiting = {read}, [read]
    while waiting:
        for op in accesses.consumers(waiting.pop()):
            names = accesses.used.get(op, ())
            arithmetic = op in applied or (op.type in op_table.CHEAP and not names)
            # It leads to the worker or to another server: then the value travels anyway, and the worker computes.
            if not arithmetic or op is accesses.step.loss.op or any(place(name) != home for name in names):
                return set()
            if op not in following:
                following.add(op)
                waiting.append(op)
    # A read that nothing follows is the fetch of a value, which is the worker's.
    return following if len(following) > 1 and read not in applied else set()


def _check_applied(accesses: VariableAccesses, applied: set[tf.Operation]) -> None:
    """Raises NotPartitionableError where servers would have to do more than arithmetic."""
    if accesses.step.loss.op in applied:
        raise NotPartitionableError("the loss is computed from what the step has written")
    for op in applied:
        if op not in accesses.used and op.type not in op_table.CHEAP:
            raise NotPartitionableError(f"{op.type} is computed from what the step has written")
        if op in accesses.used and op_table.calls(op):
            raise NotPartitionableError(f"a loop or a branch ({op.type}) reads what the step has written")


def _only_on(device: str, op: tf.Operation, accesses: VariableAccesses, devices: Mapping[tf.Operation, str]) -> bool:
    """Whether the update takes the values of an op, and on this device alone.

    Args:
      device: of a server.
      op: of the step.
      accesses: of the step.
      devices: of the ops of the update.
    """
    return {devices[consumer] for consumer in accesses.consumers(op) if consumer in devices} == {device}


def _with_inputs(ops: set[tf.Operation]) -> set[tf.Operation]:
    """Some ops, and those whose values they take."""
    return ops | {tensor.op for op in ops for tensor in op.inputs}


def _indexing(accesses: VariableAccesses, gathers: Iterable[tf.Operation]) -> list[tf.Operation]:
    """What computes the numbers of the rows that are gathered, from the batch alone."""
    graph = accesses.step.graph
    stops = {tensor.op for tensor in accesses.step.feeds} | {inner.op for _, inner in graph.captures}
    indexing = ancestors([gather.inputs[1].op for gather in gathers], stops, control=False)
    for op in indexing - stops:
        # It runs a second time, before the rest of the step: it may not draw other numbers then, nor read a variable.
        if op.op_def.is_stateful:
            raise NotPartitionableError(f"rows are gathered by indices that {op.type} gives")
    return [op for op in accesses.order if op in indexing]


def _devices(accesses: VariableAccesses, applied: set[tf.Operation], place: Place) -> dict[tf.Operation, str]:
    """Where each op of the update runs: with its variable, else with the first op that takes its values."""
    devices: dict[tf.Operation, str] = {}
    # Backwards, so that what takes an op's values has its device already.
    for op in reversed([op for op in accesses.order if op in applied]):
        names = accesses.used.get(op)
        users = [devices[consumer] for consumer in accesses.consumers(op) if consumer in devices]
        devices[op] = place(names[0]) if names else users[0] if users else ""
    return {op: devices[op] for op in accesses.order if op in devices}


def _cheaper_there(
    accesses: VariableAccesses, local: Iterable[tf.Operation], devices: Mapping[tf.Operation, str]
) -> dict[tf.Operation, str]:
    """The devices of the update's ops, with arithmetic of the worker that only one server's updates take.

    It is moved there where its values are larger than what it takes: the sum of a sparse gradient into a dense one,
    or a rate that is broadcast to the shape of a slot.

    Args:
      accesses: of the step.
      local: what the worker computes.
      devices: of the ops of the update.
    """
    moved, candidates = dict(devices), set(local)
    sent = {id(tensor) for tensors in _pushed(accesses, devices).values() for tensor in tensors}
    for op in reversed([op for op in accesses.order if op in candidates]):
        places = {moved.get(consumer) for consumer in accesses.consumers(op)}
        if op.type not in op_table.CHEAP or op in accesses.constant or len(places) != 1 or None in places:
            continue
        # What is sent to the server for another op costs nothing more, and constants are made wherever they are needed.
        takes = [tensor for tensor in op.inputs if tensor.op not in accesses.constant and id(tensor) not in sent]
        sizes = [tensor.shape.num_elements() for tensor in (*takes, *op.outputs)]
        if None not in sizes and _bytes(takes) < _bytes(op.outputs):
            moved[op] = places.pop()
            sent.update(map(id, takes))
    return moved


def _bytes(tensors: Iterable[tf.Tensor]) -> int:
    """What tensors of any shapes [...] take, all of which are known."""
    return sum(tensor.shape.num_elements() * tensor.dtype.size for tensor in tensors)


def _with_constants(accesses: VariableAccesses, devices: Mapping[tf.Operation, str]) -> dict[tf.Operation, str]:
    """The ops of the update in their order, with the constants that they need."""
    complete = dict(devices)
    for op in reversed(accesses.order):
        users = [complete[consumer] for consumer in accesses.consumers(op) if consumer in complete]
        if op in accesses.constant and op not in complete and users:
            complete[op] = users[0]
    return {op: complete[op] for op in accesses.order if op in complete}


def _pushed(accesses: VariableAccesses, devices: Mapping[tf.Operation, str]) -> dict[str, list[tf.Tensor]]:
    """What the ops of the update take from the worker, tensors of any shapes [...], by their device."""
    by_device: dict[str, dict[int, tf.Tensor]] = {}
    for op, device in devices.items():
        # What advances the global step is not run, and so needs nothing.
        for tensor in op.inputs if not accesses.counts_steps(op) else ():
            if not (tensor.op in devices or tensor.op in accesses.constant or id(tensor) in accesses.captured):
                by_device.setdefault(device, {})[id(tensor)] = tensor
    for tensor in (tensor for tensors in by_device.values() for tensor in tensors.values()):
        # A handle or a list of tensors means something on the machine that made it only.
        if tensor.dtype in (tf.resource, tf.variant, tf.string):
            raise NotPartitionableError(f"{tensor.op.type} gives the update a {tensor.dtype.name}")
    return {device: list(tensors.values()) for device, tensors in by_device.items()}
