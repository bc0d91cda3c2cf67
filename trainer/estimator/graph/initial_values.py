"""Initial values outside of every graph, and those of a large variable a block of rows at a time, where the rows are.

A model function gives an initial value as numbers, as a function, or as a tensor of its graph. Of numbers a block is
cut; of a random or a constant tensor, and of arithmetic on such, a block is made that never was part of a whole. For
example of `0.5 * tf.random.normal([4, 2], seed=7)` in two blocks, of the rows 0 to 2 and of row 3::

    the model's graph                                  the graph of the first block

    RandomStandardNormal([4, 2], seed 7) ─► Mul        RandomStandardNormal([3, 2], seed 7 and block 0) ─► Mul
    Const(0.5) ─────────────────────────────┘          Const(0.5) ─────────────────────────────────────────┘

Random blocks differ from each other and follow the seeds that the ops were given.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto

from trainer.estimator.graph import op_table
from trainer.estimator.graph.inside import copying
from trainer.estimator.graph.inside.model_graph import outside
from trainer.estimator.graph.pruning import UnfedError, prune
from trainer.estimator.graph.row_sharding import Block
from trainer.estimator.graph.subgraphs import Copier, ancestors, in_order


def evaluated(initial_value: Any) -> Any:
    """An initial value outside every graph: called if it is a function, computed if it is a tensor of a trace."""
    return computed(initial_value() if callable(initial_value) else initial_value)


def computed(value: Any) -> Any:
    """A tensor of a trace as its value, computed from what it needs and nothing else of its trace; others as they are.

    Raises:
      ValueError: it depends on what the trace is fed.
    """
    if not _is_traced(value):
        return value
    # Most initial values are constants, for which no function need be built.
    static = tf.get_static_value(value)
    if static is not None:
        return static
    try:
        with outside():
            return prune(value.graph, value)()
    except UnfedError as error:
        raise ValueError(
            f"The initial value {value.name} of a variable or a table depends on the features or the labels. "
            "An initial value may be numbers, a function, or a tensor made from constants, random ops and variables. "
            "Compute it from those"
        ) from error


def _is_traced(value: Any) -> bool:
    return tf.is_tensor(value) and isinstance(getattr(value, "graph", None), tf.Graph)


class _WholeError(Exception):
    """A tensor of which no block can be made without the rest."""


class Source:
    """An initial value whose shape is known and which is not computed yet.

    Args:
      value: what the model function gave: numbers, a tensor, or a function that gives one of those; a function is
        called once, in a graph that never runs as a whole.
      dtype: of the variable; None takes the value's.

    Attributes:
      plain: what to make an ordinary variable from, without calling a function twice that gives numbers.
    """

    def __init__(self, value: Any, dtype: Any) -> None:
        self.plain = value
        if callable(value):
            # In a graph, so that a function that fills a large tensor only says how, and nothing is computed yet.
            with outside(), copying.FuncGraph("initial_value").as_default():
                value = value()
            if not tf.is_tensor(value):
                self.plain = value
        # An array is left where it is: a tensor would be a second copy of a table that may fill the memory.
        if not isinstance(value, np.ndarray) and not tf.is_tensor(value):
            with outside():
                value = tf.convert_to_tensor(value, dtype)
        self.value = value
        self.shape, self.dtype = tf.TensorShape(value.shape), tf.as_dtype(value.dtype if dtype is None else dtype)

    def fill(self) -> Any:
        """The number that all values are; None where they are not known to be the same."""
        if not _is_traced(self.value):
            return None
        op = self.value.op
        return tf.get_static_value(op.inputs[1]) if op.type == "Fill" else _same_everywhere(op)

    def rows(self, block: Block, salt: str) -> Any:
        """The values of a block of rows, on the current device.

        Args:
          block: which rows.
          salt: tells the random numbers of this block from those of others.
        """
        if _is_traced(self.value):
            try:
                return _block_of(self.value, block, salt)
            except _WholeError:
                # Once for all blocks; the next ones are cut from it.
                self.value = computed(self.value)
        return self.value[block.start : block.stop]


def _same_everywhere(op: tf.Operation) -> Any:
    if op.type != "Const":
        return None
    # A constant of one number says it once in its protocol buffer, whatever its shape: nothing large is made to look.
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


def _block_of(tensor: tf.Tensor, block: Block, salt: str) -> tf.Tensor:
    """The values of a block of a traced tensor, [rows of the block, …]."""
    return tf.compat.v1.wrap_function(lambda: _BlockGraph(tensor, block, salt).output, [])()


class _BlockGraph:
    """Adds what makes one block of the rows of a traced tensor to the graph that is being built.

    Args:
      tensor: [rows, …].
      block: which rows.
      salt: tells the random numbers of this block from those of others.

    Attributes:
      output: [rows of the block, …].
    """

    def __init__(self, tensor: tf.Tensor, block: Block, salt: str) -> None:
        self._shape, self._block, self._salt = tensor.shape, block, salt
        self._copier = Copier()
        self._made: dict[int, tf.Tensor] = {}
        self.output = self._rows(tensor)

    def _rows(self, tensor: tf.Tensor) -> tf.Tensor:
        """The block's rows of a tensor that the whole is made from, or all of one that is broadcast along the rows.

        Of [rows, …] the rows [rows of the block, …]; a scalar, [columns] and [1, columns] stay as they are.
        """
        # An op whose values are used twice is made once: it would draw other random numbers the second time.
        if id(tensor) not in self._made:
            self._made[id(tensor)] = self._make_rows(tensor)
        return self._made[id(tensor)]

    def _make_rows(self, tensor: tf.Tensor) -> tf.Tensor:
        """As `_rows`: [rows of the block, …] of [rows, …]."""
        op, rank, count = tensor.op, self._shape.rank, self._shape[0]
        if tensor.shape.rank is None:
            raise _WholeError
        # Broadcast along the rows: a scalar, a bias of the columns, a tensor of one row.
        if tensor.shape.rank < rank or tensor.shape[0] == 1 != count:
            return self._alone(tensor)
        if tensor.shape[0] != count:
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
            case kind if kind in op_table.RANDOM:
                return self._random(op, shape)
            case kind if kind in op_table.STATELESS_RANDOM:
                return self._stateless(op, shape)
            case kind if kind in op_table.ELEMENTWISE:
                return self._like(op, [self._rows(part) for part in op.inputs])
            case _:
                raise _WholeError

    def _random(self, op: tf.Operation, shape: list[int]) -> tf.Tensor:
        """Random numbers [rows of the block, …], by a seed of the block's own where the op has one."""
        size = [tf.constant(shape, op.inputs[0].dtype)]
        # With the op's own seeds every block would start the same stream, and all blocks would be alike.
        if op.get_attr("seed") or op.get_attr("seed2"):
            salted = zlib.crc32(f"{op.get_attr('seed2')}/{self._salt}".encode())
            return self._like(op, size, {"seed2": tf.compat.v1.AttrValue(i=salted)})
        return self._like(op, size)

    def _stateless(self, op: tf.Operation, shape: list[int]) -> tf.Tensor:
        """Random numbers [rows of the block, …], by a key of the block's own."""
        _, key, counter, algorithm = op.inputs
        salted = self._alone(key) + tf.constant(zlib.crc32(self._salt.encode()), key.dtype)
        size = tf.constant(shape, op.inputs[0].dtype)
        return self._like(op, [size, salted, self._alone(counter), self._alone(algorithm)])

    def _like(
        self, op: tf.Operation, inputs: list[tf.Tensor], attributes: Mapping[str, Any] | None = None
    ) -> tf.Tensor:
        """The first output of an op on inputs that have the block's rows alone, [rows of the block, …].

        Args:
          op: of the source.
          inputs: in its order.
          attributes: that it has in place of its own, by name.
        """
        # Where the block is computed is where its rows are to be, not where the whole would have been.
        return self._copier.like(op, inputs, "", attributes)[0]

    def _alone(self, tensor: tf.Tensor) -> tf.Tensor:
        """A small tensor [...] as it is, with what it is made of."""
        ops = in_order(tensor.graph, ancestors([tensor.op], set()))
        # A random op would draw other numbers for each block, where the whole has the same in all rows.
        if any(op.type in op_table.PLACEHOLDERS or op.op_def.is_stateful for op in ops):
            raise _WholeError
        self._copier.copy(op for op in ops if not any(map(self._copier.has_copy, op.outputs)))
        return self._copier.copy_of(tensor)
