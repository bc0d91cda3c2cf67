"""Variables that are parts of a larger one, as `compat.v1.get_variable` with a partitioner makes them."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


class _QuietSliceInfo(tf.Variable.SaveSliceInfo):
    """Says which slice a part is, but not to `slot_creator`, which asks whether it is true.

    That would name the slot after `primary.op`, which variables outside of graphs do not have.
    """

    def __bool__(self) -> bool:
        return False


def info_of(variable: Any) -> Any:
    """Which slice of what a variable is; None for what is no part. It is kept under a private name only."""
    return getattr(variable, "_save_slice_info", None)


def set_info(variable: Any, info: Any) -> None:
    """Says that a variable is a slice of a larger one."""
    variable._set_save_slice_info(info)


def give_slot_its_slice(slot: Any, primary: Any) -> None:
    """Says which slice of what an optimizer's slot is, where it belongs to a part.

    As tf.estimator said it: the slot `Adam` of a part of `emb` is the same part of `emb/Adam`.
    """
    info = info_of(primary)
    if info is None:
        return
    set_info(primary, _QuietSliceInfo(info.full_name, info.full_shape, info.var_offset, info.var_shape))
    rank = slot.shape.rank
    if rank:
        # By length, as TensorFlow cut it: in a variable scope, whose name comes before the primary's once more, what is
        # left begins in the middle of a word, as `t_0/Adagrad` in the checkpoints of a DNNClassifier.
        own = slot.name.removesuffix(":0")[len(primary.name.removesuffix(":0")) + 1 :]
        extents = info.full_shape[:rank], info.var_offset[:rank], info.var_shape[:rank]
        set_info(slot, tf.Variable.SaveSliceInfo(f"{info.full_name}/{own}", *extents))
