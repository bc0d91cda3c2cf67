"""The rule by which a copy of a graph does beside each shard what the graph does with a whole variable.

A model function, its gradients and its optimizer use a large variable as if it were in one place. In the copy, a lookup
asks each shard for the rows that it has, a sparse update goes to the shards of the rows that it updates, and arithmetic
over all rows (an optimizer's decay of its moments) runs beside each shard; the idea is GSPMD's (Xu et al., 2021), over
rows alone. Only where an operation takes the variable whole are its rows fetched, and that is noted.

An example: a model looks rows of `table` [5, 2] up and multiplies them by `w` [2, 1]; the table's rows 0 to 2 are on
server 0, rows 3 and 4 on server 1, and `w` is an ordinary variable. The batch asks for rows [4, 0, 4]::

    ids [3] ─► ResourceGather(table) ─► [3, 2] ─► MatMul(w) ─► …

becomes, with the numbers that the rows have in their shard::

    ids [3] ─► partition ─┬─ [0]    ─► ResourceGather(rows 0 to 2) on server 0 ─► [1, 2] ─┐
                          └─ [1, 1] ─► ResourceGather(rows 3, 4) on server 1 ─► [2, 2] ───┴─► stitch
                                                                                                │
                                                                       … ◄─ MatMul(w) ◄─ [3, 2] ┘

and the update of those rows by gradients [3, 2] likewise::

    grad [3, 2] ─► partition ─┬─ [1, 2] ─► ResourceScatterSub(rows 0 to 2, [0]) on server 0
                              └─ [2, 2] ─► ResourceScatterSub(rows 3, 4, [1, 1]) on server 1
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.graph import op_table
from trainer.estimator.graph.sharded_tensors import ShardedRef, ShardedTensor, ShardedValues

Outputs = Sequence[Any] | None
"""What an op's outputs become: tensors or ShardedTensors; None where it has to take its inputs whole."""


class RowSharding:
    """The rewrite of a copier for graphs with row-sharded variables.

    Args:
      values: what the variables became in the copy.
      ops: what is copied, in order.
    """

    def __init__(self, values: ShardedValues, ops: Sequence[tf.Operation]) -> None:
        self.values = values
        self._order = {op: index for index, op in enumerate(ops)}

    def __call__(self, op: tf.Operation) -> Outputs:
        """What the outputs of an operation become in the copy."""
        values, copier = self.values, self.values.copier
        if not any(values.ref(tensor) or values.sharded(tensor) for tensor in op.inputs):
            return _dense_gradient(values, op) if op.type == "UnsortedSegmentSum" else None
        outputs = self._by_rows(op)
        if outputs is None:
            return copier.same(op, [values.plain(tensor, op) for tensor in op.inputs])
        # What waits for the operation waits for all that it became.
        copies = [tensor.op for output in outputs for tensor in _tensors(output)]
        copier.stands_for(op, copies)
        if op.type == "GatherV2":  # it reads the variable: what waits for the reading waits for it
            copier.stands_for(op.inputs[0].op, copies)
        return outputs

    def whole(self, tensor: tf.Tensor) -> tf.Tensor:
        """The copy of a tensor that is fetched, of any shape [...]."""
        sharded = self.values.sharded(tensor)
        return self.values.copier.copy_of(tensor) if sharded is None else self.values.whole(sharded, "a fetch")

    def _by_rows(self, op: tf.Operation) -> Outputs:
        """The outputs of an operation done beside each shard; None when it takes a variable or a tensor whole."""
        ref = self.values.ref(op.inputs[0])
        if ref is not None:
            # A loop or an op that the table does not know wants the one handle of the whole.
            if not op_table.runs_by_rows(op):
                return None
            if op.type == op_table.READ and self._is_only_looked_up(op):
                return [ShardedTensor(ref, None)]
            return _ON_HANDLES.get(op.type, _update)(self.values, op, ref)
        sharded = next(filter(None, map(self.values.sharded, op.inputs)), None)
        if sharded is None:  # a handle that is not the first input, as a branch takes it
            return None
        rewrite = _elementwise if op.type in op_table.ELEMENTWISE else _ON_TENSORS.get(op.type)
        return None if rewrite is None else rewrite(self.values, op, sharded)

    def _is_only_looked_up(self, read: tf.Operation) -> bool:
        """Whether nothing but lookups takes what is read, before anything is written: then rows are looked up where
        they are, and no copy of all of them is made."""
        users = [op for op in read.outputs[0].consumers() if op in self._order]
        if not all(op_table.is_lookup(op, read.outputs[0]) for op in users):
            return False
        last = max((self._order[op] for op in users), default=0)
        writes = [op for op in read.inputs[0].consumers() if op in self._order and op_table.is_update(op)]
        return not any(self._order[read] < self._order[op] < last for op in writes)


