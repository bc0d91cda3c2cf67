"""Row-sharded variables, and tensors with their rows, in one copy of a graph."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import tensorflow as tf

from trainer.estimator.graph.row_sharding import Rows
from trainer.estimator.graph.subgraphs import Copier


@dataclasses.dataclass(frozen=True, eq=False)
class ShardedRef:
    """A row-sharded variable as one copy of a graph uses it.

    Attributes:
      name: of the variable.
      shape: of the whole variable, [rows, …].
      dtype: of the variable.
      handles: of its shards: eager ones to capture, or tensors of the source that are fed.
      rows: which shard has which rows.
      row_ids: int64 [rows here], sorted: a tensor of the source, where the one shard is a cache that has only those
        rows; None when all rows are here.
    """

    name: str
    shape: tf.TensorShape
    dtype: tf.DType
    handles: Sequence[tf.Tensor]
    rows: Rows
    row_ids: tf.Tensor | None = None

    def lies_with(self, other: ShardedRef) -> bool:
        """Whether every row is where the other's row of the same number is."""
        return self.rows == other.rows and self.row_ids is other.row_ids


@dataclasses.dataclass(frozen=True, eq=False)
class ShardedTensor:
    """A tensor with a row for each of a variable's, of which each shard's device has its own.

    Attributes:
      ref: the variable, which says where rows are.
      pieces: [rows of the shard, …] for each shard; None for the variable's own value that only lookups take, so that
        no copy of it is made.
    """

    ref: ShardedRef
    pieces: list[tf.Tensor] | None


