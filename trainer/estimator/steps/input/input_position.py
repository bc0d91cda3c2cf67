"""What a checkpoint keeps of the place in the data, beside the variables.

| name after `_trainer_input/` | tensor | what |
|---|---|---|
| `batches` | int64 [] | how many batches steps have used |
| `iterator` | variant [nodes] | the state of the pipeline's iterator, which runs ahead by whole stacks |
| `shuffles` | string [shuffles] | which parts of a state tell what order comes next, where a seed gives the orders |
| `left/0`, `left/1`, … | [batches, batch, …] | components of the batches of the current stack that no step has used |
| `sizes` | int64 [batches, components] | the first dimensions of these, where they differ |
| `widths` | int64 [components] | the first dimensions of the largest batch of the first stack |
| `process` | int64 [2] | whose place this is, of the processes that have a part of the data each, and their number |
| `batches_by_process` | int64 [processes] | the `batches` of each of them |

A pipeline that cannot tell its state, as that of a generator, has no `iterator`: whoever resumes skips `batches`. So do
processes with another part of the data, since the state of an iterator has rows in it. A single process writes neither
of the last two.

Nor does a state tell all where TensorFlow leaves parts of it out: in `shuffle(…).batch(32).repeat()` the batch that
ends an epoch with fewer rows drops what is in front of it, and the generator of the shuffle's seeds with it. What is
restored then begins again with the first seeds. `shuffles` says what should be there, and where it is not, batches are
skipped.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.estimator.saving.checkpoints import INPUT_PREFIX

_NAMES = ("iterator", "shuffles", "batches", "left/", "sizes", "widths", "process", "batches_by_process")
ITERATOR, SHUFFLES, CONSUMED, LEFT, SIZES, BATCH_SIZES, PROCESS, BY_PROCESS = (INPUT_PREFIX + name for name in _NAMES)

# A shuffle with another order in each epoch writes so how far its generator of seeds is.
_SHUFFLE = re.compile(rb"Iterator::Root([ -?A-{}~]*)@@[ -{}~]*epoch_num_random_samples")
_NUMBER = re.compile(rb"\[\d+\]")  # of the epoch


@dataclasses.dataclass(frozen=True)
class Part:
    """Which part of the data a pipeline yields.

    Attributes:
      index: of the process that it is the part of.
      count: of processes.
    """

    index: int = 0
    count: int = 1


ALL = Part()


def of_part(part: Part, consumed: Sequence[int]) -> dict[str, Any]:
    """The entries of a place in one of several parts of the data.

    Args:
      part: which.
      consumed: the batches that each process has used.
    """
    return {
        PROCESS: tf.constant([part.index, part.count], tf.int64),
        BY_PROCESS: tf.constant(list(consumed), tf.int64),
    }


def consumed_of(checkpoint_path: str, stored: Collection[str], part: Part) -> tuple[int, bool]:
    """How many batches of a part were used, and whether the checkpoint has the place of that very part.

    Where the data were in another number of parts, what all of them used is divided among the parts that there are.

    Args:
      checkpoint_path: of the checkpoint, which has CONSUMED.
      stored: names of what is in it.
      part: of the data.
    """
    written, by_process = ALL, [int(read(checkpoint_path, CONSUMED, tf.int64))]
    if PROCESS in stored:
        written = Part(*read(checkpoint_path, PROCESS, tf.int64).numpy().tolist())
        by_process = read(checkpoint_path, BY_PROCESS, tf.int64).numpy().tolist()
    if written.count != part.count:
        return sum(by_process) // part.count, False
    return by_process[part.index], written.index == part.index


def of(iterator: Any, consumed: int) -> dict[str, Any]:
    """The entries that every pipeline has: how many batches were used, and the iterator's state if it can be told."""
    entries: dict[str, Any] = {CONSUMED: tf.constant(consumed, tf.int64)}
    with contextlib.suppress(tf.errors.OpError):
        # 1 is POLICY_IGNORE: what lies outside the pipeline, as the state of a random op does, is left out silently.
        entries[ITERATOR] = tf.raw_ops.SerializeIterator(resource_handle=_handle(iterator), external_state_policy=1)
    return entries


def shuffles(iterator: Any) -> dict[str, Any]:
    """The entry that says which shuffles a pipeline has, of its iterator from which nothing was read; or none."""
    state = of(iterator, 0).get(ITERATOR)
    found = [] if state is None else _shuffles_of(state)
    return {SHUFFLES: tf.constant(found)} if found else {}


def _shuffles_of(state: tf.Tensor) -> list[bytes]:
    """The shuffles whose place among their seeds is in a state, variant [nodes]; sorted."""
    return sorted(_NUMBER.sub(b"", name) for name in _SHUFFLE.findall(tf.io.serialize_tensor(state).numpy()))


def tells_all(checkpoint_path: str, stored: Collection[str]) -> bool:
    """Whether a checkpoint holds an iterator's state with the place of each shuffle that the pipeline has.

    Args:
      checkpoint_path: of the checkpoint.
      stored: names of what is in it.
    """
    if ITERATOR not in stored:
        return False
    if SHUFFLES not in stored:
        return True
    wanted = Counter(read(checkpoint_path, SHUFFLES, tf.string).numpy().tolist())
    return not wanted - Counter(_shuffles_of(read(checkpoint_path, ITERATOR, tf.variant)))


def left(
    checkpoint_path: str, stored: Mapping[str, Any], specs: Sequence[tf.TensorSpec]
) -> tuple[list[tf.Tensor], np.ndarray | None] | None:
    """The batches that a checkpoint keeps: their components, and their SIZES if these differ; None for none.

    Args:
      checkpoint_path: of the checkpoint.
      stored: shapes of what is in it, by name.
      specs: of the components, each [batch, …].

    Raises:
      ValueError: they are batches of another shape.
    """
    names = [f"{LEFT}{index}" for index in range(len(specs))]
    if names[0] not in stored:
        return None
    for name, spec in zip(names, specs, strict=True):
        if name not in stored or not spec.shape.is_compatible_with(stored[name][1:]):
            raise ValueError("batches of another shape")
    parts = [read(checkpoint_path, name, spec.dtype) for name, spec in zip(names, specs, strict=True)]
    sizes = read(checkpoint_path, SIZES, tf.int64).numpy() if SIZES in stored else None
    return parts, sizes


def set_state(iterator: Any, checkpoint_path: str) -> None:
    """Moves an iterator to the place that a checkpoint holds.

    Raises:
      tf.errors.OpError: it is another pipeline's.
    """
    state = read(checkpoint_path, ITERATOR, tf.variant)
    tf.raw_ops.DeserializeIterator(resource_handle=_handle(iterator), serialized=state)


def _handle(iterator: Any) -> tf.Tensor:
    """The handle [] of an iterator, which is all that it is made of; of a handle, itself."""
    return tf.nest.flatten(iterator, expand_composites=True)[0]


def read(checkpoint_path: str, name: str, dtype: tf.DType) -> tf.Tensor:
    """An entry of a checkpoint, of any shape.

    Args:
      checkpoint_path: of the checkpoint.
      name: of the entry, with its prefix.
      dtype: as it was saved.

    Raises:
      tf.errors.OpError: it is not there, or of another dtype.
    """
    return tf.raw_ops.RestoreV2(prefix=checkpoint_path, tensor_names=[name], shape_and_slices=[""], dtypes=[dtype])[0]
