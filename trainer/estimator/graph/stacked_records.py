"""A function of one record done on a whole batch of them at once: the same bits, without a call for each record.

A rule for the copier puts each op that depends on the record on tensors [batch, …] in the place of […]. For example of
the text of a line, whose label stands last::

    one record                                      a batch

    text [] ─► DecodeCSV ─┬─ [] ─► Pack ─► x [2]    text [batch] ─► DecodeCSV ─┬─ [batch] ─► Pack ─► x [batch, 2]
                          ├─ [] ──┘                                            ├─ [batch] ──┘
                          └─ [] ─► label []                                    └─ [batch] ─► label [batch]

Only what is known to give the same bits is done so: moving values, texts, decoding, and arithmetic without
approximations. `tf.vectorized_map` knows more numeric ops, and none of texts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.estimator.graph import op_table
from trainer.estimator.graph.inside import bodies
from trainer.estimator.graph.subgraphs import Copier, in_order


class NotStackableError(Exception):
    """A function of a record has an op of which it is not known what it does to a batch."""


def on_batch(function: Any, components: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """What a function gives for each of the records of a batch, in the graph that is being built.

    Args:
      function: a ConcreteFunction of the flat components of one record.
      components: of a batch, [batch, …] each.

    Returns:
      Its outputs, [batch, …] each.

    Raises:
      NotStackableError: it draws random numbers, runs Python, or does something else that is not known to be the same.
    """
    graph, copier = function.graph, Copier()
    outer = {id(inner): captured for captured, inner in graph.captures}
    arguments = [tensor for tensor in graph.inputs if id(tensor) not in outer]
    stack = _Stack(copier, tf.shape(components[0])[0])
    for tensor, component in zip(arguments, components, strict=True):
        stack.put(tensor, component, stacked=True)
    for captured, inner in graph.captures:
        stack.put(inner, copier.graph.capture(captured), stacked=False)
    stack.run(graph)
    return [stack.whole(tensor) for tensor in graph.outputs]


class _Stack:
    """The rewrite of the copier, and which tensors have a dimension for the batch in the copy.

    Args:
      copier: into the graph that is being built.
      batch: records in the batch, int32 [].
    """

    def __init__(self, copier: Copier, batch: tf.Tensor) -> None:
        self.copier, self.batch = copier, batch
        self._stacked: dict[int, bool] = {}

    def put(self, tensor: tf.Tensor, value: tf.Tensor, *, stacked: bool) -> None:
        """Lets a value stand for a tensor of the record, […]: of the batch, [batch, …], or the same for all."""
        self.copier.replace(tensor, value)
        self._stacked[id(tensor)] = stacked

    def run(self, graph: tf.Graph) -> None:
        """Copies all ops of a graph whose inputs have values."""
        given = {tensor.op for tensor in graph.inputs}
        self.copier.copy(in_order(graph, {*graph.get_operations()} - given), self)

    def __call__(self, op: tf.Operation) -> Sequence[tf.Tensor] | None:
        """What the outputs of an op become."""
        if op.type in _CALLS:
            return self._called(op)
        if op.op_def.is_stateful:
            raise NotStackableError(op.type)
        stacked = any(map(self.is_stacked, op.inputs))
        self._stacked.update((id(tensor), stacked) for tensor in op.outputs)
        if not stacked:
            return None
        rule = _elementwise if _is_exact(op) else _RULES.get(op.type)
        if rule is None or any(map(_may_differ, op.outputs)):
            raise NotStackableError(op.type)
        return rule(self, op)

    def _called(self, op: tf.Operation) -> Sequence[tf.Tensor]:
        """The ops of a function in the place of a call of it."""
        graph = bodies.body(op, op.get_attr("f").name)
        if graph is None:
            raise NotStackableError(op.type)
        for tensor, inner in zip(op.inputs, graph.inputs, strict=True):
            self.put(inner, self.copier.copy_of(tensor), stacked=self.is_stacked(tensor))
        self.run(graph)
        # What an op gives, and not its outputs, may be among those of the graph twice.
        self._stacked.update(
            (id(tensor), self.is_stacked(inner)) for tensor, inner in zip(op.outputs, graph.outputs, strict=True)
        )
        return [self.copier.copy_of(inner) for inner in graph.outputs]

    def is_stacked(self, tensor: tf.Tensor) -> bool:
        """Whether a tensor of the record, […], has a value for each record."""
        return self._stacked[id(tensor)]

    def value(self, tensor: tf.Tensor) -> tf.Tensor:
        """The copy of a tensor of the record: […], or [batch, …] where it is stacked."""
        return self.copier.copy_of(tensor)

    def whole(self, tensor: tf.Tensor) -> tf.Tensor:
        """The copy of a tensor of the record, […], for each record: [batch, …]."""
        value = self.value(tensor)
        if self.is_stacked(tensor):
            return value
        ones = tf.ones([value.shape.rank], tf.int32)
        return tf.tile(value[tf.newaxis], tf.concat([self.batch[tf.newaxis], ones], 0))

    def like(self, op: tf.Operation, inputs: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """The op on other inputs, of the shapes […] that it takes then."""
        return self.copier.like(op, inputs, str(op.device))


_Rule = Callable[[_Stack, tf.Operation], Sequence[tf.Tensor]]


def _is_exact(op: tf.Operation) -> bool:
    """Whether an op is of each element alone, and gives the same bits whatever elements stand beside it."""
    if op.type == "Cast":
        # What becomes of numbers out of range differs where the processor has no instruction for the type.
        to = op.outputs[0].dtype
        return op.inputs[0].dtype.is_integer or not to.is_integer or to in (tf.int32, tf.int64)
    return op.type in op_table.EXACT or (op.type in op_table.EXACT_OF_INTEGERS and op.inputs[0].dtype.is_integer)


def _may_differ(tensor: tf.Tensor) -> bool:
    """Whether records may have a tensor […] of different shapes, which no batch could hold."""
    if tensor.shape.is_fully_defined():
        return False
    users = tensor.consumers()
    # What is brought into a known shape is of one size in all records.
    return not users or any(user.type != "Reshape" or not user.outputs[0].shape.is_fully_defined() for user in users)


def _constant(tensor: tf.Tensor) -> np.ndarray:
    """What a tensor [...] is for all records; NotStackableError where that is not written in the function."""
    value = tf.get_static_value(tensor)
    if value is None:
        raise NotStackableError(f"{tensor.name} is not a constant")
    return np.asarray(value)


def _elementwise(stack: _Stack, op: tf.Operation) -> Sequence[tf.Tensor]:
    """Inputs of fewer dimensions get dimensions of one behind that of the batch, as broadcasting would add them."""
    rank = max(tensor.shape.rank for tensor in op.inputs)

    def aligned(tensor: tf.Tensor) -> tf.Tensor:
        value = stack.value(tensor)
        if stack.is_stacked(tensor):
            for _ in range(rank - tensor.shape.rank):
                value = tf.expand_dims(value, 1)
        return value

    return stack.like(op, [aligned(tensor) for tensor in op.inputs])


def _first_alone(stack: _Stack, op: tf.Operation) -> Sequence[tf.Tensor]:
    """An op whose first input is a record's, and whose other ones are the same for all."""
    if any(map(stack.is_stacked, op.inputs[1:])):
        raise NotStackableError(op.type)
    return stack.like(op, [stack.value(tensor) for tensor in op.inputs])