class ShardedValues:
    """What the variables' rows and other tensors became in a copy.

    Args:
      copier: makes the copy.
      refs: the row-sharded variables, by the id of their handle's placeholder in the source.
    """

    def __init__(self, copier: Copier, refs: Mapping[int, ShardedRef]) -> None:
        self.copier, self.refs = copier, refs
        self.taken_whole: set[tuple[str, str]] = set()

    def ref(self, tensor: tf.Tensor) -> ShardedRef | None:
        """The variable whose handle [] a tensor of the source is; None for another tensor."""
        return self.refs.get(id(tensor))

    def sharded(self, tensor: tf.Tensor) -> ShardedTensor | None:
        """What a tensor [rows, …] of the source became, if that is sharded."""
        copied = self.copier.copy_of(tensor) if self.copier.has_copy(tensor) else None
        return copied if isinstance(copied, ShardedTensor) else None

    def handle(self, ref: ShardedRef, shard: int) -> tf.Tensor:
        """The handle [] of a shard, in the copy."""
        handle = ref.handles[shard]
        return self.copier.copy_of(handle) if self.copier.has_copy(handle) else self.copier.graph.capture(handle)

    def handles(self, op: tf.Operation, tensor: tf.Tensor, ref: ShardedRef) -> list[tf.Tensor]:
        """The handles [] of all shards of a variable that is updated with another; none for what is no handle.

        Args:
          op: the update.
          tensor: one of its inputs.
          ref: the variable that it updates.
        """
        other = self.ref(tensor)
        if other is None:
            return []
        if not other.lies_with(ref):
            raise ValueError(
                f"{op.type} {op.name} updates {ref.name} and {other.name} together, whose rows are in different "
                "places. Variables that are updated together are sharded alike, as an optimizer's slots are. "
                "Give both the same number of rows, or keep them in one piece with a variable_partitioner"
            )
        return [self.handle(other, shard) for shard in range(len(other.rows))]

    def read(self, ref: ShardedRef) -> list[tf.Tensor]:
        """The rows of each shard, read beside it: [rows of the shard, …]."""
        pieces = []
        for shard, device in enumerate(ref.rows.devices):
            with tf.device(device or None):
                pieces.append(tf.raw_ops.ReadVariableOp(resource=self.handle(ref, shard), dtype=ref.dtype))
        return pieces

    def whole(self, sharded: ShardedTensor, why: str) -> tf.Tensor:
        """All rows in one tensor, [rows, …], which moves all of them; noted with what takes it."""
        self.taken_whole.add((sharded.ref.name, why))
        pieces = sharded.pieces or self.read(sharded.ref)
        return pieces[0] if len(pieces) == 1 else tf.concat(pieces, 0)

    def plain(self, tensor: tf.Tensor, op: tf.Operation) -> tf.Tensor:
        """What an input, of any shape [...], became that an operation takes as it is.

        Raises:
          ValueError: it is the handle of a variable that is in several places.
        """
        ref = self.ref(tensor)
        if ref is None:
            copied = self.copier.copy_of(tensor)
            return self.whole(copied, op.type) if isinstance(copied, ShardedTensor) else copied
        # A single shard with all rows is a variable like any other, and its handle goes anywhere, into loops too.
        if len(ref.handles) != 1 or ref.row_ids is not None:
            raise ValueError(
                f"{op.type} {op.name} takes the variable {ref.name} whole, which is row-sharded. "
                "Lookups, updates and arithmetic on all rows can be done by rows. "
                "Use it that way in every mode, or keep the variable in one piece with a variable_partitioner"
            )
        return self.handle(ref, 0)

    def pieces(self, op: tf.Operation, tensor: tf.Tensor, ref: ShardedRef) -> list[tf.Tensor]:
        """What each shard of a variable takes of an input of an operation on it.

        Args:
          op: the operation.
          tensor: an input of it; with a row for each of the variable's, or to be broadcast along them.
          ref: the variable.

        Returns:
          For each shard [rows of the shard, …], or the input itself where it is broadcast.
        """
        sharded = self.sharded(tensor)
        # Rows of another variable's shards would have to travel: then the tensor is put together here, and split anew.
        if sharded is not None and sharded.ref.rows == ref.rows:
            return sharded.pieces or self.read(sharded.ref)
        copied = self.plain(tensor, op)
        # A scalar, a row of its own, a tensor of one row: the same for every shard.
        if tensor.shape.rank != ref.shape.rank or tensor.shape[0] == 1 != ref.rows.count:
            return [copied] * len(ref.rows)
        # Of a dense gradient or the like, the rows that are here; the others stay as they are, as with LazyAdam.
        if ref.row_ids is not None:
            return [tf.gather(copied, self.copier.copy_of(ref.row_ids))]
        return [copied] if len(ref.rows) == 1 else tf.split(copied, ref.rows.sizes)

    def partition(
        self, ref: ShardedRef, ids: tf.Tensor, *others: tf.Tensor
    ) -> tuple[list[tf.Tensor], list[list[tf.Tensor]]]:
        """As `Rows.partition`, and where only some rows are here, their places among those.

        Args:
          ref: the variable.
          ids: numbers of its rows, [n].
          others: [n, …] each, in the order of the ids.
        """
        if ref.row_ids is None:
            return ref.rows.partition(ids, *others)
        return [_places(ref.name, self.copier.copy_of(ref.row_ids), ids)], [[other] for other in others]

    def lookup(self, ref: ShardedRef, pieces: Sequence[tf.Tensor] | None, ids: tf.Tensor) -> tf.Tensor:
        """Rows by their numbers, gathered beside each shard and put together in the order of the numbers.

        Args:
          ref: the variable.
          pieces: [rows of the shard, …] to take them from; None takes them from the variable.
          ids: of any shape.

        Returns:
          [*shape of ids, *shape of a row].
        """
        # The place of each number in the batch travels with it and says where its row goes in the end.
        flat = tf.reshape(ids, [-1])
        numbers, (positions,) = self.partition(ref, flat, tf.range(tf.size(flat)))
        gathered = []
        for shard, device in enumerate(ref.rows.devices):
            with tf.device(device or None):
                if pieces:
                    gathered.append(tf.gather(pieces[shard], numbers[shard]))
                else:
                    handle = self.handle(ref, shard)
                    gathered.append(tf.raw_ops.ResourceGather(resource=handle, indices=numbers[shard], dtype=ref.dtype))
        rows = gathered[0] if len(gathered) == 1 else tf.raw_ops.ParallelDynamicStitch(indices=positions, data=gathered)
        # A stitch knows no shape. That of the ids and of a row may be known in part, and is kept for what follows.
        tail = ref.shape.as_list()[1:]
        shaped = tf.reshape(rows, tf.concat([tf.shape(ids), tail], 0))
        return tf.ensure_shape(shaped, ids.shape.concatenate(tail))


def _places(name: str, here: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
    """The places of rows, [n], among those that are here; the step fails when one is not.

    Args:
      name: of the variable.
      here: the numbers of the rows that are here, int64 [rows here], sorted.
      ids: the numbers of rows, [n].
    """
    wanted = tf.cast(ids, tf.int64)
    # A number behind the last would be out of bounds; the comparison finds it as it finds any other.
    places = tf.minimum(tf.searchsorted(here, wanted), tf.size(here) - 1)
    missing = f"The step updates rows of {name} that it does not look up"
    check = tf.debugging.assert_equal(tf.gather(here, places), wanted, missing)
    with tf.control_dependencies([check] if check is not None else []):
        return tf.cast(places, ids.dtype)
