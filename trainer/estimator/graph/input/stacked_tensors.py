"""The tensors of one record's function in its copy for a batch: with a dimension for the batch, or the same for all."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from trainer.estimator.graph.subgraphs import Copier


class NotStackableError(Exception):
    """A function of a record has an op of which it is not known what it does to a batch."""


class Stacked:
    """What tensors of the record became.

    Args:
      copier: into the graph that is being built.
      batch: records in the batch, int32 [].

    Attributes:
      blocks: of tables from which windows are taken, by the table and the rows in a block: see `windows`.
    """

    def __init__(self, copier: Copier, batch: tf.Tensor) -> None:
        self.copier, self.batch = copier, batch
        self.blocks: dict[tuple[int, int], tf.Tensor] = {}
        # Tensors by identity, as the copier knows them.
        self._stacked: dict[int, bool] = {}

    def put(self, tensor: tf.Tensor, value: tf.Tensor, *, stacked: bool) -> None:
        """Lets a value stand for a tensor of the record.

        Args:
          tensor: of the function, […].
          value: of the copy: [batch, …] where it is stacked, else […], the same for all records.
          stacked: which of them.
        """
        self.copier.replace(tensor, value)
        self.mark(tensor, stacked=stacked)

    def mark(self, tensor: tf.Tensor, *, stacked: bool) -> None:
        """Says whether a tensor of the record, […], has a value for each record, [batch, …]."""
        self._stacked[id(tensor)] = stacked

    def is_stacked(self, tensor: tf.Tensor) -> bool:
        """Whether a tensor of the record, […], has a value for each record, [batch, …]."""
        return self._stacked[id(tensor)]

    def value(self, tensor: tf.Tensor) -> tf.Tensor:
        """The copy of a tensor of the record: […], or [batch, …] where it is stacked."""
        copied: tf.Tensor = self.copier.copy_of(tensor)
        return copied

    def whole(self, tensor: tf.Tensor) -> tf.Tensor:
        """The copy of a tensor of the record, […], for each record: [batch, …]."""
        value = self.value(tensor)
        if self.is_stacked(tensor):
            return value
        ones = tf.ones([value.shape.rank], tf.int32)
        return tf.tile(value[tf.newaxis], tf.concat([self.batch[tf.newaxis], ones], 0))

    def like(self, op: tf.Operation, inputs: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """The op on other inputs, of the shapes […] that it takes then."""
        # Not `same`: the shapes of the record are not those of the batch.
        return self.copier.like(op, inputs, str(op.device))
