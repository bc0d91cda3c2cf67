"""The graphs of functions that ops call, as they were traced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf


def body(op: tf.Operation, name: str) -> tf.Graph | None:
    """The graph behind a function that an op calls; None where only its definition is left.

    `Graph._get_function`: the public `as_graph_def` has copies of the ops, which do not know what lines made them.

    Args:
      op: of a loop, a branch or a call.
      name: of the function.
    """
    graph: tf.Graph | None = op.graph
    while graph is not None:
        function = graph._get_function(name)
        if function is not None:
            return getattr(function, "graph", None)
        graph = getattr(graph, "outer_graph", None)
    return None


def related(graph: tf.Graph) -> list[tf.Graph]:
    """The graphs among which an op of a graph may have been differentiated: its own, those around it, their functions.

    `Graph._functions`: the public library of a graph has definitions instead.
    """
    around: list[tf.Graph] = [graph]
    while (outer := getattr(around[-1], "outer_graph", None)) is not None:
        around.append(outer)
    functions = [function for one in around for function in one._functions.values()]
    return [*around, *(function.graph for function in functions if hasattr(function, "graph"))]


def attribute(op: tf.Operation, key: str, functions: Sequence[Any], graph: tf.Graph) -> Any:
    """An attribute of an op that calls functions, as in the protocol buffer of an op, which calls others instead.

    `Operation.node_def` tells whether it is one function or a list of them.

    Args:
      op: of a loop, a branch or a call.
      key: of the attribute.
      functions: concrete functions, and the names of those that the graph knows already.
      graph: where the op will be; it learns of the functions.
    """
    value = type(op.node_def.attr[key])()
    value.CopyFrom(op.node_def.attr[key])
    slots = [value.func] if value.HasField("func") else value.list.func
    for slot, function in zip(slots, functions, strict=True):
        if not isinstance(function, str):
            function.add_to_graph(graph)
            function = function.name.decode()
        slot.name = function
    return value
