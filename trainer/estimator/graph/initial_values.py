"""Initial values of a large variable, a block of rows at a time, computed where the rows are to be.

A model function gives an initial value as numbers, as a function, or as a tensor of its graph. Of numbers a block is
cut; of a random or a constant tensor, and of arithmetic on such, a block is made that never was part of a whole. Random
blocks differ from each other and follow the seeds that the ops were given.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.python.eager import wrap_function
from tensorflow.python.eager.lift_to_graph import lift_to_graph
from tensorflow.python.framework import func_graph
from tensorflow.python.ops import op_selector

from trainer.estimator.graph.row_sharding import Block

_RANDOM = frozenset({"RandomUniform", "RandomStandardNormal", "TruncatedNormal"})
_STATELESS = frozenset({"StatelessRandomUniformV2", "StatelessRandomNormalV2", "StatelessTruncatedNormalV2"})
_ARITHMETIC = frozenset(
    {
        "Add",
        "AddV2",
        "Cast",
        "Exp",
        "Identity",
        "Log",
        "Mul",
        "Neg",
        "Pow",
        "RealDiv",
        "Square",
        "Sqrt",
        "Sub",
        "Tanh",
    }
)


class _WholeError(Exception):
    """A tensor of which no block can be made without the rest."""


class Source:
    """An initial value whose shape is known and which is not computed yet.

    Args:
      value: what the model function gave: numbers, a tensor, or a function that gives one of those; a function is
        called once, in a graph that never runs as a whole.
      dtype: of the variable; None takes the value's.
      whole: computes a tensor of a graph as it is, where no block of it can be made alone.

    Attributes:
      plain: what to make an ordinary variable from, without calling a function twice that gives numbers.
    """

    def __init__(self, value: Any, dtype: Any, whole: Callable[[Any], Any]) -> None:
        self._whole, self.plain = whole, value
        if callable(value):
            with func_graph.FuncGraph("initial_value").as_default():
                value = value()
            if not tf.is_tensor(value):
                self.plain = value
        if not isinstance(value, np.ndarray) and not tf.is_tensor(value):
            with tf.init_scope():
                value = tf.convert_to_tensor(value, dtype)
        self.value = value
        self.shape, self.dtype = tf.TensorShape(value.shape), tf.as_dtype(value.dtype if dtype is None else dtype)

    @property
    def _traced(self) -> bool:
        return isinstance(getattr(self.value, "graph", None), tf.Graph)

    def fill(self) -> Any:
        """The number that all values are; None where they are not known to be the same."""
        if not self._traced:
            return None
        op = self.value.op
        return tf.get_static_value(op.inputs[1]) if op.type == "Fill" else _same_everywhere(op)

    def rows(self, block: Block, salt: str) -> Any:
        """The values of a block of rows, on the current device.

        Args:
          block: which rows.
          salt: tells the random numbers of this block from those of others.
        """
        if self._traced:
            try:
                return _Blocks(self.value, block, salt).run()
            except _WholeError:
                self.value = self._whole(self.value)
        return self.value[block.start : block.stop]


def _same_everywhere(op: tf.Operation) -> Any:
    if op.type != "Const":
        return None
    proto: TensorProto = op.get_attr("value")
    if proto.tensor_content:
        return None
    values = tf.make_ndarray(TensorProto.FromString(_as_one(proto).SerializeToString()))
    return values.ravel()[0] if values.size == 1 else None


def _as_one(proto: TensorProto) -> TensorProto:
    """The same numbers without the shape that repeats the last of them."""
    counts = [len(getattr(proto, field.name)) for field in proto.DESCRIPTOR.fields if field.name.endswith("_val")]
    one = TensorProto()
    one.CopyFrom(proto)
    one.tensor_shape.Clear()
    one.tensor_shape.dim.add(size=max(counts))
    return one


class _Blocks:
    """One block of the rows of a traced tensor, as a graph."""

    def __init__(self, tensor: tf.Tensor, block: Block, salt: str) -> None:
        self._count, self._block, self._salt = tensor.shape[0], block, salt
        self._graph = func_graph.FuncGraph("initial_rows")
        self._lifted: Any = None
        with self._graph.as_default():
            self._output = self._rows(tensor)

    def run(self) -> tf.Tensor:
        self._graph.outputs.append(self._output)
        self._graph.structured_outputs = self._output
        return wrap_function.WrappedFunction(self._graph, wrap_function.VariableHolder())._call_flat([], [])

    def _rows(self, tensor: tf.Tensor) -> tf.Tensor:
        op = tensor.op
        if tensor.shape.rank == 0 or (tensor.shape.rank is not None and tensor.shape[0] == 1 != self._count):
            return self._alone(tensor)
        if tensor.shape.rank is None or tensor.shape[0] != self._count:
            raise _WholeError
        shape = [self._block.stop - self._block.start, *tensor.shape[1:]]
        match op.type:
            case "Fill":
                return tf.fill(shape, self._alone(op.inputs[1]))
            case "Const":
                fill = _same_everywhere(op)
                if fill is not None:
                    return tf.fill(shape, tf.constant(fill, tensor.dtype))
                return tf.constant(tf.make_ndarray(op.get_attr("value"))[self._block.start : self._block.stop])
            case kind if kind in _RANDOM:
                return self._random(op, shape)
            case kind if kind in _STATELESS:
                return self._stateless(op, shape)
            case kind if kind in _ARITHMETIC:
                return self._same(op, [self._rows(part) for part in op.inputs])
            case _:
                raise _WholeError

    def _random(self, op: tf.Operation, shape: list[int]) -> tf.Tensor:
        made = self._same(op, [tf.constant(shape, op.inputs[0].dtype)])
        if made.op.get_attr("seed") or made.op.get_attr("seed2"):
            salted = zlib.crc32(f"{made.op.get_attr('seed2')}/{self._salt}".encode())
            return self._same(op, [tf.constant(shape, op.inputs[0].dtype)], seed2=salted)
        return made

    def _stateless(self, op: tf.Operation, shape: list[int]) -> tf.Tensor:
        _, key, counter, algorithm = op.inputs
        salted = self._alone(key) + tf.constant(zlib.crc32(self._salt.encode()), key.dtype)
        inputs = [tf.constant(shape, op.inputs[0].dtype), salted, self._alone(counter), self._alone(algorithm)]
        return self._same(op, inputs)

    def _same(self, op: tf.Operation, inputs: list[tf.Tensor], **changes: int) -> tf.Tensor:
        attributes = {key: value for key, value in op.node_def.attr.items() if not key.startswith("_")}
        for key, value in changes.items():
            attributes[key] = tf.compat.v1.AttrValue(i=value)
        return self._graph.create_op(op.type, inputs, [op.outputs[0].dtype], attrs=attributes).outputs[0]

    def _alone(self, tensor: tf.Tensor) -> tf.Tensor:
        """A small tensor, with what it is made of."""
        try:
            self._lifted = lift_to_graph([tensor], self._graph, base_graph=tensor.graph, op_map=self._lifted)
        except op_selector.UnliftableError as error:
            raise _WholeError from error
        return self._lifted[tensor]
