"""Warm start of variables whose vocabulary has changed: each entry takes over the values that it had.

For example the weights [3, 2] of the old vocabulary a, b, c, for a new one of c, d, a with one bucket for what is in
neither::

    old  a [1, 2]        new  c      [5, 6]     as it was
         b [3, 4]             d      [0, 0]     new: of `backup_initializer`, else zeros
         c [5, 6]             a      [1, 2]     as it was
                              bucket [0, 0]     as for what is new
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from trainer.estimator.graph.row_sharded_variable import RowShardedVariable
from trainer.estimator.saving import checkpoints, slices


def set_remapped(
    name: str, variable: tf.Variable | RowShardedVariable, reader: checkpoints.Reader, source: str, info: Any
) -> None:
    """Sets a variable, or a part of one, to the values of a checkpoint, entry by entry of its vocabulary.

    The whole is in memory for a moment.

    Args:
      name: of the variable.
      variable: [..., entries and buckets, ...], the entries along the axis of the vocabulary.
      reader: of the checkpoint.
      source: the name of the whole variable there.
      info: a `tf.train.VocabInfo`: both vocabularies, as files with an entry a line.

    Raises:
      OtherModelError: the variable, its source and the vocabularies do not fit together.
    """
    whole = remapped(name, slices.shape_of(variable), reader, source, info)
    for piece in slices.to_restore(variable):
        extents = zip(piece.offset, piece.shape, strict=True)
        piece.set(tf.constant(whole[tuple(slice(start, start + size) for start, size in extents)], variable.dtype))


def remapped(name: str, shape: list[int], reader: checkpoints.Reader, source: str, info: Any) -> np.ndarray:
    """The values that a whole variable starts from, in its shape.

    Args:
      name: of the variable.
      shape: of the whole.
      reader: of the checkpoint.
      source: the name of the whole variable there.
      info: a `tf.train.VocabInfo`.

    Raises:
      OtherModelError: the shape, the source and the vocabularies do not fit together.
    """
    checkpoints.check_all_there(reader, [source])
    old, new = _entries(info.old_vocab, info.old_vocab_size), _entries(info.new_vocab, info.new_vocab_size)
    values, axis = np.moveaxis(reader.value(source), info.axis, 0), info.axis
    wanted = [*shape[:axis], *shape[axis + 1 :]]
    if shape[axis] != len(new) + info.num_oov_buckets or list(values.shape[1:]) != wanted or len(values) < len(old):
        raise checkpoints.OtherModelError(
            f"{name} has the shape {shape}, {source} in {reader.checkpoint_path} {reader.shape(source)}; along axis "
            f"{axis} the new vocabulary has {len(new):,} entries and {info.num_oov_buckets} buckets, the old one "
            f"{len(old):,} entries",
            "as many values along that axis as there are entries, and the same shape along the others",
            "Look at the VocabInfo of that variable: its files, sizes, num_oov_buckets and axis",
        )
    start = np.moveaxis(_initial(info, shape, values.dtype), axis, 0)
    row_of = {entry: row for row, entry in enumerate(old)}
    known = [(row, row_of[entry]) for row, entry in enumerate(new) if entry in row_of]
    if known:
        rows, old_rows = zip(*known, strict=True)
        start[list(rows)] = values[list(old_rows)]
    return np.moveaxis(start, 0, axis)


def _initial(info: Any, shape: list[int], dtype: np.dtype) -> np.ndarray:
    """What entries start from that were not there before, [as the variable]."""
    if info.backup_initializer is None:
        return np.zeros(shape, dtype)
    return np.array(info.backup_initializer(shape, dtype=tf.as_dtype(dtype)), dtype)


def _entries(path: str, size: int | None) -> list[bytes]:
    """The first lines of a vocabulary's file.

    Args:
      path: of the file; local or in a bucket.
      size: how many entries count; None or -1 for all.

    Raises:
      OtherModelError: the file cannot be read, has fewer entries, or one of them twice.
    """
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            entries = file.read().split(b"\n")
    except tf.errors.OpError as error:
        raise checkpoints.OtherModelError(
            f"the vocabulary {path} cannot be read: {error.message}",
            "a file with an entry a line",
            "Check the path in the VocabInfo",
        ) from error
    entries = [entry.removesuffix(b"\r") for entry in (entries if entries[-1] else entries[:-1])]
    most = len(entries) if size is None or size < 0 else size
    counted = entries[:most]
    if len(counted) < most or len(set(counted)) < len(counted):
        raise checkpoints.OtherModelError(
            f"the vocabulary {path} has {len(entries):,} lines, {len(set(entries)):,} of them different, and "
            f"{most:,} entries are to be taken",
            "at least as many lines as entries, each of them once",
            "Correct the file, or the size in the VocabInfo",
        )
    return counted