def _part_of_text(stack: _Stack, op: tf.Operation) -> Sequence[tf.Tensor]:
    """From the same place on in all texts."""
    if any(tensor.shape.rank != 0 for tensor in op.inputs[1:]):
        raise NotStackableError(op.type)
    return _first_alone(stack, op)


def _parse(stack: _Stack, op: tf.Operation) -> Sequence[tf.Tensor]:
    """Dense features of an Example [], which is one of several."""
    kinds = ("sparse_types", "ragged_value_types") if op.type == "ParseExampleV2" else ("sparse_types",)
    if any(op.get_attr(kind) for kind in kinds) or any(map(stack.is_stacked, op.inputs[1:])) or op.inputs[0].shape.rank:
        raise NotStackableError(op.type)
    if op.type == "ParseExampleV2":
        # The name of an Example is for messages, which tell its place in the batch instead.
        serialized, _, *rest = map(stack.value, op.inputs)
        return stack.like(op, [serialized, tf.constant([], tf.string), *rest])
    return tf.raw_ops.ParseExampleV2(
        serialized=stack.value(op.inputs[0]),
        names=tf.constant([], tf.string),
        sparse_keys=tf.constant([], tf.string),
        dense_keys=op.get_attr("dense_keys"),
        ragged_keys=tf.constant([], tf.string),
        dense_defaults=[stack.value(tensor) for tensor in op.inputs[1:]],
        num_sparse=0,
        sparse_types=[],
        ragged_value_types=[],
        ragged_split_types=[],
        dense_shapes=op.get_attr("dense_shapes"),
    )[-1]


def _behind(axis: Any) -> int:
    """The number of a dimension of a record […] in a batch [batch, …]."""
    return int(axis) + 1 if int(axis) >= 0 else int(axis)


def _pack(stack: _Stack, op: tf.Operation) -> Sequence[tf.Tensor]:
    return [tf.stack([stack.whole(tensor) for tensor in op.inputs], _behind(op.get_attr("axis")))]


def _unpack(stack: _Stack, op: tf.Operation) -> Sequence[tf.Tensor]:
    return tf.unstack(stack.value(op.inputs[0]), op.get_attr("num"), _behind(op.get_attr("axis")))


