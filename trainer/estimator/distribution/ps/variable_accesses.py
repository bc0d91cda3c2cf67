"""Which variables each op of a training step reads and writes, and in which order."""

from __future__ import annotations

from collections.abc import Iterable

import tensorflow as tf

from trainer.estimator.distribution.ps.step_graph import StepGraph
from trainer.estimator.graph import op_table
from trainer.estimator.graph.inside import graphs
from trainer.estimator.graph.subgraphs import ancestors
from trainer.estimator.graph.variables import GLOBAL_STEP
from trainer.job.errors import UsageError


class NotPartitionableError(Exception):
    """Why a step cannot be divided between a worker and the servers."""


class VariableAccesses:
    """What a step runs of its graph, with the variables that each op uses.

    Args:
      step: the whole.

    Attributes:
      order: the ops, each after those that it depends on, without placeholders.
      used: names of the variables whose handles an op has as inputs; no entry for an op that has none.
      writes: names of those that it may write.
      constant: ops that give the same in every step, wherever they run.
      captured: ids of the placeholders of what comes from outside of the graph.

    Raises:
      NotPartitionableError: an op uses a resource that is no variable.
      UsageError: an op uses a variable that is not of the model function.
    """

    def __init__(self, step: StepGraph) -> None:
        self.step = step
        self.captured = {id(inner) for _, inner in step.graph.captures}
        self._names = {id(inner): name for name, inner in step.handles().items()}
        given = {tensor.op for tensor in step.feeds} | {inner.op for _, inner in step.graph.captures}
        needed = ancestors([step.loss.op, *step.operations], given) - given
        # A pruned graph was built op by op, so it has each op behind those that it depends on.
        self.order = [op for op in step.graph.get_operations() if op in needed]
        self.writes = {op: written for op in self.order if (written := self._written(op))}
        self.used = {op: used for op in self.order if (used := self._used(op))}
        self.constant: set[tf.Operation] = set()
        for op in self.order:
            # Also an op without inputs, as a constant is; placeholders and reads are stateful or left out.
            if not op.op_def.is_stateful and all(tensor.op in self.constant for tensor in op.inputs):
                self.constant.add(op)
        self._consumers = self._by_input()

    def _written(self, op: tf.Operation) -> set[str]:
        _, written = graphs.accessed(op)
        return {self._names[id(handle)] for handle in written if id(handle) in self._names}

    def _used(self, op: tf.Operation) -> list[str]:
        return list(dict.fromkeys(self._names[id(tensor)] for tensor in op.inputs if id(tensor) in self._names))

    def _by_input(self) -> dict[tf.Operation, list[tf.Operation]]:
        consumers: dict[tf.Operation, list[tf.Operation]] = {}
        for op in self.order:
            for tensor in op.inputs:
                # A table lives in the process that made it; a server would have to ask the chief for each entry.
                if tensor.dtype == tf.resource and id(tensor) in self.captured and id(tensor) not in self._names:
                    _check_table(op)
                    raise NotPartitionableError(f"{op.type} uses a lookup table")
                consumers.setdefault(tensor.op, []).append(op)
        return consumers

    def consumers(self, op: tf.Operation) -> list[tf.Operation]:
        """The ops of the step that take what an op gives."""
        return self._consumers.get(op, [])

    def is_late(self, op: tf.Operation) -> bool:
        """Whether an op reads a variable that the step has written by then."""
        names = set(self.used.get(op, ()))
        # The trace gave each access a control edge from the writes of its variable before it, and so the order.
        return any(names & self.writes.get(before, set()) for before in op.control_inputs)

    def counts_steps(self, op: tf.Operation) -> bool:
        """Whether all that an op does is to advance the global step, which is counted elsewhere."""
        return op.type in op_table.ASSIGNMENTS and self.writes.get(op) == {GLOBAL_STEP}

    def check(self, op: tf.Operation) -> None:
        """Looks for uses of variables that have no place in any part of a step.

        Raises:
          NotPartitionableError: the op is one.
        """
        if GLOBAL_STEP in self.writes.get(op, ()) and not self.counts_steps(op):
            raise NotPartitionableError(f"{op.type} writes the global step")
        if GLOBAL_STEP in self.used[op] and self.is_late(op):
            raise NotPartitionableError("the global step is read after it was advanced")
        # What a loop or a branch does to a variable cannot be taken out of it; of plain reads it is given copies.
        functions = op_table.calls(op)
        if functions and self.writes.get(op):
            raise NotPartitionableError(f"a loop or a branch ({op.type}) writes variables")
        if functions and _gathers_inside(self.step.graph, functions):
            raise NotPartitionableError(f"a loop or a branch ({op.type}) gathers rows of a variable")


def _gathers_inside(graph: tf.Graph, names: Iterable[str]) -> bool:
    """Whether one of these functions, or one that it calls, takes rows of a variable."""
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


def _check_table(op: tf.Operation) -> None:
    """Refuses a variable of the chief's own: no worker reaches it, and would be waited for without end."""
    if op.type == "ReadVariableOp" or op.type.startswith(op_table.UPDATE_PREFIXES):
        raise UsageError(
            f"The model function uses a variable that was made outside of it, in the op {op.name!r} ({op.type})",
            "variables that it makes itself, which parameter servers hold",
            "Make the optimizer or the layer whose variable it is in the model function",
        )
