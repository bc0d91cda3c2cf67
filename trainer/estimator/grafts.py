"""Parts of a traced graph, added to another graph as often as they are needed, each op on a device of its own."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence

import tensorflow as tf
from tensorflow.core.framework import graph_pb2, node_def_pb2

from trainer.estimator.tracing import TracedModel


def name_of(tensor: tf.Tensor) -> str:
    """What a tensor of the traced graph is called in the definition of an op that takes it."""
    return f"{tensor.op.name}:{tensor.value_index}"


def definitions(
    ops: Mapping[tf.Operation, str] | Iterable[tf.Operation], idle: Container[tf.Operation] = ()
) -> list[node_def_pb2.NodeDef]:
    """Definitions of ops, with the edges among them and from whatever tensors they take.

    Args:
      ops: in their order; a mapping gives the device of each.
      idle: those of them that are to do nothing but keep their place in the order.
    """
    devices = ops if isinstance(ops, Mapping) else {}
    inside = set(ops)
    return [_definition(op, inside, devices.get(op, ""), op in idle) for op in ops]


def _definition(op: tf.Operation, inside: set[tf.Operation], device: str, idle: bool) -> node_def_pb2.NodeDef:
    node = node_def_pb2.NodeDef(name=op.name, op="NoOp") if idle else op.node_def
    del node.input[:]
    if not idle:
        node.input.extend(name_of(tensor) for tensor in op.inputs)
        node.attr.pop("_class", None)
    node.input.extend(f"^{before.name}" for before in op.control_inputs if before in inside)
    node.device = device
    return node


def graft(
    traced: TracedModel,
    nodes: Sequence[node_def_pb2.NodeDef],
    given: Mapping[str, tf.Tensor],
    wanted: Sequence[tf.Tensor] = (),
    copies: Mapping[str, tf.Tensor] | None = None,
) -> list[tf.Tensor]:
    """Adds ops to the graph that is being built.

    Args:
      traced: where they come from.
      nodes: their definitions.
      given: tensors in the place of those that they take, by name.
      wanted: tensors of the traced graph.
      copies: handles in the place of those of variables, by the variables' names.

    Returns:
      What was wanted, as computed here or as given.
    """
    graph = tf.compat.v1.get_default_graph()
    for function in traced.graph._functions.values():
        graph._add_function(function)
    inside, taken = {node.name for node in nodes}, {name for node in nodes for name in node.input}
    given = {**_captured(traced, taken | {name_of(tensor) for tensor in wanted}, copies or {}), **given}
    fetched = list(dict.fromkeys(name_of(tensor) for tensor in wanted if tensor.op.name in inside))
    made = tf.graph_util.import_graph_def(
        graph_pb2.GraphDef(node=nodes, versions=traced.graph.graph_def_versions),
        {name: tensor for name, tensor in given.items() if name in taken},
        fetched,
        name="part",
    )
    known = {**given, **dict(zip(fetched, made or [], strict=True))}
    return [known[name_of(tensor)] for tensor in wanted]


def _captured(traced: TracedModel, taken: set[str], copies: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """What the traced graph has from outside, for the graph that is being built."""
    graph, names = tf.compat.v1.get_default_graph(), traced.store.names_by_handle()
    return {
        name_of(inner): graph.capture(copies.get(names.get(id(outer), ""), outer))
        for outer, inner in traced.graph.captures
        if name_of(inner) in taken
    }
