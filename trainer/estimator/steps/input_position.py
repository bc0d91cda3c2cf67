"""What a checkpoint keeps of the place in the data, beside the variables.

| name after `_trainer_input/` | tensor | what |
|---|---|---|
| `batches` | int64 [] | how many batches steps have used |
| `iterator` | variant [] | the state of the pipeline's iterator, which runs ahead by whole stacks |
| `left/0`, `left/1`, … | [batches, batch, …] | components of the batches of the current stack that no step has used |
| `sizes` | int64 [batches, components] | the first dimensions of these, where they differ |
| `widths` | int64 [components] | the first dimensions of the largest batch of the first stack |

A pipeline that cannot tell its state, as that of a generator, has no `iterator`: whoever resumes skips `batches`.
"""

from __future__ import annotations

import contextlib
from typing import Any

import tensorflow as tf

from trainer.estimator.saving.checkpoints import INPUT_PREFIX

ITERATOR, CONSUMED, LEFT, SIZES, BATCH_SIZES = (
    INPUT_PREFIX + name for name in ("iterator", "batches", "left/", "sizes", "widths")
)


def of(iterator: Any, consumed: int) -> dict[str, Any]:
    """The entries that every pipeline has: how many batches were used, and the iterator's state if it can be told."""
    entries: dict[str, Any] = {CONSUMED: tf.constant(consumed, tf.int64)}
    with contextlib.suppress(tf.errors.OpError):
        # 1 is POLICY_IGNORE: what lies outside the pipeline, as the state of a random op does, is left out silently.
        entries[ITERATOR] = tf.raw_ops.SerializeIterator(resource_handle=_handle(iterator), external_state_policy=1)
    return entries


def set_state(iterator: Any, checkpoint_path: str) -> None:
    """Moves an iterator to the place that a checkpoint holds.

    Raises:
      tf.errors.OpError: it is another pipeline's.
    """
    state = read(checkpoint_path, ITERATOR, tf.variant)
    tf.raw_ops.DeserializeIterator(resource_handle=_handle(iterator), serialized=state)


def _handle(iterator: Any) -> tf.Tensor:
    """The handle [] of an iterator, which is all that it is made of."""
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
