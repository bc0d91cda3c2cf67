"""Copies a part of a graph so that what it does with a variable happens where the variable's rows are.

A model function, its gradients and its optimizer use a large variable as if it were in one place. In the copy, a lookup
asks each holder for the rows that it has, a sparse update goes to the holders of the rows that it touches, and
arithmetic over all rows (an optimizer's decay of its moments) runs beside each run of rows; the idea is GSPMD's (Xu et
al., 2021), over rows alone. Only where an operation takes the variable whole are its rows fetched, and that is told.
"""

from __future__ import annotations

import dataclasses
import graphlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import func_graph
from tensorflow.python.ops import handle_data_util

from trainer.estimator.graph.row_sharding import Rows

_ELEMENTWISE = frozenset(
    {
        "Abs",
        "Add",
        "AddN",
        "AddV2",
        "Cast",
        "ClipByValue",
        "Div",
        "DivNoNan",
        "Equal",
        "Exp",
        "Greater",
        "GreaterEqual",
        "Identity",
        "Inv",
        "IsFinite",
        "IsNan",
        "Less",
        "LessEqual",
        "Log",
        "Log1p",
        "LogicalAnd",
        "LogicalNot",
        "LogicalOr",
        "Maximum",
        "Minimum",
        "Mul",
        "Neg",
        "NotEqual",
        "OnesLike",
        "Pow",
        "PreventGradient",
        "RealDiv",
        "Reciprocal",
        "Rsqrt",
        "SelectV2",
        "Sigmoid",
        "Sign",
        "Snapshot",
        "Sqrt",
        "Square",
        "SquaredDifference",
        "StopGradient",
        "Sub",
        "Tanh",
        "ZerosLike",
    }
)
_UPDATES = ("ResourceApply", "ResourceSparseApply", "ResourceScatter", "Assign")
_NOT_BY_ROWS = frozenset({"ResourceScatterNdUpdate", "ResourceScatterNdAdd", "ResourceScatterNdSub"})


@dataclasses.dataclass(frozen=True, eq=False)
class ShardedRef:
    """A variable that is held by rows, for one copy of a graph.

    Attributes:
      name: of the variable.
      shape: of the whole variable.
      dtype: of the variable.
      handles: of its runs: eager ones to capture, or tensors of the copy.
      rows: which run has which rows.
      touched: int64 [rows here], sorted: a tensor of the original graph, where only those rows of the one run are
        here; None when all are.
    """

    name: str
    shape: tf.TensorShape
    dtype: tf.DType
    handles: Sequence[tf.Tensor]
    rows: Rows
    touched: tf.Tensor | None = None


def takes_by_rows(op: tf.Operation) -> bool:
    """Whether an operation on a variable's handle can be done by the holders of its rows."""
    if op.type in _NOT_BY_ROWS:
        return False
    if op.type == "ResourceGather":
        return op.get_attr("batch_dims") == 0
    return op.type in ("ReadVariableOp", "VariableShape", "VarIsInitializedOp") or op.type.startswith(_UPDATES)


def looks_up(op: tf.Operation) -> bool:
    """Whether an operation on a variable's handle takes rows by their numbers, or reads it so that others may."""
    if op.type == "ReadVariableOp":
        return any(is_lookup(user, op.outputs[0]) for user in op.outputs[0].consumers())
    return op.type == "ResourceGather"


def is_lookup(op: tf.Operation, tensor: tf.Tensor) -> bool:
    """Whether an operation takes rows of a dense tensor by their numbers."""
    if op.type != "GatherV2" or op.inputs[0] is not tensor or op.get_attr("batch_dims") != 0:
        return False
    axis = tf.get_static_value(op.inputs[2])
    return axis is not None and int(axis) == 0


@dataclasses.dataclass(frozen=True, eq=False)
class _ShardedTensor:
    """A tensor of which each holder has its rows. Without pieces it is a variable that only lookups read."""

    held: ShardedRef
    pieces: list[tf.Tensor] | None


