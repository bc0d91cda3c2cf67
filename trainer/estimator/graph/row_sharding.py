"""Which rows of a large variable are where: in shards, one on each server, and in blocks small enough to be moved.

To a model function and in a checkpoint such a variable is one; parameter servers have shards of its rows. An example:
a table [11, 3] on three servers, and the block of at most two rows that has row 5::

    rows    0  1  2  3 | 4  5  6  7 | 8  9 10      Rows(bounds=(0, 4, 8, 11), devices=(server 0, server 1, server 2))
    shard      0             1           2
    block             Block(shard=1, start=4, stop=6)

Row 9 is row 1 of shard 2: `partition([9, 0])` gives [[0], [], [1]].
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence

import tensorflow as tf

BLOCK_BYTES = 128 << 20  # what is moved at once: far below the memory of a machine, far above the cost of a message
_LEAST_SHARD_BYTES = 256 << 20  # a lookup asks every shard, so that more shards cost more messages
_LEAST_SHARDED_BYTES = 16 << 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rows:
    """Which rows are where: each shard has rows that follow each other (the strategy `div` of tf.estimator's time).

    Attributes:
      bounds: the first row of each shard, and the number of rows.
      devices: of each shard.
    """

    bounds: tuple[int, ...]
    devices: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.bounds) != len(self.devices) + 1 or list(self.bounds) != sorted(set(self.bounds)):
            raise ValueError(f"Rows were given bounds {self.bounds} for {len(self.devices)} devices")

    @classmethod
    def evenly(cls, count: int, devices: Sequence[str]) -> Rows:
        """Shards of `count` rows as equal as can be, the longer ones first; no more than there are rows."""
        # A shard without rows would be asked by every lookup for nothing.
        used = tuple(devices[:count])
        each, longer = divmod(count, len(used))
        sizes = [each + 1] * longer + [each] * (len(used) - longer)
        return cls(bounds=tuple(itertools.accumulate(sizes, initial=0)), devices=used)

    @property
    def count(self) -> int:
        """Of all rows."""
        return self.bounds[-1]

    @property
    def sizes(self) -> list[int]:
        """The number of rows of each shard."""
        return [stop - start for start, stop in itertools.pairwise(self.bounds)]

    def __len__(self) -> int:
        return len(self.devices)

    def partition(self, ids: tf.Tensor, *others: tf.Tensor) -> tuple[list[tf.Tensor], list[list[tf.Tensor]]]:
        """What goes to each shard, in a graph.

        Args:
          ids: numbers of rows, [n], in any order.
          others: [n, …] each, in the order of the ids.

        Returns:
          For each shard the numbers that the rows have there, [rows asked of it], and for each of the others what
          belongs to those rows, [rows asked of it, …].
        """
        if len(self) == 1:
            return [ids], [[other] for other in others]
        # The bounds between shards: a number equal to one is the first row of the shard behind it.
        owner = tf.searchsorted(tf.constant(self.bounds[1:-1], ids.dtype), ids, side="right")
        starts = tf.gather(tf.constant(self.bounds[:-1], ids.dtype), owner)
        numbers = tf.dynamic_partition(ids - starts, owner, len(self))
        return numbers, [tf.dynamic_partition(other, owner, len(self)) for other in others]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Placement:
    """Which variables are row-sharded, and where their shards go.

    Attributes:
      devices: of the parameter servers.
      partitioner: gives the number of parts along each axis from a shape and a dtype, as those of
        `tf.distribute.experimental.partitioners`; None makes parts of 256 MiB or
        somewhat less, at most one for each server.
      least_bytes: a smaller variable that is not parted is an ordinary one.
    """

    devices: tuple[str, ...]
    partitioner: Callable[..., Sequence[int]] | None = None
    least_bytes: int = _LEAST_SHARDED_BYTES

    def rows(self, shape: tf.TensorShape, dtype: tf.DType, turn: int) -> Rows | None:
        """Which rows of a variable go where; None for an ordinary one.

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
        # A small variable is pulled with others in one message, which is cheaper than to look rows up in it.
        if parts[0] == 1 and shape.num_elements() * dtype.size < self.least_bytes:
            return None
        # Where all variables began on the first server, it would have a shard of each, and the last ones of few.
        start = turn % len(self.devices)
        devices = itertools.islice(itertools.cycle([*self.devices[start:], *self.devices[:start]]), parts[0])
        return Rows.evenly(shape[0], list(devices))

    def _by_size(self, shape: tf.TensorShape, dtype: tf.DType) -> Sequence[int]:
        partitioner = tf.distribute.experimental.partitioners.MinSizePartitioner(
            min_shard_bytes=_LEAST_SHARD_BYTES, max_shards=len(self.devices)
        )
        return partitioner(shape, dtype)


@dataclasses.dataclass(frozen=True)
class Block:
    """Some rows of a variable that are in one place.

    Attributes:
      shard: which one they are of.
      start: the first of them, counted in the variable.
      stop: behind the last.
    """

    shard: int
    start: int
    stop: int


def blocks(rows: Rows, row_bytes: int, most_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    """All rows in blocks of at most so many bytes, one row at least.

    Args:
      rows: which are where; no block has rows of two shards.
      row_bytes: of each row.
      most_bytes: of a block.
    """
    step = max(1, most_bytes // max(row_bytes, 1))
    for shard, (first, end) in enumerate(itertools.pairwise(rows.bounds)):
        for start in range(first, end, step):
            yield Block(shard, start, min(start + step, end))
