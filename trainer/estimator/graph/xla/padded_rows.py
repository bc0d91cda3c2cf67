"""The rule by which a copy of a graph updates rows of variables in shapes that XLA knows before it runs.

An optimizer first sums the gradients of a row that a batch looks up more than once, and then changes each row once. How
many rows those are depends on the batch, and XLA compiles nothing of such a shape. So every looked-up row keeps a place
of its own, and those that name a row again are given the number of a row that no variable has: XLA writes no such row.
Of the rows [7, 3, 7]::

    what TensorFlow does                          the copy
    Unique ─► rows [7, 3], places [0, 1, 0]       rows [7, 3, none], places [0, 1, 0]
    UnsortedSegmentSum ─► gradients [2, …]        gradients [3, …], the last one 0
    ResourceSparseApplyAdagrad                    gathers, the same arithmetic, and scatters the rows that there are

A variable of no more rows than a batch looks up is rather changed as a whole: each of its rows has the place of its own
number, and those that the batch does not name stay. Of a variable of 9 rows::

    rows [none, none, none, 3, none, none, none, 7, none], gradients [9, …], no gathers and no scatters

Sums are made in the order of the batch, as TensorFlow makes them.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from trainer.estimator.graph import op_table
from trainer.estimator.graph.inside import copying
from trainer.estimator.graph.subgraphs import Copier
from trainer.estimator.graph.xla import row_updates

NO_ROW = 2**31 - 1
_MOST_ROWS = 1024
"""Looked up in a batch. Each is compared with each, which then takes 0.2 ms; above, steps stay a graph."""
_MOST_SUMMED = 2048
"""Numbers in gradients that are summed all at once, as `summed` does it; for more of them XLA's loop takes less."""
_BY_INDICES = frozenset({*op_table.GATHERS, "GatherV2", "ResourceScatterAdd", "ResourceScatterSub", *row_updates.RULES})


class PaddedRows:
    """The rewrite of a copier for what XLA will compile.

    Args:
      copier: copies the graph.
    """

    def __init__(self, copier: Copier) -> None:
        self._copier = copier
        self._padded: dict[tf.Operation, int | None] = {}
        """The rows of the variable that is changed as a whole, by the op that finds those of the batch."""

    def __call__(self, op: tf.Operation) -> Sequence[tf.Tensor] | None:
        """What the outputs of an operation, [...], become in the copy; None where it stays as it is."""
        if op.type == "Unique" and can_be_padded(op):
            self._padded[op] = whole = _rows_of_whole(op)
            rows = self._copier.copy_of(op.inputs[0])
            return padded(rows) if whole is None else [named(rows, whole), rows]
        if op.type == "UnsortedSegmentSum" and op.inputs[1].op in self._padded:
            values, places, _ = map(self._copier.copy_of, op.inputs)
            few = (values.shape.num_elements() or _MOST_SUMMED + 1) <= _MOST_SUMMED
            count = self._padded[op.inputs[1].op] or int(values.shape[0])
            return [summed(values, places, count) if few else tf.math.unsorted_segment_sum(values, places, count)]
        # Rows that an op names more than once are changed one after the other: only those of a Unique are not.
        if op.type not in row_updates.RULES or _indices(op).op not in self._padded:
            return None
        inputs = [self._copier.copy_of(tensor) for tensor in op.inputs]
        writes = row_updates.written(op, inputs, whole=self._padded[_indices(op).op] is not None)
        self._copier.stands_for(op, writes)
        return []


def padded(rows: tf.Tensor) -> list[tf.Tensor]:
    """The numbers of rows, each once and in the place where it comes first, and for each row that place.

    Args:
      rows: int32 or int64 [n].

    Returns:
      Those [n], NO_ROW in the other places; and int32 [n].
    """
    # Without sorting: for as few rows as these, all comparisons are one loop. XLA vectorises minima over the first
    # dimension, but neither those over the last one nor places of maxima.
    numbers = tf.range(rows.shape[0])
    same = rows[:, tf.newaxis] == rows[tf.newaxis, :]
    first = tf.reduce_min(tf.where(same, numbers[:, tf.newaxis], NO_ROW), 0)
    is_first = first == numbers
    return [tf.where(is_first, rows, tf.constant(NO_ROW, rows.dtype)), first]