def _concat(stack: _Stack, op: tf.Operation) -> Sequence[tf.Tensor]:
    *parts, axis = op.inputs
    return [tf.concat([stack.whole(tensor) for tensor in parts], _behind(_constant(axis)))]


def _split(stack: _Stack, op: tf.Operation) -> Sequence[tf.Tensor]:
    axis, value = op.inputs
    return tf.split(stack.value(value), op.get_attr("num_split"), _behind(_constant(axis)))


def _split_sizes(stack: _Stack, op: tf.Operation) -> Sequence[tf.Tensor]:
    value, sizes, axis = op.inputs
    return tf.split(stack.value(value), _constant(sizes), _behind(_constant(axis)))


def _expand(stack: _Stack, op: tf.Operation) -> Sequence[tf.Tensor]:
    value, axis = op.inputs
    return [tf.expand_dims(stack.value(value), _behind(_constant(axis)))]


def _to_shape(stack: _Stack, op: tf.Operation) -> Sequence[tf.Tensor]:
    """Reshaping and squeezing: the shape of a record is known."""
    value, shape = stack.value(op.inputs[0]), op.outputs[0].shape.as_list()
    return [tf.reshape(value, tf.stack([stack.batch, *shape]))]


def _strided_slice(stack: _Stack, op: tf.Operation) -> Sequence[tf.Tensor]:
    """The batch's dimension is taken whole: bit 0 of the masks is its own."""
    value, *bounds = op.inputs
    constants = [_constant(bound) for bound in bounds]
    begin, end, strides = (np.insert(bound, 0, first) for bound, first in zip(constants, (0, 0, 1), strict=True))
    masks = {name: op.get_attr(f"{name}_mask") << 1 for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}
    masks = {f"{name}_mask": mask | (name in ("begin", "end")) for name, mask in masks.items()}
    return [tf.raw_ops.StridedSlice(input=stack.value(value), begin=begin, end=end, strides=strides, **masks)]


def _slice(stack: _Stack, op: tf.Operation) -> Sequence[tf.Tensor]:
    value, begin, size = op.inputs
    return [tf.slice(stack.value(value), [0, *_constant(begin)], [-1, *_constant(size)])]


def _transpose(stack: _Stack, op: tf.Operation) -> Sequence[tf.Tensor]:
    value, order = op.inputs
    return [tf.transpose(stack.value(value), [0, *(_constant(order) + 1)])]


def _gather(stack: _Stack, op: tf.Operation) -> Sequence[tf.Tensor]:
    """Places that are the same for all records in values of each; or of values for all the rows that a record names."""
    params, indices, axis = op.inputs
    where = int(_constant(axis))
    if op.get_attr("batch_dims") or (stack.is_stacked(params) and stack.is_stacked(indices)):
        raise NotStackableError(op.type)
    if stack.is_stacked(params):
        return [tf.gather(stack.value(params), stack.value(indices), axis=_behind(where))]
    if where:
        raise NotStackableError(op.type)
    return [tf.gather(stack.value(params), stack.value(indices))]


def _one_hot(stack: _Stack, op: tf.Operation) -> Sequence[tf.Tensor]:
    indices, depth, on, off = op.inputs
    if any(map(stack.is_stacked, (depth, on, off))):
        raise NotStackableError(op.type)
    given = [stack.value(tensor) for tensor in op.inputs]
    return [tf.one_hot(*given, axis=_behind(op.get_attr("axis")), dtype=op.outputs[0].dtype)]


def _join(stack: _Stack, op: tf.Operation) -> Sequence[tf.Tensor]:
    return [tf.strings.join([stack.whole(tensor) for tensor in op.inputs], op.get_attr("separator"))]


def _same_shape(stack: _Stack, op: tf.Operation) -> Sequence[tf.Tensor]:
    """What only says what the shape is, which is known."""
    return [stack.value(tensor) for tensor in op.inputs]


_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
_RULES: Mapping[str, _Rule] = {
    **dict.fromkeys(op_table.OF_TEXTS, _first_alone),
    "ConcatV2": _concat,
    "DecodeCSV": _first_alone,
    "DecodeRaw": _first_alone,
    "EnsureShape": _same_shape,
    "ExpandDims": _expand,
    "GatherV2": _gather,
    "IdentityN": _same_shape,
    "OneHot": _one_hot,
    "Pack": _pack,
    "ParseExampleV2": _parse,
    "ParseSingleExample": _parse,
    "Reshape": _to_shape,
    "Slice": _slice,
    "Split": _split,
    "SplitV": _split_sizes,
    "Squeeze": _to_shape,
    "StridedSlice": _strided_slice,
    "StringJoin": _join,
    "Substr": _part_of_text,
    "Transpose": _transpose,
    "Unpack": _unpack,
}
