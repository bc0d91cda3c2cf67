"""The rule by which a copy of a graph for XLA gives NaN where a gather is asked for a row that is not there.

TensorFlow's kernels raise an error for such a row. XLA takes the nearest one instead, the last row for any number that
is too large, so that a wrong number would be trained on in silence. Each row that was not there becomes NaN, which ends
the training at that step; the step is then made again as a graph, whose error names the number::

    rows [10, 4] ─► GatherV2 ─► [2, 4]            GatherV2 ─► SelectV2 ─► [2, 4], of which row 1 is NaN
    ids [2] = [3, 13] ──┘                         0 ≤ ids < 10 ──┘ └── NaN
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from trainer.estimator.graph import op_table
from trainer.estimator.graph.subgraphs import Copier
from trainer.estimator.graph.xla.padded_rows import NO_ROW


class InRange:
    """The rewrite of a copier for what XLA will compile.

    Args:
      copier: copies the graph.
    """

    def __init__(self, copier: Copier) -> None:
        self._copier = copier

    def __call__(self, op: tf.Operation) -> Sequence[tf.Tensor] | None:
        """What the outputs of an operation, [...], become in the copy; None where it stays as it is."""
        if not takes_rows(op):
            return None
        inputs = [self._copier.copy_of(tensor) for tensor in op.inputs]
        (taken,) = self._copier.same(op, inputs)
        rows = tf.raw_ops.ReadVariableOp(resource=inputs[0], dtype=taken.dtype) if _of_variable(op) else inputs[0]
        there = are_there(op, tf.shape(rows), inputs[1])
        return [tf.where(there, taken, tf.constant(np.nan, taken.dtype))]


def takes_rows(op: tf.Operation) -> bool:
    """Whether an operation takes numbers from places that are only known when it runs."""
    known = op.type in op_table.GATHERS | op_table.TENSOR_GATHERS and op.outputs[0].dtype.is_floating
    if not known or None in (op.outputs[0].shape.rank, op.inputs[1].shape.rank):
        return False
    # Numbers that are written in the graph were looked at when it was built.
    return tf.get_static_value(op.inputs[1]) is None


def _of_variable(op: tf.Operation) -> bool:
    return op.type in op_table.GATHERS


def are_there(op: tf.Operation, shape: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
    """Whether what each element of the result [...] stands for is there, bool, of as many dimensions.

    Args:
      op: the gather.
      shape: of what it takes from, int32 [rank].
      indices: integers [...]; of a `GatherNd`, [..., coordinates].
    """
    rank = op.outputs[0].shape.rank
    if op.type.endswith("Nd"):
        ends = tf.cast(shape[: indices.shape[-1]], indices.dtype)
        there = tf.reduce_all((indices >= 0) & (indices < ends), -1)
        before, after = indices.shape.rank - 1, rank - (indices.shape.rank - 1)
        return tf.reshape(there, tf.concat([tf.shape(indices)[:before], tf.ones([after], tf.int32)], 0))
    axis, own = _axis(op), _batch_dims(op)
    # The number that stands for none is in the places of rows that nobody reads (`padded_rows`).
    there = (indices >= 0) & (indices < tf.cast(shape[axis], indices.dtype)) | (indices == NO_ROW)
    sizes, ones = tf.shape(indices), tf.ones([rank], tf.int32)
    # [own dimensions of the batch, those up to the axis, those of the indices, those behind the axis]
    behind = rank - axis - (indices.shape.rank - own)
    return tf.reshape(there, tf.concat([sizes[:own], ones[: axis - own], sizes[own:], ones[:behind]], 0))


def _axis(op: tf.Operation) -> int:
    """The dimension, from the left, that numbers of rows count along."""
    if op.type != "GatherV2":
        return int(op.get_attr("batch_dims")) if _of_variable(op) else 0
    axis = int(tf.get_static_value(op.inputs[2]))
    return axis if axis >= 0 else axis + int(op.inputs[0].shape.rank)


def _batch_dims(op: tf.Operation) -> int:
    return int(op.get_attr("batch_dims")) if op.type in ("GatherV2", "ResourceGather") else 0
