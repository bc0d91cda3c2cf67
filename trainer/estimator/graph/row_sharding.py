"""Variables whose rows are held in several places: how rows are dealt out, and what is done with them from outside.

To a model function and in a checkpoint such a variable is one; parameter servers hold runs of its rows. `sharded_graph`
turns what a graph does with the one into what is done with the runs. Nothing here takes all of a variable at once: rows
are made, saved and restored a block at a time, where they are.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

BLOCK_BYTES = 128 << 20
_LEAST_SHARD_BYTES = 256 << 20
_LEAST_HELD_BYTES = 16 << 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rows:
    """Which rows are where: runs of rows as equal as can be, the longer ones first (the strategy `div`).

    Attributes:
      bounds: the first row of each run, and the number of rows.
      devices: of each run.
    """

    bounds: tuple[int, ...]
    devices: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.bounds) != len(self.devices) + 1 or list(self.bounds) != sorted(set(self.bounds)):
            raise ValueError(f"Rows were given bounds {self.bounds} for {len(self.devices)} devices")

    @classmethod
    def dealt(cls, count: int, devices: Sequence[str]) -> Rows:
        """`count` rows dealt to devices, of which no more are used than there are rows."""
        used = tuple(devices[:count])
        each, longer = divmod(count, len(used))
        sizes = [each + 1] * longer + [each] * (len(used) - longer)
        return cls(bounds=tuple(itertools.accumulate(sizes, initial=0)), devices=used)

    @property
    def count(self) -> int:
        return self.bounds[-1]

    @property
    def sizes(self) -> list[int]:
        return [stop - start for start, stop in itertools.pairwise(self.bounds)]

    def __len__(self) -> int:
        return len(self.devices)

    def partition(self, ids: tf.Tensor, *others: tf.Tensor) -> tuple[list[tf.Tensor], list[list[tf.Tensor]]]:
        """What goes to each run, in a graph.

        Args:
          ids: numbers of rows, [n].
          others: [n, …], in the order of the ids.

        Returns:
          The numbers that the rows have in each run, and for each of the others what belongs to those rows.
        """
        if len(self) == 1:
            return [ids], [[other] for other in others]
        owner = tf.searchsorted(tf.constant(self.bounds[1:-1], ids.dtype), ids, side="right")
        starts = tf.gather(tf.constant(self.bounds[:-1], ids.dtype), owner)
        numbers = tf.dynamic_partition(ids - starts, owner, len(self))
        return numbers, [tf.dynamic_partition(other, owner, len(self)) for other in others]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Placement:
    """Which variables are held by rows, and where.

    Attributes:
      devices: of the parameter servers.
      partitioner: gives the number of parts along each axis from a shape and a dtype, as those of
        `tf.distribute.experimental.partitioners`; None makes parts of 256 MiB or
        somewhat less, at most one for each server.
      least_bytes: a smaller variable that is not parted is an ordinary one.
    """

    devices: tuple[str, ...]
    partitioner: Callable[..., Sequence[int]] | None = None
    least_bytes: int = _LEAST_HELD_BYTES

    def rows(self, shape: tf.TensorShape, dtype: tf.DType, turn: int) -> Rows | None:
        """How a variable is held; None for an ordinary one.

        Args:
          shape: of the variable.
          dtype: of the variable.
          turn: counts the variables: a server begins with another one's turn.

        Raises:
          ValueError: the partitioner parts another axis than the first.
        """
        if not shape.rank or not shape.is_fully_defined() or shape.num_elements() <= 1 or dtype == tf.string:
            return None
        parts = list((self.partitioner or self._by_size)(shape, dtype))
        if any(count != 1 for count in parts[1:]) or parts[0] < 1:
            raise ValueError(
                f"The variable_partitioner gives {parts} for a variable of shape {shape}. "
                "It parts rows: the first number may be greater than 1, the others are 1. Use another partitioner"
            )
        if parts[0] == 1 and shape.num_elements() * dtype.size < self.least_bytes:
            return None
        start = turn % len(self.devices)
        devices = itertools.islice(itertools.cycle([*self.devices[start:], *self.devices[:start]]), parts[0])
        return Rows.dealt(shape[0], list(devices))

    def _by_size(self, shape: tf.TensorShape, dtype: tf.DType) -> Sequence[int]:
        partitioner = tf.distribute.experimental.partitioners.MinSizePartitioner(
            min_shard_bytes=_LEAST_SHARD_BYTES, max_shards=len(self.devices)
        )
        return partitioner(shape, dtype)


@dataclasses.dataclass(frozen=True)
class Block:
    """Some rows of a variable that are in one place.

    Attributes:
      shard: which run they are of.
      start: the first of them, counted in the variable.
      stop: behind the last.
    """

    shard: int
    start: int
    stop: int


def blocks(rows: Rows, row_bytes: int, most_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    """All rows in blocks of at most so many bytes, one row at least."""
    step = max(1, most_bytes // max(row_bytes, 1))
    for shard, (first, end) in enumerate(itertools.pairwise(rows.bounds)):
        for start in range(first, end, step):
            yield Block(shard, start, min(start + step, end))


def set_rows(variable: tf.Variable, start: int, stop: int, values: Any) -> None:
    """Sets some rows of a variable."""
    tf.raw_ops.ResourceStridedSliceAssign(
        ref=variable.handle, begin=[start], end=[stop], strides=[1], value=tf.cast(values, variable.dtype)
    )


class RowShardedVariable:
    """A variable that is held by rows.

    What a model function gets is the stand-in, a `tf.Variable` without a value whose handle marks the places in a graph
    where the variable is used.

    Args:
      stand_in: the mark.
      name: of the variable.
      rows: where its rows are to be.
      primary: the name of the variable that this one is an optimizer's slot of, row by row; None when it is none.
    """

    def __init__(self, stand_in: tf.Variable, name: str, rows: Rows, primary: str | None = None) -> None:
        self.stand_in, self.name, self.rows, self.primary = stand_in, name, rows, primary
        self.shards: list[tf.Variable] = []

    @property
    def shape(self) -> tf.TensorShape:
        return self.stand_in.shape

    @property
    def dtype(self) -> tf.DType:
        return self.stand_in.dtype

    @property
    def handle(self) -> tf.Tensor:
        return self.stand_in.handle

    @property
    def device(self) -> str:
        return self.rows.devices[0]

    @property
    def _save_slice_info(self) -> Any:
        return self.stand_in._save_slice_info

    @property
    def num_bytes(self) -> int:
        return int(self.shape.num_elements() * self.dtype.size)

    def create(self, rows: Rows, fill: Any, values: Callable[[Block, int], Any]) -> None:
        """Makes the shards, block by block, where they are.

        Args:
          rows: where.
          fill: the number that all values are; None when they are not the same.
          values: called with a block and its number, on the device of the block's rows; gives its values.
        """
        self.rows = rows
        for device, size in zip(rows.devices, rows.sizes, strict=True):
            with tf.device(device):
                start = tf.fill([size, *self.shape[1:]], tf.cast(0 if fill is None else fill, self.dtype))
                self.shards.append(tf.Variable(start, trainable=self.stand_in.trainable, name=f"{self.name}/rows"))
        for number, block in enumerate(self.blocks() if fill is None else ()):
            with tf.device(rows.devices[block.shard]):
                self.set_block(block, values(block, number))

    def blocks(self) -> Iterator[Block]:
        row_bytes = self.num_bytes // max(self.rows.count, 1)
        return blocks(self.rows, row_bytes)

    def block(self, block: Block) -> tf.Tensor:
        """The values of a block, fetched from where they are."""
        first = self.rows.bounds[block.shard]
        with tf.device(self.rows.devices[block.shard]):
            ids = tf.range(block.start - first, block.stop - first)
            return tf.raw_ops.ResourceGather(resource=self.shards[block.shard].handle, indices=ids, dtype=self.dtype)

    def set_block(self, block: Block, values: Any) -> None:
        """Sets the values of a block where they are."""
        first = self.rows.bounds[block.shard]
        with tf.device(self.rows.devices[block.shard]):
            set_rows(self.shards[block.shard], block.start - first, block.stop - first, values)

    def gather(self, ids: tf.Tensor) -> tf.Tensor:
        """Rows by their numbers, [n], from where they are: [n, …]."""
        numbers, (positions,) = self.rows.partition(ids, tf.range(tf.size(ids)))
        found = [
            self._at(shard, tf.raw_ops.ResourceGather, indices=numbers[shard], dtype=self.dtype)
            for shard in range(len(self.rows))
        ]
        return found[0] if len(found) == 1 else tf.raw_ops.ParallelDynamicStitch(indices=positions, data=found)

    def scatter_add(self, ids: tf.Tensor, values: tf.Tensor) -> None:
        """Adds to rows, where they are."""
        self._scatter(tf.raw_ops.ResourceScatterAdd, ids, values)

    def scatter_update(self, ids: tf.Tensor, values: tf.Tensor) -> None:
        """Sets rows, where they are."""
        self._scatter(tf.raw_ops.ResourceScatterUpdate, ids, values)

    def _scatter(self, write: Callable[..., Any], ids: tf.Tensor, values: tf.Tensor) -> None:
        numbers, (parts,) = self.rows.partition(ids, values)
        for shard in range(len(self.rows)):
            self._at(shard, write, indices=numbers[shard], updates=parts[shard])

    def _at(self, shard: int, call: Callable[..., Any], **arguments: Any) -> Any:
        with tf.device(self.rows.devices[shard]):
            return call(resource=self.shards[shard].handle, **arguments)

    def read_value(self) -> tf.Tensor:
        """All of it, which moves all of it."""
        return tf.concat([shard.read_value() for shard in self.shards], 0)

    def assign(self, value: Any) -> None:
        for shard, part in zip(self.shards, self._parted(value), strict=True):
            shard.assign(part)

    def assign_add(self, delta: Any) -> None:
        for shard, part in zip(self.shards, self._parted(delta), strict=True):
            shard.assign_add(part)

    def _parted(self, value: Any) -> list[tf.Tensor]:
        return tf.split(tf.convert_to_tensor(value, self.dtype), self.rows.sizes)
