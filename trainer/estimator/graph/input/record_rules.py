"""What stands for an op of one record's function when it is done on a batch: a rule for each type of op.

There are rules only for what gives the same bits: moving values, texts, decoding, and arithmetic without
approximations. `tf.vectorized_map` knows more numeric ops, and none of texts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.estimator.graph import op_table
from trainer.estimator.graph.input import windows
from trainer.estimator.graph.input.stacked_tensors import NotStackableError, Stacked

Outputs = Sequence[Any]
"""What an op's outputs become: tensors [batch, …]."""
Rule = Callable[[Stacked, tf.Operation], Outputs]


def rule_of(op: tf.Operation) -> Rule:
    """How an op with a record's tensors among its inputs is done on a batch.

    Raises:
      NotStackableError: it is not known, or records may have results of different shapes.
    """
    rule = _elementwise if is_exact(op) else _RULES.get(op.type)
    if rule is None or (rule is not _cross and any(map(_may_differ, op.outputs))):
        raise NotStackableError(op.type)
    return rule


def is_exact(op: tf.Operation) -> bool:
    """Whether an op is of each element alone, and gives the same bits whatever elements stand beside it."""
    if op.type == "Cast":
        # What becomes of numbers out of range differs where the processor has no instruction for the type.
        to = op.outputs[0].dtype
        return op.inputs[0].dtype.is_integer or not to.is_integer or to in (tf.int32, tf.int64)
    return op.type in op_table.EXACT or (op.type in op_table.EXACT_OF_INTEGERS and op.inputs[0].dtype.is_integer)


def _may_differ(tensor: tf.Tensor) -> bool:
    """Whether records may have a tensor […] of different shapes, which no tensor [batch, …] could hold."""
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


def _elementwise(stack: Stacked, op: tf.Operation) -> Outputs:
    """Inputs of fewer dimensions get dimensions of one behind that of the batch, as broadcasting would add them."""
    # [batch, 2] and [3, 2] of a record would meet as [batch, 2] and [3, 2] of the batch.
    rank = max(tensor.shape.rank for tensor in op.inputs)

    def aligned(tensor: tf.Tensor) -> tf.Tensor:
        value = stack.value(tensor)
        if stack.is_stacked(tensor):
            for _ in range(rank - tensor.shape.rank):
                value = tf.expand_dims(value, 1)
        return value

    return stack.like(op, [aligned(tensor) for tensor in op.inputs])


def _first_alone(stack: Stacked, op: tf.Operation) -> Outputs:
    """An op whose first input is a record's, and whose other ones are the same for all."""
    if any(map(stack.is_stacked, op.inputs[1:])):
        raise NotStackableError(op.type)
    return stack.like(op, [stack.value(tensor) for tensor in op.inputs])


def _part_of_text(stack: Stacked, op: tf.Operation) -> Outputs:
    """From the same place on in all texts."""
    if any(tensor.shape.rank != 0 for tensor in op.inputs[1:]):
        raise NotStackableError(op.type)
    return _first_alone(stack, op)


def _parse(stack: Stacked, op: tf.Operation) -> Outputs:
    """Dense features of an Example [], which is one of several, or of Examples [n]: a batch that is one of several."""
    kinds = ("sparse_types", "ragged_value_types") if op.type == "ParseExampleV2" else ("sparse_types",)
    rank = op.inputs[0].shape.rank
    if any(op.get_attr(kind) for kind in kinds) or any(map(stack.is_stacked, op.inputs[1:])) or rank not in (0, 1):
        raise NotStackableError(op.type)
    serialized = stack.value(op.inputs[0])
    examples = tf.reshape(serialized, [-1])
    if op.type == "ParseExampleV2":
        # The second input, the name of an Example, is for messages, which tell its place in the batch instead.
        _, _, *rest = map(stack.value, op.inputs)
        parsed: Outputs = stack.like(op, [examples, tf.constant([], tf.string), *rest])
    else:
        parsed = _parsed_together(op, examples, [stack.value(tensor) for tensor in op.inputs[1:]])
    if rank == 0:
        return parsed
    return [tf.reshape(part, tf.concat([tf.shape(serialized), tf.shape(part)[1:]], 0)) for part in parsed]


