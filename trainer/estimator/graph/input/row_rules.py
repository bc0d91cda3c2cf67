"""Whether a function of batches does the same to each row, whatever rows stand beside it in the batch.

Such a function may be called on other batches of the same rows, and gives the same rows. An op has a rule here where
that is seen from its attributes and constants; what has none may look at its neighbours, as a mean over the batch does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.estimator.graph import op_table
from trainer.estimator.graph.input.record_rules import is_exact
from trainer.estimator.graph.inside import bodies
from trainer.estimator.graph.subgraphs import Copier, in_order

_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})


def of_rows(function: Any) -> bool:
    """Whether a function of batches gives for each row what follows from that row alone.

    Args:
      function: a ConcreteFunction of the flat components of a batch, [batch, …] each.
    """
    graph = function.graph
    captured = {id(inner) for _, inner in graph.captures}
    rows = {id(tensor): id(tensor) not in captured for tensor in graph.inputs}
    # An output that is the same for all rows, as a weight of one, has no dimension for them.
    return _follows_rows(graph, rows) and all(rows[id(tensor)] for tensor in graph.outputs)


def on_rows(function: Any, components: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """What a function of batches for which `of_rows` holds gives for rows in any number, in the graph being built.

    Args:
      function: a ConcreteFunction of the flat components of a batch, [batch, …] each, perhaps of one size.
      components: [rows, …] each.

    Returns:
      Its outputs, [rows, …] each.
    """
    graph, copier = function.graph, Copier()
    captured = {id(inner) for _, inner in graph.captures}
    given = [tensor for tensor in graph.inputs if id(tensor) not in captured]
    for tensor, component in zip(given, components, strict=True):
        copier.replace(tensor, component)
    for outer, inner in graph.captures:
        copier.replace(inner, copier.graph.capture(outer))

    # Not `Copier.same`: a function that was traced with batches of one size says so in the shapes of its tensors.
    def again(op: tf.Operation) -> Sequence[tf.Tensor]:
        """The op on rows, whose number is not that of the batch; a function stands where it was called."""
        inputs = [copier.copy_of(tensor) for tensor in op.inputs]
        inner = bodies.body(op, op.get_attr("f").name) if op.type in _CALLS else None
        if inner is None:
            return copier.like(op, inputs, str(op.device))
        for tensor, value in zip(inner.inputs, inputs, strict=True):
            copier.replace(tensor, value)
        copier.copy(_without_inputs(inner), again)
        return [copier.copy_of(tensor) for tensor in inner.outputs]

    copier.copy(_without_inputs(graph), again)
    return [copier.copy_of(tensor) for tensor in graph.outputs]


def _without_inputs(graph: tf.Graph) -> list[tf.Operation]:
    """The ops of a function, each behind what it needs."""
    return in_order(graph, {*graph.get_operations()} - {tensor.op for tensor in graph.inputs})


def _follows_rows(graph: tf.Graph, rows: dict[int, bool]) -> bool:
    """Whether each op of a graph keeps to rows.

    Args:
      graph: of a function.
      rows: of its inputs, by identity, whether they are [batch, …] or the same for all rows; takes what is found out of
        all others.
    """
    for op in _without_inputs(graph):
        kept = _keeps_to_rows(op, rows)
        if kept is None:
            return False
        rows |= {id(tensor): kept for tensor in op.outputs}
    return True


def _keeps_to_rows(op: tf.Operation, rows: dict[int, bool]) -> bool | None:
    """Whether what an op gives is of rows, or the same for all of them; None where it is neither, or not known.

    Args:
      op: whose inputs are known.
      rows: whether tensors are [batch, …], by identity.
    """
    if op.type in _CALLS:
        graph = bodies.body(op, op.get_attr("f").name)
        inner = (
            {id(inner): rows[id(given)] for given, inner in zip(op.inputs, graph.inputs, strict=True)} if graph else {}
        )
        kinds = {inner[id(tensor)] for tensor in graph.outputs} if graph and _follows_rows(graph, inner) else set()
        return kinds.pop() if len(kinds) == 1 else None
    # Random numbers, Python, variables, checks and prints: what one call does is not what other calls do.
    if op.op_def.is_stateful:
        return None
    given = [rows[id(tensor)] for tensor in op.inputs]
    if not any(given):
        return False  # constants, and what follows from them
    # Of which dimension is the first, and whether it is one of an input that is broadcast, is told by ranks alone.
    if any(tensor.shape.rank is None for tensor in (*op.inputs, *op.outputs)):
        return None
    rule = _elementwise if is_exact(op) else _RULES.get(op.type)
    return True if rule is not None and rule(op, given) else None


def _constant(tensor: tf.Tensor) -> list[int] | None:
    """The numbers of a tensor [n] or []; None where they are not written in the function."""
    value = tf.get_static_value(tensor)
    return None if value is None else np.ravel(value).tolist()


def _behind_first(axis: int | None, rank: int) -> bool:
    """Whether a dimension of a tensor is another than the first."""
    return axis is not None and axis % max(rank, 1) != 0


def _axis(tensor: tf.Tensor) -> int | None:
    """The number of a dimension that a tensor [] is; None where it is not written in the function."""
    constant = _constant(tensor)
    return constant[0] if constant else None


def _elementwise(op: tf.Operation, given: list[bool]) -> bool:
    """What is the same for all rows is broadcast along them."""
    rank = max(tensor.shape.rank for tensor in op.inputs)
    return all(
        tensor.shape.rank == rank if of_rows else tensor.shape.rank < rank or tensor.shape[0] == 1
        for tensor, of_rows in zip(op.inputs, given, strict=True)
    )


def _first_alone(op: tf.Operation, given: list[bool]) -> bool:
    """The first input is of rows, and what is done to its elements is the same for all."""
    return given[0] and not any(given[1:]) and all(tensor.shape.rank < 2 for tensor in op.inputs[1:])


def _part_of_text(op: tf.Operation, given: list[bool]) -> bool:
    return _first_alone(op, given) and all(tensor.shape.rank == 0 for tensor in op.inputs[1:])


def _pack(op: tf.Operation, given: list[bool]) -> bool:
    return all(given) and _behind_first(op.get_attr("axis"), op.outputs[0].shape.rank)


def _unpack(op: tf.Operation, given: list[bool]) -> bool:
    return _behind_first(op.get_attr("axis"), op.inputs[0].shape.rank)


def _concat(op: tf.Operation, given: list[bool]) -> bool:
    return all(given[:-1]) and _behind_first(_axis(op.inputs[-1]), op.outputs[0].shape.rank)


def _split(op: tf.Operation, given: list[bool]) -> bool:
    return given == [False, True] and _behind_first(_axis(op.inputs[0]), op.inputs[1].shape.rank)


def _split_sizes(op: tf.Operation, given: list[bool]) -> bool:
    return given == [True, False, False] and _behind_first(_axis(op.inputs[2]), op.inputs[0].shape.rank)


def _expand(op: tf.Operation, given: list[bool]) -> bool:
    return given[0] and _behind_first(_axis(op.inputs[1]), op.outputs[0].shape.rank)


def _squeeze(op: tf.Operation, given: list[bool]) -> bool:
    where, rank = op.get_attr("squeeze_dims"), op.inputs[0].shape.rank
    return given[0] and bool(where) and all(_behind_first(axis, rank) for axis in where)


def _reshape(op: tf.Operation, given: list[bool]) -> bool:
    """Rows stay rows where their number is left open and the rest is of one size."""
    shape = _constant(op.inputs[1])
    of_row = op.inputs[0].shape[1:]
    if not given[0] or not shape or shape[0] != -1 or not of_row.is_fully_defined():
        return False
    return -1 not in shape[1:] and int(np.prod(shape[1:])) == of_row.num_elements()


def _strided_slice(op: tf.Operation, given: list[bool]) -> bool:
    """All rows are taken: by the first slice, or by an ellipsis that stands for more than the rest of dimensions."""
    bounds = [_constant(bound) for bound in op.inputs[1:]]
    if not given[0] or any(given[1:]) or any(bound is None for bound in bounds):
        return False
    # A bit of each mask for each slice, the lowest for the first of them.
    new = op.get_attr("new_axis_mask")
    if op.get_attr("ellipsis_mask") & 1:
        others = len(bounds[0] or []) - 1 - int(new).bit_count()
        return others < op.inputs[0].shape.rank
    whole = op.get_attr("begin_mask") & op.get_attr("end_mask") & 1
    strides = bounds[2] or [0]
    return bool(whole) and strides[0] == 1 and not (new | op.get_attr("shrink_axis_mask")) & 1


def _slice(op: tf.Operation, given: list[bool]) -> bool:
    begin, size = _constant(op.inputs[1]), _constant(op.inputs[2])
    return given[0] and bool(begin and size) and (begin or [1])[0] == 0 and (size or [0])[0] == -1


def _transpose(op: tf.Operation, given: list[bool]) -> bool:
    order = _constant(op.inputs[1])
    return given[0] and bool(order) and (order or [1])[0] == 0


def _one_hot(op: tf.Operation, given: list[bool]) -> bool:
    return given[0] and not any(given[1:]) and _behind_first(op.get_attr("axis"), op.outputs[0].shape.rank)


def _gather(op: tf.Operation, given: list[bool]) -> bool:
    """Rows of a table that all share, or the same places of each row."""
    axis = _axis(op.inputs[2])
    if axis is None or op.get_attr("batch_dims") or (given[0] and given[1]):
        return False
    return _behind_first(axis, op.inputs[0].shape.rank) if given[0] else axis == 0


def _parse(op: tf.Operation, given: list[bool]) -> bool:
    """Dense features of Examples [batch]."""
    ragged = op.get_attr("sparse_types") or op.get_attr("ragged_value_types")
    return given[0] and not any(given[1:]) and not ragged and op.inputs[0].shape.rank == 1


def _same(op: tf.Operation, given: list[bool]) -> bool:
    return all(given)


_RULES: Mapping[str, Callable[[tf.Operation, list[bool]], bool]] = {
    **dict.fromkeys(op_table.OF_TEXTS, _first_alone),
    "ConcatV2": _concat,
    "DecodeCSV": _first_alone,
    "ExpandDims": _expand,
    "GatherV2": _gather,
    "IdentityN": _same,
    "OneHot": _one_hot,
    "Pack": _pack,
    "ParseExampleV2": _parse,
    "Reshape": _reshape,
    "Slice": _slice,
    "Split": _split,
    "SplitV": _split_sizes,
    "Squeeze": _squeeze,
    "StridedSlice": _strided_slice,
    "StringJoin": _elementwise,
    "Substr": _part_of_text,
    "Transpose": _transpose,
    "Unpack": _unpack,
}
