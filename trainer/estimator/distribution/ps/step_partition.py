"""A training step cut in three: what is read on parameter servers, what a worker computes, and what servers apply.

A model function reads a variable wherever it uses it, and an optimizer may compute on its slots with many small ops.
Run op by op across processes, each of them is a message. Partitioned, a step is one snapshot of the variables, one
computation on the worker's own machine, and one update where the variables are. The update begins at whatever reads or
follows a write, and takes with it the reads that only arithmetic stands between: an optimizer's slots, learning rates
and moving averages never leave their server.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping

import tensorflow as tf

from trainer.estimator.distribution.ps.step_graph import StepGraph
from trainer.estimator.graph import op_table
from trainer.estimator.graph.inside import graphs
from trainer.estimator.graph.subgraphs import ancestors
from trainer.estimator.graph.variables import GLOBAL_STEP


class NotPartitionableError(Exception):
    """Why a step cannot be cut."""


@dataclasses.dataclass(frozen=True, eq=False)
class StepPartition:
    """The three parts of a step; ops and tensors are those of its graph.

    Attributes:
      step: the whole.
      snapshot: the reads whose values the worker is given, with the names of their variables.
      copied: variables that the worker's loops and branches read through handles, which are given copies.
      gathers: reads of some rows, whose indices follow from the batch alone; the worker is given the rows.
      indexing: what computes those indices, on the worker.
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


def partition(step: StepGraph, place: Callable[[str], str]) -> StepPartition:
    """Cuts a step.

    Args:
      step: the whole.
      place: the device that holds a variable, by its name.

    Raises:
      NotPartitionableError: the step would be another one if it were cut, or would make servers do a worker's work.
    """
    graph = _Graph(step)
    for op in graph.touched:
        graph.check(op)
    applied = _written_or_after(graph)
    for op in graph.touched:
        if op.type == op_table.READ or op.type in op_table.GATHERS:
            applied |= _kept_on_servers(graph, op, applied, place)
    _check_applied(graph, applied)
    reads = {op: names[0] for op, names in graph.touched.items() if op not in applied and op.type == op_table.READ}
    gathers = {op: names[0] for op, names in graph.touched.items() if op not in applied and op.type in op_table.GATHERS}
    local = [op for op in graph.order if not (op in applied or op in reads or op in gathers)]
    devices = _devices(graph, applied, place)
    devices |= {op: place(name) for op, name in reads.items() if _only_on(place(name), op, graph, devices)}
    devices |= _cheaper_there(graph, local, devices)
    pushed = _pushed(graph, devices)
    used = _used({*local, step.loss.op}) | {tensor.op for tensors in pushed.values() for tensor in tensors}
    return StepPartition(
        step=step,
        snapshot={op: name for op, name in reads.items() if op in used},
        copied=frozenset(name for op in local for name in graph.touched.get(op, ())),
        gathers=gathers,
        indexing=_indexing(graph, gathers),
        local=[op for op in local if op not in devices],
        applied=_with_constants(graph, devices),
        pushed=pushed,
        written=frozenset(name for op in applied for name in graph.writes.get(op, ())) - {GLOBAL_STEP},
        counting=frozenset(op for op in applied if graph.counts_steps(op)),
    )


