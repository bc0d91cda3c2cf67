"""Windows of a table of numbers, gathered in blocks of rows: a copy for each row costs more than its numbers.

`tf.gather(series, starts[:, None] + tf.range(4))` takes rows that follow each other. Where the series is known and
small, each of its rows is laid beside the next ones, so that a window of 4 rows is 2 rows of this table, not 4::

    rows a b c d e     blocks ab bc cd de     the window of 4 from b on: bc, de

In windows of ETTh1, 432 rows of 28 bytes, a row takes 9 ns; a block of 6 takes 10.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from trainer.estimator.graph.input.stacked_tensors import Stacked

_BLOCK_BYTES = 128
"""Of rows that are taken at once, at least: to find a row takes as long as to copy so much."""
_MOST_TABLE_BYTES = 4 << 20
"""Of all blocks. More would not stay in the cache of a processor."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Windows:
    """What a gather takes for each record.

    Attributes:
      table: [rows, …].
      start: int [batch, …, 1], the row at which each window begins.
      first: of the rows of a window, counted from its start.
      length: how many rows.
    """

    table: tf.Tensor
    start: tf.Tensor
    first: int
    length: int

    def rows(self, stack: Stacked) -> tf.Tensor:
        """The rows of all windows, [batch, …, length, …]."""
        size = self._block()
        numbers = tf.range(self.first, self.first + self.length, size, dtype=self.start.dtype)
        # A start that is not in the table of blocks is none of a window in the series, and an error as it was.
        taken = tf.gather(self._blocks(stack, size), self.start + numbers)
        return tf.reshape(taken, tf.concat([tf.shape(self.start)[:-1], [self.length, *self.table.shape[1:]]], 0))

    def _block(self) -> int:
        """How many rows to take at once, of which a window is a multiple."""
        count, *row = self.table.shape.as_list()
        row_bytes = int(np.prod(row)) * self.table.dtype.size
        # There are about as many blocks as rows, each so many times as long.
        most = min(count, _MOST_TABLE_BYTES // max(1, count * row_bytes))
        sizes = [size for size in range(1, most + 1) if self.length % size == 0]
        enough = next((size for size in sizes if size * row_bytes >= _BLOCK_BYTES), max(sizes, default=1))
        return enough if enough > 1 and _known(self.table) is not None else 1

    def _blocks(self, stack: Stacked, size: int) -> tf.Tensor:
        """The table [rows - size + 1, size · …] of which each row is so many of the rows that follow each other."""
        if size == 1:
            return self.table
        key = id(self.table), size
        if key not in stack.blocks:
            blocks = np.lib.stride_tricks.sliding_window_view(np.asarray(_known(self.table)), size, axis=0)
            # A view with the rows of a block in its last dimension; they come before the numbers of a row.
            stack.blocks[key] = tf.constant(np.moveaxis(blocks, -1, 1).reshape(len(blocks), -1))
        return stack.blocks[key]


def gathered(stack: Stacked, gather: tf.Operation) -> Windows | None:
    """The windows that a gather in a function of a record takes; None where it may take other rows.

    Args:
      stack: what its inputs became.
      gather: a GatherV2 along the first dimension of a table, by indices of the record.
    """
    params, indices, _ = gather.inputs
    if indices.op.type != "AddV2":
        return None
    # What all records share, the numbers of the rows in a window, may stand on either side of the sum.
    start, numbers = sorted(indices.op.inputs, key=stack.is_stacked, reverse=True)
    of_one = start.shape.rank == 0 or (start.shape.rank is not None and start.shape[-1] == 1)
    count = None if stack.is_stacked(numbers) or not of_one else _known(stack.value(numbers))
    if count is None or count.ndim != 1 or len(count) < 2 or (count != count[0] + np.arange(len(count))).any():
        return None
    if not params.shape.is_fully_defined() or params.dtype == tf.string:
        return None
    # Of single starts, [batch], each takes the place of a row of windows.
    value = stack.value(start) if start.shape.rank else stack.value(start)[:, tf.newaxis]
    return Windows(table=stack.value(params), start=value, first=int(count[0]), length=len(count))


def part(stack: Stacked, op: tf.Operation) -> Windows | None:
    """What is left of windows where a slice takes some rows of each; None for another slice.

    Args:
      stack: what its inputs became.
      op: a StridedSlice.
    """
    gather = op.inputs[0].op
    bounds = _rows_of(op)
    if gather.type != "GatherV2" or bounds is None or not stack.is_stacked(gather.inputs[1]):
        return None
    if stack.is_stacked(gather.inputs[0]) or gather.get_attr("batch_dims") or _known(gather.inputs[2]) != 0:
        return None
    whole = gathered(stack, gather)
    # A window that ends behind the table is an error, whichever of its rows are taken: they have to be all of them.
    others = [_rows_of(user) for user in gather.outputs[0].consumers()]
    if whole is None or None in others or {0, whole.length} - {end for pair in others if pair for end in pair}:
        return None
    return dataclasses.replace(whole, first=whole.first + bounds[0], length=bounds[1] - bounds[0])


def _rows_of(op: tf.Operation) -> tuple[int, int] | None:
    """From which row to which a slice of windows [..., length, …] takes them; None where it does anything else."""
    if op.type != "StridedSlice" or op.inputs[0].op.type != "GatherV2" or op.inputs[0].shape.rank is None:
        return None
    others = ("ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
    bounds = [known for bound in op.inputs[1:] if (known := _known(bound)) is not None]
    rank = op.inputs[0].op.inputs[1].shape.rank
    if any(op.get_attr(mask) for mask in others) or len(bounds) < 3 or rank is None:
        return None
    # A bit of each mask for each dimension, the lowest for the first, says that its bound is left out.
    slices = [
        slice(
            None if op.get_attr("begin_mask") >> at & 1 else int(begin),
            None if op.get_attr("end_mask") >> at & 1 else int(end),
            int(stride),
        )
        for at, (begin, end, stride) in enumerate(zip(*bounds, strict=True))
    ]
    *before, length = op.inputs[0].shape.as_list()[:rank]
    here = len(before)
    whole = all(one == slice(None, None, 1) for at, one in enumerate(slices) if at != here)
    if length is None or len(slices) <= here or not whole:
        return None
    begin, end, stride = slices[here].indices(length)
    return (begin, end) if stride == 1 and begin < end else None


def _known(tensor: tf.Tensor) -> np.ndarray | None:
    """What a tensor [...] is before anything runs, be it one that is captured; None where that is not known."""
    value = tf.get_static_value(tensor)
    if value is not None:
        return np.asarray(value)
    outer = next((outer for outer, inner in getattr(tensor.graph, "captures", ()) if inner is tensor), None)
    known = None if outer is None else tf.get_static_value(outer)
    return None if known is None else np.asarray(known)