def _tensors(output: Any) -> Sequence[tf.Tensor]:
    """What stands for an output in the copy: one tensor [rows, …], or its shards, [rows of the shard, …] each."""
    return output.pieces or () if isinstance(output, ShardedTensor) else (output,)


# Operations on the handle of a variable


def _read(values: ShardedValues, op: tf.Operation, ref: ShardedRef) -> Outputs:
    return [ShardedTensor(ref, values.read(ref))]


def _gather(values: ShardedValues, op: tf.Operation, ref: ShardedRef) -> Outputs:
    return [values.lookup(ref, None, values.plain(op.inputs[1], op))]


def _variable_shape(values: ShardedValues, op: tf.Operation, ref: ShardedRef) -> Outputs:
    return [tf.constant(ref.shape.as_list(), op.outputs[0].dtype)]


def _is_initialized(values: ShardedValues, op: tf.Operation, ref: ShardedRef) -> Outputs:
    return [tf.raw_ops.VarIsInitializedOp(resource=values.handle(ref, 0))]


def _update(values: ShardedValues, op: tf.Operation, ref: ShardedRef) -> Outputs:
    """An operation that writes, done beside each shard; an update has no outputs."""
    arguments = dict(zip((argument.name for argument in op.op_def.input_arg), op.inputs, strict=True))
    parts = (_sparse_parts if "indices" in arguments else _dense_parts)(values, op, ref, arguments)
    for shard, device in enumerate(ref.rows.devices):
        values.copier.like(op, [parts[name][shard] for name in arguments], device)
    return []


def _sparse_parts(
    values: ShardedValues, op: tf.Operation, ref: ShardedRef, arguments: Mapping[str, tf.Tensor]
) -> dict[str, Sequence[tf.Tensor]]:
    """The arguments of a sparse update for each shard.

    Args:
      values: what tensors became in the copy.
      op: the update.
      ref: the variable that it updates.
      arguments: by name; `indices` of any shape, the new values [*shape of indices, *shape of a row].

    Returns:
      For each argument its values by shard: numbers of rows [n], values [n, *shape of a row], handles and rates [].
    """
    # A gradient that is a scalar is the same for every row, as in `scatter_add(1.0)`.
    by_row = [name for name in ("grad", "updates") if name in arguments and arguments[name].shape.rank != 0]
    ids = tf.reshape(values.plain(arguments["indices"], op), [-1])
    rows = [tf.reshape(values.plain(arguments[name], op), [-1, *ref.shape[1:]]) for name in by_row]
    numbers, parts = values.partition(ref, ids, *rows)
    by_shard: dict[str, Sequence[tf.Tensor]] = {"indices": numbers, **dict(zip(by_row, parts, strict=True))}
    for name, tensor in arguments.items():
        if name not in by_shard:
            by_shard[name] = values.handles(op, tensor, ref) or [values.plain(tensor, op)] * len(ref.rows)
    return by_shard


def _dense_parts(
    values: ShardedValues, op: tf.Operation, ref: ShardedRef, arguments: Mapping[str, tf.Tensor]
) -> dict[str, Sequence[tf.Tensor]]:
    """The arguments of an update of all rows for each shard: handles, gradients [rows of the shard, …] and rates [].

    Args:
      values: what tensors became in the copy.
      op: the update.
      ref: the variable that it updates.
      arguments: by name; the gradient [rows, …].
    """
    return {
        name: values.handles(op, tensor, ref) or values.pieces(op, tensor, ref) for name, tensor in arguments.items()
    }


# Operations on tensors that have a row for each of a variable's


def _take_rows(values: ShardedValues, op: tf.Operation, sharded: ShardedTensor) -> Outputs:
    """A lookup in a dense tensor, [rows, …]; one along another axis takes it whole."""
    if values.sharded(op.inputs[0]) is None or not op_table.is_lookup(op, op.inputs[0]):
        return None
    return [values.lookup(sharded.ref, sharded.pieces, values.plain(op.inputs[1], op))]