class _Graph:
    """What a step runs of its graph, with the variables that each op touches.

    Attributes:
      order: the ops, each after those that it depends on, without placeholders.
      touched: names of the variables that an op has as inputs.
      writes: names of those that it may write.
      constant: ops that give the same in every step, wherever they run.
    """

    def __init__(self, step: StepGraph) -> None:
        self.step = step
        self.captured = {id(inner) for _, inner in step.graph.captures}
        self.handles = {id(inner): name for name, inner in step.handles().items()}
        given = {tensor.op for tensor in step.feeds} | {inner.op for _, inner in step.graph.captures}
        found = ancestors([step.loss.op, *step.operations], given)
        self.order = [op for op in step.graph.get_operations() if op in found and op not in given]
        self.writes = {op: names for op in self.order if (names := self._written(op))}
        self.touched = {op: touched for op in self.order if (touched := self._touched(op))}
        self.constant: set[tf.Operation] = set()
        for op in self.order:
            if not op.op_def.is_stateful and all(tensor.op in self.constant for tensor in op.inputs):
                self.constant.add(op)
        self._consumers: dict[tf.Operation, list[tf.Operation]] = {}
        for op in self.order:
            for tensor in op.inputs:
                if tensor.dtype == tf.resource and id(tensor) in self.captured and id(tensor) not in self.handles:
                    raise NotPartitionableError(f"{op.type} uses a lookup table")
                self._consumers.setdefault(tensor.op, []).append(op)

    def _written(self, op: tf.Operation) -> set[str]:
        _, written = graphs.accessed(op)
        return {self.handles[id(handle)] for handle in written if id(handle) in self.handles}

    def _touched(self, op: tf.Operation) -> list[str]:
        return list(dict.fromkeys(self.handles[id(tensor)] for tensor in op.inputs if id(tensor) in self.handles))

    def consumers(self, op: tf.Operation) -> list[tf.Operation]:
        return self._consumers.get(op, [])

    def is_late(self, op: tf.Operation) -> bool:
        """Whether an op reads a variable that the step has written by then."""
        names = set(self.touched.get(op, ()))
        return any(names & self.writes.get(before, set()) for before in op.control_inputs)

    def counts_steps(self, op: tf.Operation) -> bool:
        """Whether all that an op does is to advance the global step, which is counted elsewhere."""
        return op.type in op_table.ASSIGNMENTS and self.writes.get(op) == {GLOBAL_STEP}

    def check(self, op: tf.Operation) -> None:
        """Raises NotPartitionableError for uses of variables that have no place in any of the three parts."""
        if GLOBAL_STEP in self.writes.get(op, ()) and not self.counts_steps(op):
            raise NotPartitionableError(f"{op.type} writes the global step")
        if GLOBAL_STEP in self.touched[op] and self.is_late(op):
            raise NotPartitionableError("the global step is read after it was advanced")
        functions = op_table.calls(op)
        if functions and self.writes.get(op):
            raise NotPartitionableError(f"a loop or a branch ({op.type}) writes variables")
        if functions and _gathers_inside(self.step.graph, functions):
            raise NotPartitionableError(f"a loop or a branch ({op.type}) gathers rows of a variable")


def _gathers_inside(graph: tf.Graph, names: Iterable[str]) -> bool:
    library = {function.signature.name: function for function in graph.as_graph_def().library.function}
    waiting, seen = list(names), set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in library:
            continue
        seen.add(name)
        for node in library[name].node_def:
            if node.op in op_table.GATHERS:
                return True
            called = [one for value in node.attr.values() for one in (value.func, *value.list.func)]
            waiting.extend(one.name for one in called if one.name)
    return False


def _written_or_after(graph: _Graph) -> set[tf.Operation]:
    """Ops that write, that read what the step has written, and what is computed from those."""
    found: set[tf.Operation] = set()
    for op in graph.order:
        if graph.writes.get(op) or graph.is_late(op) or any(tensor.op in found for tensor in op.inputs):
            found.add(op)
    return found


def _kept_on_servers(
    graph: _Graph, read: tf.Operation, applied: set[tf.Operation], place: Callable[[str], str]
) -> set[tf.Operation]:
    """A read and what follows from it, if that is the arithmetic of updates on its own server; else nothing."""
    home = place(graph.touched[read][0])
    found, waiting = {read}, [read]
    while waiting:
        for op in graph.consumers(waiting.pop()):
            names = graph.touched.get(op, ())
            arithmetic = op in applied or (op.type in op_table.CHEAP and not names)
            if not arithmetic or op is graph.step.loss.op or any(place(name) != home for name in names):
                return set()
            if op not in found:
                found.add(op)
                waiting.append(op)
    return found if len(found) > 1 and read not in applied else set()


def _check_applied(graph: _Graph, applied: set[tf.Operation]) -> None:
    if graph.step.loss.op in applied:
        raise NotPartitionableError("the loss is computed from what the step has written")
    for op in applied:
        if op not in graph.touched and op.type not in op_table.CHEAP:
            raise NotPartitionableError(f"{op.type} is computed from what the step has written")
        if op in graph.touched and op_table.calls(op):
            raise NotPartitionableError(f"a loop or a branch ({op.type}) reads what the step has written")


