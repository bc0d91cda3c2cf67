"""Parts of a step's graph, added to another graph as often as they are needed, each op on a device of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Iterable, Mapping, Sequence

import tensorflow as tf
from tensorflow.core.framework import graph_pb2, node_def_pb2

from trainer.estimator.graph.tracing import Part, TracedModel, training_operations


@dataclasses.dataclass(frozen=True, eq=False)
class StepGraph:
    """All that a step of training does.

    Attributes:
      part: of the traced model; its graph is the step's.
      feeds: the placeholders of features and labels, flat.
      variables: what holds values, by name; a variable that is held by rows is several.
    """

    part: Part
    feeds: list[tf.Tensor]
    variables: Mapping[str, tf.Variable]

    @property
    def graph(self) -> tf.Graph:
        return self.part.graph

    @property
    def loss(self) -> tf.Tensor:
        return self.graph.outputs[0]

    @property
    def operations(self) -> list[tf.Operation]:
        return list(self.graph.control_outputs)

    def handles(self) -> dict[str, tf.Tensor]:
        """The placeholders of handles, by the names of their variables."""
        names = {id(variable.handle): name for name, variable in self.variables.items()}
        return {names[id(outer)]: inner for outer, inner in self.graph.captures if id(outer) in names}


def step_graph(traced: TracedModel) -> StepGraph:
    """The step of a traced model in TRAIN."""
    part = traced.part(traced.spec.loss, training_operations(traced))
    by_rows = traced.store.by_rows()
    shards = {f"{name}/{index}": shard for name, held in by_rows.items() for index, shard in enumerate(held.shards)}
    whole = {name: variable for name, variable in traced.store.by_name.items() if name not in by_rows}
    return StepGraph(part, part.graph.inputs[: len(traced.feeds)], {**whole, **shards})


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
    step: StepGraph,
    nodes: Sequence[node_def_pb2.NodeDef],
    given: Mapping[str, tf.Tensor],
    wanted: Sequence[tf.Tensor] = (),
    copies: Mapping[str, tf.Tensor] | None = None,
) -> list[tf.Tensor]:
    """Adds ops to the graph that is being built.

    Args:
      step: where they come from.
      nodes: their definitions.
      given: tensors in the place of those that they take, by name.
      wanted: tensors of the step's graph.
      copies: handles in the place of those of variables, by the variables' names.

    Returns:
      What was wanted, as computed here or as given.
    """
    graph = tf.compat.v1.get_default_graph()
    for function in step.graph._functions.values():
        graph._add_function(function)
    inside, taken = {node.name for node in nodes}, {name for node in nodes for name in node.input}
    given = {**_captured(step, taken | {name_of(tensor) for tensor in wanted}, copies or {}), **given}
    fetched = list(dict.fromkeys(name_of(tensor) for tensor in wanted if tensor.op.name in inside))
    made = tf.graph_util.import_graph_def(
        graph_pb2.GraphDef(node=nodes, versions=step.graph.graph_def_versions),
        {name: tensor for name, tensor in given.items() if name in taken},
        fetched,
        name="part",
    )
    known = {**given, **dict(zip(fetched, made or [], strict=True))}
    return [known[name_of(tensor)] for tensor in wanted]


def _captured(step: StepGraph, taken: set[str], copies: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """What the step has from outside, for the graph that is being built."""
    graph = tf.compat.v1.get_default_graph()
    outside = {name_of(inner): outer for outer, inner in step.graph.captures}
    outside |= {name_of(inner): copies[name] for name, inner in step.handles().items() if name in copies}
    return {name: graph.capture(outer) for name, outer in outside.items() if name in taken}
