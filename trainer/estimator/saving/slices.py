"""The files of a checkpoint whose variables may be in parts, or row-sharded over other processes.

A part is saved under the name of the whole, as a slice of it, as `tf.train.Saver` and tf.estimator did: so what was
saved in two parts is read in three, or whole. What other processes have is fetched and written a block of rows at a
time, each block to a file of its own; then the files are joined under one index, which appears last. For example a
table [11, 3] on two servers, in blocks of at most four rows, beside a bias [] of this process::

    model.ckpt-7.part-0-of-4    bias
    model.ckpt-7.part-1-of-4    table, "11 3 0,4:0,3"      rows 0 to 3
    model.ckpt-7.part-2-of-4    table, "11 3 4,2:0,3"      rows 4 and 5, the last ones of the first server
    model.ckpt-7.part-3-of-4    …                          then MergeV2Checkpoints makes model.ckpt-7.index
"""

from __future__ import annotations

import dataclasses
import functools
import glob
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from trainer.estimator.graph.inside.slices import info_of
from trainer.estimator.graph.row_sharded_variable import RowShardedVariable, set_rows
from trainer.estimator.graph.row_sharding import BLOCK_BYTES, Rows, blocks

LEAST_SNAPSHOT_BYTES, MOST_SNAPSHOT_BYTES = 4 << 20, 1 << 30
"""Of variables that are held twice while they are written beside the training: what it saves to wait for smaller ones
is milliseconds, and larger ones may not have the room."""


@dataclasses.dataclass(frozen=True)
class Slice:
    """Some rows, or another rectangle, of a whole.

    Attributes:
      whole: the shape of the whole.
      offset: where it begins, along each axis.
      shape: of the slice.
      get: fetches its values.
      set: sets them.
    """

    whole: list[int]
    offset: list[int]
    shape: list[int]
    get: Callable[[], Any]
    set: Callable[[Any], Any]

    @property
    def spec(self) -> str:
        """As the files say it: `11 3 0,6:0,3` is the first six rows of [11, 3]."""
        extents = (f"{start},{size}" for start, size in zip(self.offset, self.shape, strict=True))
        return f"{' '.join(map(str, self.whole))} {':'.join(extents)}"


def is_whole(variable: tf.Variable | RowShardedVariable) -> bool:
    """Whether a variable is in one piece, and all of it."""
    return not isinstance(variable, RowShardedVariable) and _info(variable) is None


def _info(variable: tf.Variable | RowShardedVariable) -> Any:
    """Which slice of what a part is; None for what is no part."""
    return info_of(variable.stand_in if isinstance(variable, RowShardedVariable) else variable)


def full_name(name: str, variable: tf.Variable | RowShardedVariable) -> str:
    """The name that a variable has in a checkpoint: for a part, that of the whole."""
    info = _info(variable)
    return name if info is None else str(info.full_name)


def shape_of(variable: tf.Variable | RowShardedVariable) -> list[int]:
    """The shape that a variable has in a checkpoint: for a part, that of the whole."""
    info = _info(variable)
    return _shape(variable) if info is None else list(info.full_shape)


def _shape(variable: tf.Variable | RowShardedVariable) -> list[int]:
    """The shape that the values have now, where it may change."""
    return list(variable.shape if variable.shape.is_fully_defined() else variable.read_value().shape)


def of(variable: tf.Variable | RowShardedVariable) -> Iterator[Slice]:
    """The slices that a variable is saved in and restored from."""
    info, shape = _info(variable), _shape(variable)
    offset = [0] * len(shape) if info is None else list(info.var_offset)
    if not isinstance(variable, RowShardedVariable):
        yield Slice(shape_of(variable), offset, shape, variable.read_value, variable.assign)
        return
    for block in variable.blocks():
        yield Slice(
            shape_of(variable),
            [offset[0] + block.start, *offset[1:]],
            [block.stop - block.start, *shape[1:]],
            functools.partial(variable.read_block, block),
            functools.partial(variable.write_block, block),
        )


def to_restore(variable: tf.Variable | RowShardedVariable) -> Iterator[Slice]:
    """The slices that a variable is restored from: of a large one, a block of rows at a time."""
    sized = variable.shape.is_fully_defined() and variable.shape.rank
    large = sized and variable.shape.num_elements() * variable.dtype.size > BLOCK_BYTES
    if isinstance(variable, RowShardedVariable) or not large:
        yield from of(variable)
        return
    (whole,) = of(variable)
    rows = Rows.evenly(variable.shape[0], [variable.device])
    row_bytes = variable.shape.num_elements() * variable.dtype.size // max(variable.shape[0], 1)
    for block in blocks(rows, row_bytes):
        yield dataclasses.replace(
            whole,
            offset=[whole.offset[0] + block.start, *whole.offset[1:]],
            shape=[block.stop - block.start, *whole.shape[1:]],
            get=functools.partial(operator.getitem, variable, slice(block.start, block.stop)),
            set=functools.partial(set_rows, variable, block.start, block.stop),
        )


