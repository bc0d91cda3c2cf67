"""A function of one record done on a whole batch of them at once: the same bits, without a call for each record.

A rule for the copier puts each op that depends on the record on tensors [batch, …] in the place of […]. For example of
the text of a line, whose label stands last::

    one record                                      a batch

    text [] ─► DecodeCSV ─┬─ [] ─► Pack ─► x [2]    text [batch] ─► DecodeCSV ─┬─ [batch] ─► Pack ─► x [batch, 2]
                          ├─ [] ──┘                                            ├─ [batch] ──┘
                          └─ [] ─► label []                                    └─ [batch] ─► label [batch]

Where one op has no rule (`record_rules`), the function stays one of single records.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.graph import op_table
from trainer.estimator.graph.input.record_rules import Outputs, rule_of
from trainer.estimator.graph.input.stacked_tensors import NotStackableError, Stacked
from trainer.estimator.graph.inside import bodies
from trainer.estimator.graph.subgraphs import Copier, in_order

_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})


def on_batch(function: Any, components: Sequence[tf.Tensor], *, constant_tables: bool = False) -> list[tf.Tensor]:
    """What a function gives for each of the records of a batch, in the graph that is being built.

    Args:
      function: a ConcreteFunction of the flat components of one record.
      components: of a batch, [batch, …] each.
      constant_tables: whether nothing changes the tables that it looks keys up in.

    Returns:
      Its outputs, [batch, …] each.

    Raises:
      NotStackableError: it draws random numbers, runs Python, or does something else that is not known to be the same.
    """
    graph, copier = function.graph, Copier()
    captured = {id(inner) for _, inner in graph.captures}
    arguments = [tensor for tensor in graph.inputs if id(tensor) not in captured]
    stacked = Stacked(copier, tf.shape(components[0])[0])
    for tensor, component in zip(arguments, components, strict=True):
        stacked.put(tensor, component, stacked=True)
    for outer, inner in graph.captures:
        stacked.put(inner, copier.graph.capture(outer), stacked=False)
    _Rewrite(stacked, constant_tables).run(graph)
    # What is the same for all records, as a weight of one, is repeated for each of them.
    return [stacked.whole(tensor) for tensor in graph.outputs]


def of_shapes(function: Any, components: Sequence[tf.TensorSpec]) -> Any:
    """A function of records of any shapes as one of records of known shapes.

    Args:
      function: a ConcreteFunction of the flat components of one record, such as [None, 3].
      components: their shapes, such as [20, 3].

    Returns:
      A ConcreteFunction that gives the same. Its outputs have the shapes that follow.
    """
    graph = function.graph
    captured = {id(inner) for _, inner in graph.captures}
    given = [tensor for tensor in graph.inputs if id(tensor) not in captured]

    def body(*arguments: tf.Tensor) -> list[tf.Tensor]:
        copier = Copier()
        for tensor, argument in zip(given, arguments, strict=True):
            copier.replace(tensor, argument)
        for outer, inner in graph.captures:
            copier.replace(inner, copier.graph.capture(outer))
        copier.copy(in_order(graph, {*graph.get_operations()} - {tensor.op for tensor in graph.inputs}))
        return [copier.copy_of(tensor) for tensor in graph.outputs]

    return tf.compat.v1.wrap_function(body, list(components))


class _Rewrite:
    """The rewrite of the copier.

    Args:
      stacked: what the inputs of the function became.
      constant_tables: whether a lookup is a function of its keys.
    """

    def __init__(self, stacked: Stacked, constant_tables: bool) -> None:
        self._stacked = stacked
        self._without_state = op_table.TABLE_LOOKUPS if constant_tables else frozenset()

    def run(self, graph: tf.Graph) -> None:
        """Copies all ops of a graph whose inputs have values."""
        given = {tensor.op for tensor in graph.inputs}
        # Those too that no output depends on: a check or a print among them is why the function has to stay as it is.
        self._stacked.copier.copy(in_order(graph, {*graph.get_operations()} - given), self)

    def __call__(self, op: tf.Operation) -> Outputs | None:
        """What the outputs of an op become."""
        if op.type in _CALLS:
            return self._called(op)
        # Random numbers, Python, variables, checks and prints: what one call does is not what many calls do.
        if op.op_def.is_stateful and op.type not in self._without_state:
            raise NotStackableError(op.type)
        if op.type == "Shape" and op.inputs[0].shape.is_fully_defined():
            # The same for all records: what is asked for is the shape of one.
            self._stacked.mark(op.outputs[0], stacked=False)
            return [tf.constant(op.inputs[0].shape.as_list(), op.outputs[0].dtype)]
        stacked = any(map(self._stacked.is_stacked, op.inputs))
        for tensor in op.outputs:
            self._stacked.mark(tensor, stacked=stacked)
        # What does not depend on the record is computed once for all of them.
        return rule_of(op)(self._stacked, op) if stacked else None

    def _called(self, op: tf.Operation) -> Outputs:
        """The ops of a function in the place of a call of it."""
        graph = bodies.body(op, op.get_attr("f").name)
        if graph is None:
            raise NotStackableError(op.type)
        known = self._stacked
        for tensor, inner in zip(op.inputs, graph.inputs, strict=True):
            known.put(inner, known.value(tensor), stacked=known.is_stacked(tensor))
        self.run(graph)
        for tensor, inner in zip(op.outputs, graph.outputs, strict=True):
            known.mark(tensor, stacked=known.is_stacked(inner))
        return [known.value(inner) for inner in graph.outputs]
