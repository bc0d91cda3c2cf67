"""Divides a step in two: what it makes of its batch's texts, and the rest, which XLA compiles.

XLA has no texts and no tables. But what a step does with these depends on its batch alone in most models, not on a
variable, so it can be done before the compiled program, for many batches at once. An example: a model of a vocabulary
and numbers, on batches of 32::

    town [32] ─► LookupTableFind ─► [32] ─► Gather(w) ─► …             before: town [32] ─► LookupTableFind ─► ids [32]
                                              ┌─ AddV2 ─► loss [] …
    x [32] ────────────────────────► Mul(v) ──┘                        the step: ids [32], x [32] ─► Gather(w), Mul(v) …

The division is proved op by op: what goes before has no state but tables that nothing changes, and takes values from
the batch, from constants and from other such ops only. What cannot be proved is not divided.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.graph import op_table
from trainer.estimator.graph.inside import bodies, resources
from trainer.estimator.graph.pruning import PrunedFunction
from trainer.estimator.graph.subgraphs import Edges, ancestors, in_order
from trainer.estimator.graph.tracing import TracedModel


class NotDividedError(Exception):
    """What a step does with texts depends on more than its batch, or gives something else than numbers of one shape."""


@dataclasses.dataclass(frozen=True, eq=False)
class BatchPart:
    """What a step makes of its batch alone.

    Attributes:
      kept: which components of a batch the step takes as they are, by their numbers.
      feeds: what it takes instead of a batch, tensors of the trace: those components, and what was made of the others.
      function: gives what was made, from the components of a batch; None where the step takes nothing of the others.
      operations: what the step runs beside its fetches, but the checks that the function makes.
      without: control edges from what the function does.
    """

    kept: Sequence[int]
    feeds: Sequence[tf.Tensor]
    function: PrunedFunction | None
    operations: Sequence[tf.Operation]
    without: Edges


def divided(traced: TracedModel, fetches: Any, operations: Sequence[tf.Operation]) -> BatchPart:
    """The part of a step that is done before XLA's.

    Args:
      traced: the model.
      fetches: nested tensors of any shapes [...] that the step gives.
      operations: what it runs besides.

    Raises:
      NotDividedError: something that it does with texts has to be done in the step.
    """
    step = _Step(traced, fetches, operations)
    before = step.with_what_needs_it(step.of_texts())
    made = step.crossing(before)
    checks = [op for op in step.order if op in before and op.type == op_table.CHECK]
    # Whatever takes a text is among what is done before, so the rest takes no component of texts.
    kept = [number for number, feed in enumerate(traced.feeds) if feed.dtype != tf.string]
    # A control edge to what is done before would bring it back into the step; by then it has been done.
    without = {op: before.intersection(op.control_inputs) for op in step.order if op not in before}
    return BatchPart(
        kept=kept,
        feeds=[*(traced.feeds[number] for number in kept), *made],
        function=traced.prune(made, checks) if made or checks else None,
        operations=[op for op in operations if op not in before],
        without={op: edges for op, edges in without.items() if edges},
    )


class _Step:
    """The ops of a step, and what is known of each.

    Args:
      traced: the model.
      fetches: nested tensors that the step gives.
      operations: what it runs besides.

    Attributes:
      order: the ops, each behind what it needs.
    """

    def __init__(self, traced: TracedModel, fetches: Any, operations: Sequence[tf.Operation]) -> None:
        self._fetched = {id(tensor) for tensor in tf.nest.flatten(fetches, expand_composites=True)}
        feeds = {feed.op for feed in traced.feeds}
        targets = [tensor.op for tensor in tf.nest.flatten(fetches, expand_composites=True)]
        needed = ancestors([*targets, *operations], feeds) - feeds
        self.order = in_order(traced.graph, needed)
        self._needed = needed
        self._pure = self._provable(feeds, _tables(traced, self.order))
        self._of_batch = self._reached(feeds)

    def _provable(self, feeds: set[tf.Operation], tables: set[tf.Operation]) -> set[tf.Operation]:
        """What gives the same whenever it is done: it depends on the batch, constants and constant tables."""
        # In their order, so that all that an op takes has been looked at before it.
        pure = feeds | tables
        for op in self.order:
            if op not in pure and _repeatable(op) and pure.issuperset([*(t.op for t in op.inputs), *op.control_inputs]):
                pure.add(op)
        return pure

    def _reached(self, feeds: set[tf.Operation]) -> set[tf.Operation]:
        """What computes with values of the batch."""
        reached = set(feeds)
        for op in self.order:
            if any(tensor.op in reached for tensor in op.inputs):
                reached.add(op)
        return reached

    def of_texts(self) -> set[tf.Operation]:
        """What does something with the batch that XLA cannot: with texts and tables, or a check, which XLA leaves out.

        Raises:
          NotDividedError: one of these is not done with the batch alone.
        """
        found = set()
        for op in self.order:
            texts = any(tensor.dtype == tf.string for tensor in (*op.inputs, *op.outputs))
            if op not in self._of_batch:
                continue  # the message of a check is a text too, and a constant
            if op.type == op_table.CHECK and op in self._pure:
                found.add(op)
            elif op.type in op_table.TABLE_LOOKUPS or (texts and not _checks_numbers(op, self._of_batch)):
                if op not in self._pure:
                    raise NotDividedError(f"{op.type} does not depend on the batch alone")
                found.add(op)
        return found

    def with_what_needs_it(self, before: set[tf.Operation]) -> set[tf.Operation]:
        """The ops with those that take anything else of them than numbers of one shape.

        Raises:
          NotDividedError: one of those cannot be done before the step.
        """
        waiting = [op for op in self.order if op in before]
        while waiting:
            for tensor in waiting.pop().outputs:
                if _is_number(tensor):
                    continue
                # XLA can neither be given nor give a text, a ragged row or a size that the values decide.
                if id(tensor) in self._fetched:
                    raise NotDividedError(
                        f"the step gives a {tensor.dtype.name} {tensor.shape} that {tensor.op.type} makes"
                    )
                for op in self._users(tensor):
                    if op not in self._pure:
                        raise NotDividedError(f"{op.type} takes a {tensor.dtype.name} {tensor.shape}")
                    if op not in before:
                        before.add(op)
                        waiting.append(op)
        return before

    def crossing(self, before: set[tf.Operation]) -> list[tf.Tensor]:
        """What the rest of the step takes of these ops, numbers of any shapes [...]."""
        # Constants among what the ops take are not theirs alone: the step has copies of its own.
        outputs = [tensor for op in self.order if op in before for tensor in op.outputs]
        return [
            tensor
            for tensor in outputs
            if id(tensor) in self._fetched or any(op not in before for op in self._users(tensor))
        ]

    def _users(self, tensor: tf.Tensor) -> Iterable[tf.Operation]:
        """The ops of the step that take a tensor [...]."""
        return (op for op in tensor.consumers() if op in self._needed)


def _is_number(tensor: tf.Tensor) -> bool:
    """Whether a tensor [...] can be an argument of a compiled program."""
    number = tensor.dtype.is_floating or tensor.dtype.is_integer or tensor.dtype.is_bool or tensor.dtype.is_complex
    return bool(number and tensor.shape.is_fully_defined())


def _checks_numbers(op: tf.Operation, of_batch: set[tf.Operation]) -> bool:
    """Whether an op is a check that has texts of the program only, in its message, and that XLA may leave out."""
    return op.type == op_table.CHECK and not any(t.dtype == tf.string and t.op in of_batch for t in op.inputs)


def _repeatable(op: tf.Operation) -> bool:
    """Whether an op does nothing but give values, which follow from those that it takes."""
    if op.type in op_table.PLACEHOLDERS:
        return False
    if op.type in op_table.TABLE_LOOKUPS or op.type == op_table.CHECK:
        return True
    # TensorFlow calls a loop stateful if anything in it is, but a function's graph may be unknown here.
    graphs = [bodies.body(op, name) for name in op_table.calls(op)]
    inner = [other for graph in graphs if graph is not None for other in graph.get_operations()]
    return not op.op_def.is_stateful and None not in graphs and all(map(_has_no_state, inner))


def _has_no_state(op: tf.Operation) -> bool:
    """Whether an op of a loop or a branch gives values only; its inputs are placeholders there."""
    return op.type in op_table.PLACEHOLDERS or (op.type not in op_table.TABLE_LOOKUPS and _repeatable(op))


def _tables(traced: TracedModel, order: Iterable[tf.Operation]) -> set[tf.Operation]:
    """The placeholders of the handles of tables that nothing changes, in the graph of a trace.

    Args:
      traced: the model.
      order: the ops of the step.
    """
    constant = {id(handle) for handle in resources.constant_tables(traced.resources)}
    inner = {inner.op for outer, inner in traced.graph.captures if id(outer) in constant}
    # Tables are filled before the first step; a step that fills one itself is another matter.
    used = [(tensor.op, op) for op in order for tensor in op.inputs if tensor.op in inner]
    return inner - {table for table, op in used if op.type not in op_table.TABLE_LOOKUPS}