def _parsed_together(op: tf.Operation, examples: tf.Tensor, defaults: Sequence[tf.Tensor]) -> Outputs:
    """What a ParseSingleExample gives for each of several Examples.

    Args:
      op: of one.
      examples: serialized, string [batch].
      defaults: of the dense features, in their shapes […].

    Returns:
      The dense features, [batch, …] each.
    """
    return tf.raw_ops.ParseExampleV2(
        serialized=examples,
        names=tf.constant([], tf.string),
        sparse_keys=tf.constant([], tf.string),
        dense_keys=op.get_attr("dense_keys"),
        ragged_keys=tf.constant([], tf.string),
        dense_defaults=defaults,
        num_sparse=0,
        sparse_types=[],
        ragged_value_types=[],
        ragged_split_types=[],
        dense_shapes=op.get_attr("dense_shapes"),
    )[-1]


def _behind(axis: Any) -> int:
    """The number of a dimension of a record […] in a batch [batch, …]."""
    return int(axis) + 1 if int(axis) >= 0 else int(axis)


# Rules for ops that move values. Dimensions are counted behind the batch's from the left, and as before from the right.


def _pack(stack: Stacked, op: tf.Operation) -> Outputs:
    return [tf.stack([stack.whole(tensor) for tensor in op.inputs], _behind(op.get_attr("axis")))]


def _unpack(stack: Stacked, op: tf.Operation) -> Outputs:
    return tf.unstack(stack.value(op.inputs[0]), op.get_attr("num"), _behind(op.get_attr("axis")))


def _concat(stack: Stacked, op: tf.Operation) -> Outputs:
    *parts, axis = op.inputs
    return [tf.concat([stack.whole(tensor) for tensor in parts], _behind(_constant(axis)))]


def _split(stack: Stacked, op: tf.Operation) -> Outputs:
    axis, value = op.inputs
    return tf.split(stack.value(value), op.get_attr("num_split"), _behind(_constant(axis)))


def _split_sizes(stack: Stacked, op: tf.Operation) -> Outputs:
    value, sizes, axis = op.inputs
    return tf.split(stack.value(value), _constant(sizes), _behind(_constant(axis)))


def _expand(stack: Stacked, op: tf.Operation) -> Outputs:
    value, axis = op.inputs
    return [tf.expand_dims(stack.value(value), _behind(_constant(axis)))]


def _to_shape(stack: Stacked, op: tf.Operation) -> Outputs:
    """Reshaping and squeezing: the shape of a record is known."""
    # With the number of records, since -1 may stand in one place only and says nothing of tensors without elements.
    value, shape = stack.value(op.inputs[0]), op.outputs[0].shape.as_list()
    return [tf.reshape(value, tf.stack([stack.batch, *shape]))]


def _strided_slice(stack: Stacked, op: tf.Operation) -> Outputs:
    """The batch's dimension is taken whole: bit 0 of the masks is its own."""
    if (taken := windows.part(stack, op)) is not None:
        return [taken.rows(stack)]
    value, *bounds = op.inputs
    constants = [_constant(bound) for bound in bounds]
    begin, end, strides = (np.insert(bound, 0, first) for bound, first in zip(constants, (0, 0, 1), strict=True))
    # An ellipsis or a new dimension among the others moves with them by the shift.
    masks = {name: op.get_attr(f"{name}_mask") << 1 for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}
    masks = {f"{name}_mask": mask | (name in ("begin", "end")) for name, mask in masks.items()}
    return [tf.raw_ops.StridedSlice(input=stack.value(value), begin=begin, end=end, strides=strides, **masks)]


def _slice(stack: Stacked, op: tf.Operation) -> Outputs:
    value, begin, size = op.inputs
    return [tf.slice(stack.value(value), [0, *_constant(begin)], [-1, *_constant(size)])]