def _only_on(device: str, op: tf.Operation, graph: _Graph, devices: Mapping[tf.Operation, str]) -> bool:
    """Whether the update uses the values of an op, and on this device alone."""
    places = {devices[consumer] for consumer in graph.consumers(op) if consumer in devices}
    return places == {device}


def _used(by: Iterable[tf.Operation]) -> set[tf.Operation]:
    """Some ops, and those whose values they take."""
    users = set(by)
    return users | {tensor.op for op in users for tensor in op.inputs}


def _indexing(graph: _Graph, gathers: Iterable[tf.Operation]) -> list[tf.Operation]:
    """What computes the indices of the gathers."""
    stops = {tensor.op for tensor in graph.step.feeds} | {inner.op for _, inner in graph.step.graph.captures}
    found = ancestors([gather.inputs[1].op for gather in gathers], stops, control=False)
    for op in found - stops:
        if op.op_def.is_stateful:
            raise NotPartitionableError(f"rows are gathered by indices that {op.type} gives")
    return [op for op in graph.order if op in found]


def _devices(graph: _Graph, applied: set[tf.Operation], place: Callable[[str], str]) -> dict[tf.Operation, str]:
    """Where each op of the update runs: with its variable, else with the first op that takes its values."""
    found: dict[tf.Operation, str] = {}
    for op in reversed([op for op in graph.order if op in applied]):
        names = graph.touched.get(op)
        users = [found[consumer] for consumer in graph.consumers(op) if consumer in found]
        found[op] = place(names[0]) if names else users[0] if users else ""
    return {op: found[op] for op in graph.order if op in found}


def _cheaper_there(
    graph: _Graph, local: Iterable[tf.Operation], devices: Mapping[tf.Operation, str]
) -> dict[tf.Operation, str]:
    """Arithmetic of the worker that only one server's updates use, and whose values are larger than what it takes."""
    found = dict(devices)
    sent = {id(tensor) for tensors in _pushed(graph, devices).values() for tensor in tensors}
    for op in reversed([op for op in graph.order if op in set(local)]):
        places = {found.get(consumer) for consumer in graph.consumers(op)}
        if op.type not in op_table.CHEAP or op in graph.constant or len(places) != 1 or None in places:
            continue
        takes = [tensor for tensor in op.inputs if tensor.op not in graph.constant and id(tensor) not in sent]
        sizes = [tensor.shape.num_elements() for tensor in (*takes, *op.outputs)]
        if None not in sizes and _bytes(takes) < _bytes(op.outputs):
            found[op] = places.pop()
            sent.update(map(id, takes))
    return found


def _bytes(tensors: Iterable[tf.Tensor]) -> int:
    return sum(tensor.shape.num_elements() * tensor.dtype.size for tensor in tensors)


def _with_constants(graph: _Graph, devices: Mapping[tf.Operation, str]) -> dict[tf.Operation, str]:
    """The ops of the update in their order, with the constants that they need."""
    found = dict(devices)
    for op in reversed(graph.order):
        users = [found[consumer] for consumer in graph.consumers(op) if consumer in found]
        if op in graph.constant and op not in found and users:
            found[op] = users[0]
    return {op: found[op] for op in graph.order if op in found}


def _pushed(graph: _Graph, devices: Mapping[tf.Operation, str]) -> dict[str, list[tf.Tensor]]:
    """What the ops of the update take from the worker, by their device."""
    found: dict[str, dict[int, tf.Tensor]] = {}
    for op, device in devices.items():
        for tensor in op.inputs if not graph.counts_steps(op) else ():
            if not (tensor.op in devices or tensor.op in graph.constant or id(tensor) in graph.captured):
                found.setdefault(device, {})[id(tensor)] = tensor
    for tensor in (tensor for tensors in found.values() for tensor in tensors.values()):
        if tensor.dtype in (tf.resource, tf.variant, tf.string):
            raise NotPartitionableError(f"{tensor.op.type} gives the update a {tensor.dtype.name}")
    return {device: list(tensors.values()) for device, tensors in found.items()}