def named(rows: tf.Tensor, count: int) -> tf.Tensor:
    """All numbers of rows below `count`, [count], but NO_ROW in the places of those that are not among some, [n]."""
    numbers = tf.range(count, dtype=rows.dtype)
    found = tf.reduce_any(rows[:, tf.newaxis] == numbers[tf.newaxis, :], 0)
    return tf.where(found, numbers, tf.constant(NO_ROW, rows.dtype))


def summed(values: tf.Tensor, places: tf.Tensor, count: int) -> tf.Tensor:
    """The sums of the values of each place, in their order: XLA's own are a loop over the rows.

    Args:
      values: [n, …].
      places: int32 or int64 [n].
      count: of the places; values elsewhere are left out.

    Returns:
      [count, …], zeros in places without values.
    """
    flat = tf.reshape(values, [values.shape[0], -1])
    is_there = places[:, tf.newaxis] == tf.range(count, dtype=places.dtype)[tf.newaxis, :]
    chosen = tf.where(is_there[:, :, tf.newaxis], flat[:, tf.newaxis], tf.zeros([], values.dtype))
    # Over the first dimension, so that XLA vectorises the sums, each of which is still made in the values' order.
    return tf.reshape(tf.reduce_sum(chosen, 0), [count, *values.shape[1:]])


def can_be_padded(op: tf.Operation) -> bool:
    """Whether all that is done with the outputs of a Unique is the same if rows stand in it that no variable has."""
    rows, places = op.outputs
    given = op.inputs[0].shape
    if given.rank != 1 or given[0] is None or given[0] > _MOST_ROWS or places.dtype != tf.int32:
        return False
    sums, users = places.consumers(), [user for user in rows.consumers() if user.type != "Shape"]
    # The shape only says of how many rows the sums are.
    counts = [user for shape in rows.consumers() if shape.type == "Shape" for user in shape.outputs[0].consumers()]
    counted = all(_are_sums_of(rows, count.outputs[0].consumers()) for count in counts)
    by_indices = all(user.type in _BY_INDICES and _indices(user) is rows for user in users)
    return counted and by_indices and _are_sums_of(rows, sums) and _by_rows([*sums, *users])


def _rows_of_whole(op: tf.Operation) -> int | None:
    """How many rows the variables have whose rows a Unique finds, if they are no more than a batch looks up."""
    users = [user for user in op.outputs[0].consumers() if user.type != "Shape"]
    if not users or any(user.type not in row_updates.RULES for user in users):
        return None
    shapes = [copying.variable_shape(handle) for user in users for handle in row_updates.handles(user)]
    counts = {shape[0] if shape.rank else None for shape in shapes}
    (count, *others) = counts
    return count if not others and count is not None and count <= op.inputs[0].shape[0] else None


def _indices(op: tf.Operation) -> tf.Tensor:
    """The numbers of rows [n] that an op takes."""
    return op.inputs[[argument.name for argument in op.op_def.input_arg].index("indices")]


def _are_sums_of(rows: tf.Tensor, users: Sequence[tf.Operation]) -> bool:
    """Whether ops sum something for each of these rows, [n]."""

    def counts_rows(tensor: tf.Tensor) -> bool:
        if tensor.op.type != "StridedSlice" or tensor.op.inputs[0].op.type != "Shape":
            return False
        return tensor.op.inputs[0].op.inputs[0] is rows

    return all(user.type == "UnsortedSegmentSum" and counts_rows(user.inputs[2]) for user in users)


def _by_rows(ops: Sequence[tf.Operation]) -> bool:
    """Whether all that is computed of the results [n, …] of ops is of each row by itself, up to the row's update."""
    # A mean over the rows, say, would count the padding.
    waiting, known = list(ops), set(ops)
    while waiting:
        for tensor in waiting.pop().outputs:
            for user in tensor.consumers():
                if user in known or user.type in _BY_INDICES:
                    continue
                if user.type not in op_table.ELEMENTWISE:
                    return False
                known.add(user)
                waiting.append(user)
    return True