def read(prefix: str, key: str, dtype: tf.DType, piece: Slice) -> tf.Tensor:
    """The values of a slice, from a checkpoint, in the shape [...] of the slice.

    Args:
      prefix: of the checkpoint's files.
      key: the name in the checkpoint.
      dtype: of the values there.
      piece: the slice.
    """
    return tf.raw_ops.RestoreV2(prefix=prefix, tensor_names=[key], shape_and_slices=[piece.spec], dtypes=[dtype])[0]


@dataclasses.dataclass(frozen=True)
class _Entry:
    """A tensor of a checkpoint, or a slice of one.

    Attributes:
      name: of the whole.
      spec: which slice; empty for the whole.
      num_bytes: what has to be fetched from another process; 0 for what is here.
      get: fetches the values.
    """

    name: str
    spec: str
    num_bytes: int
    get: Callable[[], Any]


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """What variables held at a moment, which another thread may write while they are trained on.

    Nothing is copied for it here: whoever writes to a variable whose value somebody holds takes new memory for that.
    """

    entries: Sequence[_Entry]


def snapshot(tensors: Mapping[str, Any]) -> Snapshot | None:
    """A snapshot of tensors and variables of this process, by name; None where they are not worth being held twice."""
    variables = [value for value in tensors.values() if isinstance(value, tf.Variable | RowShardedVariable)]
    sharded = any(isinstance(variable, RowShardedVariable) for variable in variables)
    sizes = (tf.TensorShape(_shape(variable)).num_elements() * variable.dtype.size for variable in variables)
    if sharded or not LEAST_SNAPSHOT_BYTES <= sum(sizes) <= MOST_SNAPSHOT_BYTES:
        return None
    with tf.device("CPU:0"):  # those on other devices are copied here
        return Snapshot([_held(entry) for entry in _all_entries(tensors)])


def _held(entry: _Entry) -> _Entry:
    """An entry with the value [...] that it has now."""
    value = tf.identity(entry.get())
    return dataclasses.replace(entry, get=lambda: value)


def write(prefix: str, tensors: Mapping[str, Any] | Snapshot) -> None:
    """Writes a checkpoint's files; the index appears last.

    Args:
      prefix: of the files.
      tensors: by name: tensors, or variables.
    """
    try:
        entries = tensors.entries if isinstance(tensors, Snapshot) else _all_entries(tensors)
        _write_all(prefix, entries)
    except BaseException:
        # On a full disk what is left of it would take the room of the next one, and of what is said about that.
        for leftover in Path(prefix).parent.glob(f"{glob.escape(Path(prefix).name)}.*temp*"):
            leftover.unlink(missing_ok=True)
        raise


def _write_all(prefix: str, entries: Sequence[_Entry]) -> None:
    groups = list(_groups(entries))
    if len(groups) == 1:
        _write_one(prefix, groups[0])
        return
    for leftover in Path(prefix).parent.glob("*.part-*-of-*"):  # of a process that was killed
        leftover.unlink()
    parts = [f"{prefix}.part-{number}-of-{len(groups)}" for number in range(len(groups))]
    for part, entries in zip(parts, groups, strict=True):
        _write_one(part, entries)
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=parts, destination_prefix=prefix, delete_old_dirs=False)


def _all_entries(tensors: Mapping[str, Any]) -> list[_Entry]:
    return [entry for name, value in tensors.items() for entry in _entries(name, value)]


def _groups(entries: Sequence[_Entry]) -> Iterator[list[_Entry]]:
    """What is in this process together; what has to be fetched in groups of about a block."""
    here = [entry for entry in entries if not entry.num_bytes]
    if here:
        yield here
    group: list[_Entry] = []
    for entry in (entry for entry in entries if entry.num_bytes):
        if group and sum(other.num_bytes for other in group) + entry.num_bytes > BLOCK_BYTES:
            yield group
            group = []
        group.append(entry)
    if group:
        yield group


def _entries(name: str, value: Any) -> Iterator[_Entry]:
    if isinstance(value, tf.Variable | RowShardedVariable) and not is_whole(value):
        elsewhere = isinstance(value, RowShardedVariable)
        for piece in of(value):
            size = tf.TensorShape(piece.shape).num_elements() * value.dtype.size if elsewhere else 0
            yield _Entry(full_name(name, value), piece.spec, size, piece.get)
    else:
        yield _Entry(name, "", 0, value.read_value if isinstance(value, tf.Variable) else lambda: value)


def _write_one(prefix: str, entries: list[_Entry]) -> None:
    tf.raw_ops.SaveV2(
        prefix=prefix,
        tensor_names=[entry.name for entry in entries],
        shape_and_slices=[entry.spec for entry in entries],
        tensors=[entry.get() for entry in entries],
    )