def _pass_on(values: ShardedValues, op: tf.Operation, sharded: ShardedTensor) -> Outputs:
    return [values.sharded(tensor) or values.plain(tensor, op) for tensor in op.inputs]


def _shape(values: ShardedValues, op: tf.Operation, sharded: ShardedTensor) -> Outputs:
    if sharded.ref.row_ids is not None:
        return None
    return [tf.constant(op.inputs[0].shape.as_list(), op.outputs[0].dtype)]


def _l2_loss(values: ShardedValues, op: tf.Operation, sharded: ShardedTensor) -> Outputs:
    return None if sharded.ref.row_ids is not None else [_added(values, op, sharded)]


def _sum(values: ShardedValues, op: tf.Operation, sharded: ShardedTensor) -> Outputs:
    """A sum over all elements; one along some axes takes the tensor whole."""
    axes = tf.get_static_value(op.inputs[1])
    over_everything = axes is not None and len(set(axes.ravel())) == op.inputs[0].shape.rank
    if sharded.ref.row_ids is not None or not over_everything or op.get_attr("keep_dims"):
        return None
    return [_added(values, op, sharded)]


def _added(values: ShardedValues, op: tf.Operation, sharded: ShardedTensor) -> tf.Tensor:
    """A sum over everything, []: each shard's, added up."""
    sums = []
    for shard, piece in enumerate(sharded.pieces or values.read(sharded.ref)):
        others = [values.plain(tensor, op) for tensor in op.inputs[1:]]
        sums += values.copier.like(op, [piece, *others], sharded.ref.rows.devices[shard])
    return tf.add_n(sums)


def _elementwise(values: ShardedValues, op: tf.Operation, sharded: ShardedTensor) -> Outputs:
    """Arithmetic on all rows beside each shard: of [rows, …] and of what is broadcast along it."""
    ref = sharded.ref
    if any(tensor.shape.rank is None or tensor.shape.rank > ref.shape.rank for tensor in op.inputs):
        return None
    # Two tables of the same shape on other servers: their rows meet nowhere.
    if not all(other.ref.lies_with(ref) for other in filter(None, map(values.sharded, op.inputs))):
        return None
    inputs = [values.pieces(op, tensor, ref) for tensor in op.inputs]
    by_shard = [
        values.copier.like(op, [pieces[shard] for pieces in inputs], device)
        for shard, device in enumerate(ref.rows.devices)
    ]
    return [ShardedTensor(ref, list(pieces)) for pieces in zip(*by_shard, strict=True)]


def _dense_gradient(values: ShardedValues, op: tf.Operation) -> Outputs:
    """The dense form of a sparse gradient, made beside each shard; None for any other sum by segments.

    Keras's optimizers turn a sparse gradient, values [n, …] for rows [n], into a dense one, [rows, …]. Done beside the
    shards, only the gradient's own rows travel.
    """
    alike = [ref for ref in values.refs.values() if op.outputs[0].shape == ref.shape]
    # A shape that variables in different places have does not tell which of them the gradient is of.
    if not alike or not all(ref.lies_with(alike[0]) for ref in alike) or op.inputs[1].shape.rank != 1:
        return None
    ref = alike[0]
    data, ids = (values.plain(tensor, op) for tensor in op.inputs[:2])
    numbers, (parts,) = values.partition(ref, ids, data)
    if ref.row_ids is None:
        sizes: Sequence[tf.Tensor] = [tf.constant(size, op.inputs[2].dtype) for size in ref.rows.sizes]
    else:
        sizes = [tf.size(values.copier.copy_of(ref.row_ids), op.inputs[2].dtype)]
    pieces = [
        values.copier.like(op, [parts[shard], numbers[shard], sizes[shard]], device)[0]
        for shard, device in enumerate(ref.rows.devices)
    ]
    return [ShardedTensor(ref, pieces)]


# What has no entry, but writes, is an update.
_ON_HANDLES: Mapping[str, Callable[[ShardedValues, tf.Operation, ShardedRef], Outputs]] = {
    op_table.READ: _read,
    "ResourceGather": _gather,
    "VariableShape": _variable_shape,
    "VarIsInitializedOp": _is_initialized,
}
# Beside arithmetic by elements.
_ON_TENSORS: Mapping[str, Callable[[ShardedValues, tf.Operation, ShardedTensor], Outputs]] = {
    "GatherV2": _take_rows,
    "IdentityN": _pass_on,
    "Shape": _shape,
    "L2Loss": _l2_loss,
    "Sum": _sum,
}
