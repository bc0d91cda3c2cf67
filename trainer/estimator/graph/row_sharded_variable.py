"""A variable whose rows are in several places, and what is done with it from outside of a model function's graph.

`sharded_graph` turns what a graph does with the one into what is done with the shards. Nothing here takes all of a
variable at once, but `read_value` and `assign`: rows are made, saved and restored a block at a time, where they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from trainer.estimator.graph.row_sharding import Block, Rows, blocks


def set_rows(variable: tf.Variable, start: int, stop: int, values: Any) -> None:
    """Sets some rows of a variable.

    Args:
      variable: [rows, …].
      start: the first row.
      stop: behind the last.
      values: [stop - start, …].
    """
    tf.raw_ops.ResourceStridedSliceAssign(
        ref=variable.handle, begin=[start], end=[stop], strides=[1], value=tf.cast(values, variable.dtype)
    )


class RowShardedVariable:
    """A row-sharded variable, [rows, …].

    What a model function gets is the stand-in, a `tf.Variable` without a value whose handle marks the places in a graph
    where the variable is used.

    Args:
      stand_in: the mark.
      name: of the variable.
      rows: where its rows are to be.
      primary: the name of the variable that this one is an optimizer's slot of, row by row; None when it is none.

    Attributes:
      shards: [rows of the shard, …] each, on the devices of `rows`; none before `create`.
    """

    def __init__(self, stand_in: tf.Variable, name: str, rows: Rows, primary: str | None = None) -> None:
        self.stand_in, self.name, self.rows, self.primary = stand_in, name, rows, primary
        self.shards: list[tf.Variable] = []

    @property
    def shape(self) -> tf.TensorShape:
        """Of the whole."""
        return self.stand_in.shape

    @property
    def dtype(self) -> tf.DType:
        """Of the values."""
        return self.stand_in.dtype

    @property
    def handle(self) -> tf.Tensor:
        """The mark in the graphs of model functions, []."""
        return self.stand_in.handle

    @property
    def num_bytes(self) -> int:
        """Of the whole."""
        return int(self.shape.num_elements() * self.dtype.size)

    def create(self, rows: Rows, fill: Any, values: Callable[[Block, int], Any]) -> None:
        """Makes the shards, block by block, where they are.

        Args:
          rows: where.
          fill: the number that all values are; None when they are not the same.
          values: called with a block and its number, on the device of the block's rows; gives its values, [rows of the
            block, …].
        """
        self.rows = rows
        for device, size in zip(rows.devices, rows.sizes, strict=True):
            with tf.device(device):
                # Filled there, where the numbers of a constant initial value are right already.
                start = tf.fill([size, *self.shape[1:]], tf.cast(0 if fill is None else fill, self.dtype))
                self.shards.append(tf.Variable(start, trainable=self.stand_in.trainable, name=f"{self.name}/rows"))
        # Only one block of values exists at a time beside the shards, on the device that keeps it.
        for number, block in enumerate(self.blocks() if fill is None else ()):
            with tf.device(rows.devices[block.shard]):
                self.write_block(block, values(block, number))

    def blocks(self) -> Iterator[Block]:
        """All rows, in blocks small enough to be moved."""
        return blocks(self.rows, self.num_bytes // max(self.rows.count, 1))

    def read_block(self, block: Block) -> tf.Tensor:
        """The values of a block, [rows of the block, …], fetched from where they are."""
        first = self.rows.bounds[block.shard]
        with tf.device(self.rows.devices[block.shard]):
            # A gather reads the rows alone; a slice of a read would copy the shard first.
            ids = tf.range(block.start - first, block.stop - first)
            return tf.raw_ops.ResourceGather(resource=self.shards[block.shard].handle, indices=ids, dtype=self.dtype)

    def write_block(self, block: Block, values: Any) -> None:
        """Sets the values of a block, [rows of the block, …], where they are."""
        first = self.rows.bounds[block.shard]
        with tf.device(self.rows.devices[block.shard]):
            set_rows(self.shards[block.shard], block.start - first, block.stop - first, values)

    def gather(self, ids: tf.Tensor) -> tf.Tensor:
        """Rows by their numbers, [n], from where they are: [n, …]."""
        numbers, (positions,) = self.rows.partition(ids, tf.range(tf.size(ids)))
        by_shard = self._on_each(
            lambda shard, handle: tf.raw_ops.ResourceGather(resource=handle, indices=numbers[shard], dtype=self.dtype)
        )
        return by_shard[0] if len(by_shard) == 1 else tf.raw_ops.ParallelDynamicStitch(indices=positions, data=by_shard)

    def scatter(self, ids: tf.Tensor, values: tf.Tensor, *, add: bool) -> None:
        """Writes rows, where they are.

        Args:
          ids: numbers of rows, [n].
          values: [n, …], in the order of the numbers.
          add: whether to add the values to the rows; else the rows are set to them.
        """
        write = tf.raw_ops.ResourceScatterAdd if add else tf.raw_ops.ResourceScatterUpdate
        numbers, (parts,) = self.rows.partition(ids, values)
        self._on_each(lambda shard, handle: write(resource=handle, indices=numbers[shard], updates=parts[shard]))

    def _on_each(self, call: Callable[[int, tf.Tensor], Any]) -> list[Any]:
        """What a call gives for the number of each shard and its handle [], on its device."""
        results = []
        for index, (shard, device) in enumerate(zip(self.shards, self.rows.devices, strict=True)):
            with tf.device(device):
                results.append(call(index, shard.handle))
        return results

    def read_value(self) -> tf.Tensor:
        """All of it, [rows, …], which moves all of it."""
        return tf.concat([shard.read_value() for shard in self.shards], 0)

    def assign(self, value: Any) -> None:
        """Sets all of it to a value [rows, …], which is here."""
        for shard, part in zip(
            self.shards, tf.split(tf.convert_to_tensor(value, self.dtype), self.rows.sizes), strict=True
        ):
            shard.assign(part)