def _transpose(stack: Stacked, op: tf.Operation) -> Outputs:
    value, order = op.inputs
    return [tf.transpose(stack.value(value), [0, *(_constant(order) + 1)])]


def _gather(stack: Stacked, op: tf.Operation) -> Outputs:
    """Places that are the same for all records in values of each; or of values for all the rows that a record names."""
    params, indices, axis = op.inputs
    where = int(_constant(axis))
    if op.get_attr("batch_dims") or (stack.is_stacked(params) and stack.is_stacked(indices)):
        raise NotStackableError(op.type)
    # The dimension that is gathered from is one of the record, or the first of a table that all records share.
    if stack.is_stacked(params):
        return [tf.gather(stack.value(params), stack.value(indices), axis=_behind(where))]
    if where:
        raise NotStackableError(op.type)
    if (taken := windows.gathered(stack, op)) is not None:
        return [taken.rows(stack)]
    return [tf.gather(stack.value(params), stack.value(indices))]


def _one_hot(stack: Stacked, op: tf.Operation) -> Outputs:
    indices, depth, on, off = op.inputs
    if any(map(stack.is_stacked, (depth, on, off))):
        raise NotStackableError(op.type)
    given = [stack.value(tensor) for tensor in op.inputs]
    return [tf.one_hot(*given, axis=_behind(op.get_attr("axis")), dtype=op.outputs[0].dtype)]


def _join(stack: Stacked, op: tf.Operation) -> Outputs:
    # Scalars beside tensors are joined with each of their texts, which a [batch] beside [batch, n] is not.
    if len({tensor.shape.rank for tensor in op.inputs}) > 1:
        raise NotStackableError(op.type)
    return [tf.strings.join([stack.whole(tensor) for tensor in op.inputs], op.get_attr("separator"))]


def _lookup(stack: Stacked, op: tf.Operation) -> Outputs:
    """Keys in a table, or what is said for all keys that it has not."""
    if stack.is_stacked(op.inputs[0]) or stack.is_stacked(op.inputs[2]):
        raise NotStackableError(op.type)
    return stack.like(op, [stack.value(tensor) for tensor in op.inputs])


def _cross(stack: Stacked, op: tf.Operation) -> Outputs:
    """Hashes of combinations of dense features [rows, n], each row by itself, which are brought into a known shape."""
    indices, values, shape = op.outputs
    users = values.consumers()
    known = users and all(user.type == "Reshape" and user.outputs[0].shape.is_fully_defined() for user in users)
    if op.get_attr("N") or indices.consumers() or shape.consumers() or not known:
        raise NotStackableError(op.type)
    rows = [stack.whole(tensor) for tensor in op.inputs]
    flat = [tf.reshape(one, tf.concat([[-1], tf.shape(one)[2:]], 0)) for one in rows]
    crossed = stack.like(op, flat)
    return [crossed[0], tf.reshape(crossed[1], tf.stack([stack.batch, -1])), crossed[2]]


def _same_shape(stack: Stacked, op: tf.Operation) -> Outputs:
    """What only says what the shape is, which is known."""
    return [stack.value(tensor) for tensor in op.inputs]


_RULES: Mapping[str, Rule] = {
    **dict.fromkeys(op_table.OF_TEXTS, _first_alone),
    "ConcatV2": _concat,
    "DecodeCSV": _first_alone,
    "DecodeRaw": _first_alone,
    "EnsureShape": _same_shape,
    "ExpandDims": _expand,
    "GatherV2": _gather,
    "IdentityN": _same_shape,
    "LookupTableFindV2": _lookup,
    "OneHot": _one_hot,
    "Pack": _pack,
    "ParseExampleV2": _parse,
    "ParseSingleExample": _parse,
    "Reshape": _to_shape,
    "Slice": _slice,
    "SparseCross": _cross,
    "Split": _split,
    "SplitV": _split_sizes,
    "Squeeze": _to_shape,
    "StridedSlice": _strided_slice,
    "StringJoin": _join,
    "Substr": _part_of_text,
    "Transpose": _transpose,
    "Unpack": _unpack,
}