class Copier:
    """Copies operations of one graph to another.

    Args:
      source: the graph that a trace has made.
      target: where the copies go.
      held: the variables that are held by rows, by the id of their handle's placeholder in the source.
      home: the device of their stand-ins; what stands there goes anywhere. None when there are none.
    """

    def __init__(
        self,
        source: func_graph.FuncGraph,
        target: func_graph.FuncGraph,
        held: Mapping[int, ShardedRef],
        home: str | None,
    ) -> None:
        self._source, self._target, self._held, self._home = source, target, held, home
        self._tensors: dict[int, Any] = {}
        self._ops: dict[tf.Operation, list[tf.Operation]] = {}
        self._order = {op: index for index, op in enumerate(source.get_operations())}
        self._needed: set[tf.Operation] = set()
        self._placeholders: dict[int, tuple[tf.Tensor, tf.Tensor]] = {}
        self.moved: set[tuple[str, str]] = set()

    @property
    def captures(self) -> list[tuple[tf.Tensor, tf.Tensor]]:
        """The handles of runs that the copy uses, with their placeholders there."""
        return list(self._placeholders.values())

    def feed(self, tensor: tf.Tensor) -> tf.Tensor:
        """A placeholder in the copy for a tensor of the source."""
        with self._target.as_default(), tf.device(tensor.op.device):
            placeholder = tf.compat.v1.placeholder(tensor.dtype, tensor.shape, tensor.op.name)
        held = self._held.get(id(tensor))
        if held is None:
            handle_data_util.copy_handle_data(tensor, placeholder)
        else:  # some of its rows are here, and nobody knows how many
            shape = tf.TensorShape([None, *held.shape[1:]])
            handle_data_util.set_handle_data(placeholder, handle_data_util.create_handle_data(shape, held.dtype))
        self._tensors[id(tensor)], self._ops[tensor.op] = placeholder, [placeholder.op]
        return placeholder

    def copy(self, needed: set[tf.Operation]) -> None:
        """Copies the operations that are not fed."""
        self._needed = needed
        with self._target.as_default():
            for op in self._in_order(needed - set(self._ops)):
                if not (op.outputs and id(op.outputs[0]) in self._held):
                    self._copy(op)

    def _in_order(self, ops: set[tf.Operation]) -> Iterable[tf.Operation]:
        """Each behind what it needs: a gradient adds to the inputs of loops that were made before them."""
        sorter: graphlib.TopologicalSorter[tf.Operation] = graphlib.TopologicalSorter()
        for op in self._order:
            if op in ops:
                before = [*(tensor.op for tensor in op.inputs), *op.control_inputs]
                sorter.add(op, *(other for other in before if other in ops))
        return sorter.static_order()

    def tensor(self, tensor: tf.Tensor) -> tf.Tensor:
        """The copy of a tensor, whole."""
        copied = self._tensors[id(tensor)]
        if not isinstance(copied, _ShardedTensor):
            return copied
        with self._target.as_default():
            return self._whole(copied, "a fetch")

    def operations(self, op: tf.Operation) -> list[tf.Operation]:
        """What an operation became."""
        return self._ops[op]

    # One operation

    def _copy(self, op: tf.Operation) -> None:
        controls = [copied for control in op.control_inputs for copied in self._ops.get(control, ())]
        by_rows = any(id(tensor) in self._held for tensor in op.inputs) or any(
            isinstance(self._tensors.get(id(tensor)), _ShardedTensor) for tensor in op.inputs
        )
        with tf.control_dependencies(controls):
            outputs = self._by_rows(op) if by_rows else self._summed_where_held(op)
            if outputs is None:
                outputs = self._same(op, [self._plain(tensor, op) for tensor in op.inputs])
        for tensor, copied in zip(op.outputs, outputs, strict=True):
            self._tensors[id(tensor)] = copied

    def _made(self, op: tf.Operation, made: tf.Operation) -> tf.Operation:
        self._ops.setdefault(op, []).append(made)
        return made

    def _same(self, op: tf.Operation, inputs: Sequence[tf.Tensor], device: str | None = None) -> list[tf.Tensor]:
        """The same operation on other inputs."""
        attributes = {
            key: value
            for key, value in op.node_def.attr.items()
            if not key.startswith(("_class", "_tpu_replicate", "_output_shapes"))
        }
        place = device if device is not None else "" if op.device == self._home else op.device
        made = self._target._create_op_internal(  # create_op examines its arguments for as long as this takes
            op.type, list(inputs), [tensor.dtype for tensor in op.outputs], None, op.name, attributes, op.op_def, False
        )
        made._set_device(place)
        self._made(op, made)
        if device is None:
            for before, after in zip(op.outputs, made.outputs, strict=True):
                after.set_shape(before.shape)
                handle_data_util.copy_handle_data(before, after)
        return list(made.outputs)

    def _plain(self, tensor: tf.Tensor, op: tf.Operation) -> tf.Tensor:
        """The copy of an input that an operation takes whole."""
        held = self._held.get(id(tensor))
        if held is not None:
            if len(held.handles) != 1 or held.touched is not None:
                raise ValueError(
                    f"{op.type} {op.name} takes the variable {held.name} whole, which is held by rows. "
                    "Lookups, updates and arithmetic on all rows can be done by rows. "
                    "Use it that way in every mode, or keep the variable in one piece with a variable_partitioner"
                )
            return self._handle(held, 0)
        copied = self._tensors[id(tensor)]
        return self._whole(copied, op.type) if isinstance(copied, _ShardedTensor) else copied

    def _whole(self, sharded: _ShardedTensor, why: str) -> tf.Tensor:
        self.moved.add((sharded.held.name, why))
        pieces = sharded.pieces or self._read(sharded.held)
        return pieces[0] if len(pieces) == 1 else tf.concat(pieces, 0)

    def _read(self, held: ShardedRef) -> list[tf.Tensor]:
        return [
            _on(device, tf.raw_ops.ReadVariableOp, resource=self._handle(held, shard), dtype=held.dtype)
            for shard, device in enumerate(held.rows.devices)
        ]

    def _handle(self, held: ShardedRef, shard: int) -> tf.Tensor:
        """The handle of a run, in the copy."""
        handle = held.handles[shard]
        if getattr(handle, "graph", None) is self._source:  # one that is fed
            return self._tensors[id(handle)]
        if id(handle) not in self._placeholders:
            with self._target.as_default(), tf.control_dependencies(None):
                placeholder = tf.compat.v1.placeholder(tf.resource, [], f"{held.name}/rows")
            handle_data_util.copy_handle_data(handle, placeholder)
            self._placeholders[id(handle)] = handle, placeholder
        return self._placeholders[id(handle)][1]

    # By rows

    def _by_rows(self, op: tf.Operation) -> list[Any] | None:
        """The outputs of an operation on what is held by rows; None when it takes it whole."""
        before = len(self._target.get_operations())
        outputs = self._by_kind(op)
        if outputs is not None:
            known = set(self._ops.get(op, ()))
            made = [made for made in self._target.get_operations()[before:] if made not in known]
            self._ops.setdefault(op, []).extend(made)
            if op.type == "GatherV2":  # it reads the variable: what waits for the reading waits for it
                self._ops[op.inputs[0].op].extend(made)
        return outputs

    def _by_kind(self, op: tf.Operation) -> list[Any] | None:
        held = self._held.get(id(op.inputs[0])) if op.inputs else None
        if held is not None and not takes_by_rows(op):
            return None
        match op.type:
            case "ReadVariableOp" if held:
                self._ops.setdefault(op, [])
                return [_ShardedTensor(held, None if self._only_looked_up(op) else self._read(held))]
            case "ResourceGather" if held:
                return [self._lookup(held, None, self._plain(op.inputs[1], op))]
            case "VariableShape" if held:
                return [tf.constant(held.shape.as_list(), op.outputs[0].dtype)]
            case "VarIsInitializedOp" if held:
                return [tf.raw_ops.VarIsInitializedOp(resource=self._handle(held, 0))]
            case kind if held and kind.startswith(_UPDATES):
                return self._update(op, held)
            case _:
                return self._by_pieces(op)

    def _by_pieces(self, op: tf.Operation) -> list[Any] | None:
        first = next((tensor for tensor in op.inputs if self._is_sharded(tensor)), None)
        if first is None:
            return None
        sharded: _ShardedTensor = self._tensors[id(first)]
        match op.type:
            case "GatherV2" if is_lookup(op, first):
                return [self._lookup(sharded.held, sharded.pieces, self._plain(op.inputs[1], op))]
            case "IdentityN":
                return [self._tensors[id(tensor)] for tensor in op.inputs]
            case "Shape" if sharded.held.touched is None:
                return [tf.constant(first.shape.as_list(), op.outputs[0].dtype)]
            case "L2Loss" if sharded.held.touched is None:
                return [self._added(op, sharded)]
            case "Sum" if sharded.held.touched is None and _over_everything(op):
                return [self._added(op, sharded)]
            case kind if kind in _ELEMENTWISE:
                return self._elementwise(op, sharded)
            case _:
                return None

    def _is_sharded(self, tensor: tf.Tensor) -> bool:
        return isinstance(self._tensors.get(id(tensor)), _ShardedTensor)

    def _only_looked_up(self, read: tf.Operation) -> bool:
        """Whether nothing but lookups takes what is read, before anything is written: then rows are looked up where
        they are, and no copy of all of them is made."""
        users = [op for op in read.outputs[0].consumers() if op in self._needed]
        if not all(is_lookup(op, read.outputs[0]) for op in users):
            return False
        last = max((self._order[op] for op in users), default=0)
        writes = [op for op in read.inputs[0].consumers() if op in self._needed and op.type.startswith(_UPDATES)]
        return not any(self._order[read] < self._order[op] < last for op in writes)

    def _lookup(self, held: ShardedRef, pieces: list[tf.Tensor] | None, ids: tf.Tensor) -> tf.Tensor:
        """Rows by their numbers: [*shape of ids, *shape of a row]."""
        flat = tf.reshape(ids, [-1])
        numbers, (positions,) = self._parted(held, flat, tf.range(tf.size(flat)))
        found = []
        for shard, device in enumerate(held.rows.devices):
            with tf.device(device or None):
                if pieces:
                    found.append(tf.gather(pieces[shard], numbers[shard]))
                else:
                    handle = self._handle(held, shard)
                    found.append(tf.raw_ops.ResourceGather(resource=handle, indices=numbers[shard], dtype=held.dtype))
        rows = found[0] if len(found) == 1 else tf.raw_ops.ParallelDynamicStitch(indices=positions, data=found)
        tail = held.shape.as_list()[1:]
        shaped = tf.reshape(rows, tf.concat([tf.shape(ids), tail], 0))
        return tf.ensure_shape(shaped, ids.shape.concatenate(tail))

    def _parted(
        self, held: ShardedRef, ids: tf.Tensor, *others: tf.Tensor
    ) -> tuple[list[tf.Tensor], list[list[tf.Tensor]]]:
        """As `Rows.parted`, and where only some rows are here, their places among those."""
        if held.touched is None:
            return held.rows.parted(ids, *others)
        return [self._found(held, ids)], [[other] for other in others]

    def _found(self, held: ShardedRef, ids: tf.Tensor) -> tf.Tensor:
        """The places of rows among those that are here; an error when one is not."""
        touched = self._tensors[id(held.touched)]
        wanted = tf.cast(ids, tf.int64)
        places = tf.minimum(tf.searchsorted(touched, wanted), tf.size(touched) - 1)
        missing = f"The step updates rows of {held.name} that it does not look up"
        check = tf.debugging.assert_equal(tf.gather(touched, places), wanted, missing)
        with tf.control_dependencies([check] if check is not None else []):
            return tf.cast(places, ids.dtype)

    def _update(self, op: tf.Operation, first: ShardedRef) -> list[tf.Tensor] | None:
        """An operation that writes, done by each holder."""
        arguments = dict(zip((argument.name for argument in op.op_def.input_arg), op.inputs, strict=True))
        if "indices" in arguments:
            parts = self._sparse_parts(op, first, arguments)
        else:
            parts = self._dense_parts(op, first, arguments)
        outputs: list[tf.Tensor] = []
        for shard, device in enumerate(first.rows.devices):
            outputs = self._same(op, [parts[name][shard] for name in arguments], device)
        return outputs

    def _sparse_parts(
        self, op: tf.Operation, first: ShardedRef, arguments: Mapping[str, tf.Tensor]
    ) -> dict[str, Sequence[tf.Tensor]]:
        dealt = [name for name in ("grad", "updates") if name in arguments and arguments[name].shape.rank != 0]
        ids = self._plain(arguments["indices"], op)
        flat, row = tf.reshape(ids, [-1]), [-1, *first.shape[1:]]
        values = [tf.reshape(self._plain(arguments[name], op), row) for name in dealt]
        numbers, parts = self._parted(first, flat, *values)
        found: dict[str, Sequence[tf.Tensor]] = dict(zip(dealt, parts, strict=True))
        found["indices"] = numbers
        for name, tensor in arguments.items():
            if name not in found:
                found[name] = self._handles(op, tensor, first) or [self._plain(tensor, op)] * len(first.rows)
        return found

    def _dense_parts(
        self, op: tf.Operation, first: ShardedRef, arguments: Mapping[str, tf.Tensor]
    ) -> dict[str, Sequence[tf.Tensor]]:
        return {
            name: self._handles(op, tensor, first) or self._pieces(op, tensor, first)
            for name, tensor in arguments.items()
        }

    def _handles(self, op: tf.Operation, tensor: tf.Tensor, first: ShardedRef) -> list[tf.Tensor]:
        """The handles of all runs of a variable; none for another tensor."""
        held = self._held.get(id(tensor))
        if held is None:
            return []
        if held.rows != first.rows or held.touched is not first.touched:
            raise ValueError(
                f"{op.type} {op.name} updates {first.name} and {held.name} together, whose rows are held in different "
                "places. Rows that are updated together are held together, as an optimizer's slots are"
            )
        return [self._handle(held, shard) for shard in range(len(held.rows))]

    def _elementwise(self, op: tf.Operation, first: _ShardedTensor) -> list[Any] | None:
        """Arithmetic on all rows, beside each run of them."""
        held = first.held
        rank = held.shape.rank
        if any(tensor.shape.rank is None or tensor.shape.rank > rank for tensor in op.inputs):
            return None
        others = [self._tensors[id(tensor)] for tensor in op.inputs if self._is_sharded(tensor)]
        if any(other.held.rows != held.rows or other.held.touched is not held.touched for other in others):
            return None
        inputs = [self._pieces(op, tensor, held) for tensor in op.inputs]
        made = [
            self._same(op, [pieces[shard] for pieces in inputs], device)
            for shard, device in enumerate(held.rows.devices)
        ]
        return [_ShardedTensor(held, list(pieces)) for pieces in zip(*made, strict=True)]

    def _pieces(self, op: tf.Operation, tensor: tf.Tensor, held: ShardedRef) -> list[tf.Tensor]:
        """Of a tensor with a row for each of the variable's, those of each run; of another one, itself."""
        copied = self._tensors.get(id(tensor))
        if isinstance(copied, _ShardedTensor):
            if copied.held.rows == held.rows:
                return copied.pieces or self._read(copied.held)
            copied = self._whole(copied, op.type)
        elif copied is None:
            copied = self._plain(tensor, op)
        if tensor.shape.rank != held.shape.rank or tensor.shape[0] == 1 != held.rows.count:
            return [copied] * len(held.rows)
        if held.touched is not None:
            return [tf.gather(copied, self._tensors[id(held.touched)])]
        return [copied] if len(held.rows) == 1 else tf.split(copied, held.rows.sizes)

    def _added(self, op: tf.Operation, sharded: _ShardedTensor) -> tf.Tensor:
        """A sum over everything: each holder's, added up."""
        sums = []
        for shard, piece in enumerate(sharded.pieces or self._read(sharded.held)):
            others = [self._plain(tensor, op) for tensor in op.inputs[1:]]
            sums += self._same(op, [piece, *others], sharded.held.rows.devices[shard])
        return tf.add_n(sums)

    def _summed_where_held(self, op: tf.Operation) -> list[Any] | None:
        """The dense form of a sparse gradient, made by the holders of the rows; None for anything else.

        Keras's optimizers turn a sparse gradient into a dense one. So only the gradient's own rows travel.
        """
        if op.type != "UnsortedSegmentSum":
            return None
        alike = [held for held in self._held.values() if op.outputs[0].shape == held.shape]
        places = {(held.rows, id(held.touched)) for held in alike}
        if len(places) != 1 or op.inputs[1].shape.rank != 1:
            return None
        held = alike[0]
        data, ids = (self._plain(tensor, op) for tensor in op.inputs[:2])
        numbers, (parts,) = self._parted(held, ids, data)
        if held.touched is None:
            sizes: Sequence[Any] = [tf.constant(size, op.inputs[2].dtype) for size in held.rows.sizes]
        else:
            sizes = [tf.size(self._tensors[id(held.touched)], op.inputs[2].dtype)]
        pieces = [
            self._same(op, [parts[shard], numbers[shard], sizes[shard]], device)[0]
            for shard, device in enumerate(held.rows.devices)
        ]
        return [_ShardedTensor(held, pieces)]


def _on(device: str, call: Callable[..., tf.Tensor], **arguments: Any) -> tf.Tensor:
    with tf.device(device or None):
        return call(**arguments)


def _over_everything(op: tf.Operation) -> bool:
    axes = tf.get_static_value(op.inputs[1])
    return axes is not None and not op.get_attr("keep_dims") and len(set(axes.ravel())) == op.inputs[0].shape.rank
