"""The batches of an input function, stacked for one device call, with a position that a checkpoint keeps.

A stack holds the batches of many steps as `[steps, batch, …]`. What a checkpoint needs to go on with exactly the next
batch is the state of the pipeline's iterator, which runs ahead by whole stacks, and the batches of the current stack
that no step has used yet.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.estimator.saving.checkpoints import INPUT_PREFIX

STACK_BYTES = 4 << 20
STACK_STEPS = 500

_STATE, _CONSUMED, _LEFT, _SIZES, _BATCH_SIZES = (
    INPUT_PREFIX + name for name in ("iterator", "batches", "left/", "sizes", "widths")
)


def stackable(element_spec: Any) -> bool:
    """Whether batches can be stacked: dense, and no dimension unknown but the first, that of the batch."""
    return all(
        isinstance(spec, tf.TensorSpec) and spec.shape.rank is not None and None not in spec.shape.as_list()[1:]
        for spec in tf.nest.flatten(element_spec)
    )


def _varies(element_spec: Any) -> bool:
    return any(not spec.shape.is_fully_defined() for spec in tf.nest.flatten(element_spec))


def stack_steps(element_spec: Any, limit: int | None = None, save_steps: int | None = None) -> int:
    """How many batches to stack: as many as fit into STACK_BYTES, at most STACK_STEPS or the limit, at least one.

    It depends on shapes and settings alone, so that a continued run computes as the unbroken one did. Stacks fit
    between saves evenly, so that a checkpoint seldom has batches to keep.
    """
    sizes = [
        spec.dtype.size * int(np.prod([dim or 256 for dim in spec.shape.as_list()]))
        for spec in tf.nest.flatten(element_spec)
    ]
    most = max(1, min(limit or STACK_STEPS, STACK_BYTES // max(1, sum(sizes))))
    return save_steps // -(-save_steps // most) if save_steps else most


@dataclasses.dataclass
class Stack:
    """Batches for a device call.

    Attributes:
      tensors: flat components, each [steps, batch, …]; rows from `stop` on are padding.
      sizes: int64 [steps, components], the first dimension of each component of each batch, which is padded to the
        longest of the stack; 0 for a scalar. None when every batch is whole.
      start: the first batch that no step has used.
      stop: the end of the batches.
    """

    tensors: list[tf.Tensor]
    sizes: np.ndarray | None
    start: int
    stop: int

    def left(self) -> int:
        return self.stop - self.start

    @property
    def batch_sizes(self) -> list[int]:
        """The first dimension of each component of a whole batch; 0 for a scalar."""
        return [part.shape[1] if part.shape.rank > 1 else 0 for part in self.tensors]

    def whole_batches(self) -> int:
        """How many batches from `start` on are as large as the stack is wide."""
        if self.sizes is None:
            return self.left()
        short = np.flatnonzero((self.sizes[self.start : self.stop] != self.batch_sizes).any(axis=1))
        return int(short[0]) if short.size else self.left()

    def batch(self) -> list[tf.Tensor]:
        """The components of the batch at `start`, without padding."""
        if self.sizes is None:
            return [part[self.start] for part in self.tensors]
        sizes = self.sizes[self.start]
        return [
            part[self.start][:size] if part.shape.rank > 1 else part[self.start]
            for part, size in zip(self.tensors, sizes, strict=True)
        ]


class StackedBatches:
    """Stacks from a dataset, in order.

    Args:
      dataset: yields batches for which `stackable` holds.
      steps: batches in a stack.

    Attributes:
      batch_sizes: as of a `Stack`, of the first one since the data began, be it in an earlier run; None before there
        was one.
    """

    def __init__(self, dataset: tf.data.Dataset, steps: int) -> None:
        self.batch_sizes: list[int] | None = None
        self._spec, self._steps = dataset.element_spec, steps
        self._varies = _varies(self._spec)
        self._source, self._consumed = dataset, 0
        self._iterator = self._stacked(dataset)
        self._stack: Stack | None = None
        self._untouched = self._state()

    def _stacked(self, dataset: tf.data.Dataset) -> Any:
        flat = dataset.map(_flat, name="flat")
        flat = flat.map(_with_sizes).padded_batch(self._steps) if self._varies else flat.batch(self._steps)
        return iter(flat.prefetch(1))

    def close(self) -> None:
        """Ends the pipeline."""
        end(self.__dict__.pop("_iterator"))

    def peek(self) -> Stack | None:
        """The current stack, with at least one batch left; None at the end of the data."""
        if self._stack is None or not self._stack.left():
            self._stack = self._next()
            if self.batch_sizes is None and self._stack is not None:
                self.batch_sizes = self._stack.batch_sizes
        return self._stack

    def take(self, count: int) -> None:
        """Marks the next batches of the current stack as used."""
        assert self._stack is not None
        self._stack.start += count
        self._consumed += count
        self._untouched = {}

    def _next(self) -> Stack | None:
        try:
            parts = list(next(self._iterator))
        except StopIteration:
            return None
        sizes = parts.pop().numpy() if self._varies else None
        return self._padded(parts, sizes)

    def _padded(self, parts: list[tf.Tensor], sizes: np.ndarray | None) -> Stack:
        """A stack of the usual number of steps, so that one compiled program serves every stack."""
        count = int(parts[0].shape[0])
        if count < self._steps:
            missing = self._steps - count
            parts = [tf.concat([part, tf.zeros([missing, *part.shape[1:]], part.dtype)], 0) for part in parts]
        return Stack(parts, sizes, 0, count)

    def position(self) -> dict[str, Any]:
        """What a checkpoint keeps, by name. Without the iterator's state where the pipeline cannot give it."""
        if self._untouched:
            return self._untouched
        kept = self._state()
        if _STATE in kept and self._stack is not None and self._stack.left():
            rows = slice(self._stack.start, self._stack.stop)
            kept |= {f"{_LEFT}{index}": part[rows] for index, part in enumerate(self._stack.tensors)}
            if self._stack.sizes is not None:
                kept[_SIZES] = tf.constant(self._stack.sizes[rows])
        return kept

    def _state(self) -> dict[str, Any]:
        kept = _position(self._iterator, self._consumed)
        return kept if self.batch_sizes is None else {**kept, _BATCH_SIZES: tf.constant(self.batch_sizes, tf.int64)}

    def restore(self, checkpoint_path: str) -> bool:
        """Goes to the position of a checkpoint; False, and at the start, when it holds none."""
        stored = dict(tf.train.list_variables(checkpoint_path))
        if _CONSUMED not in stored:
            return False
        consumed = int(_restored(checkpoint_path, _CONSUMED, tf.int64))
        if stored.get(_BATCH_SIZES) == [len(tf.nest.flatten(self._spec))]:
            self.batch_sizes = _restored(checkpoint_path, _BATCH_SIZES, tf.int64).numpy().tolist()
        try:
            self._restore_exactly(checkpoint_path, stored)
        except (tf.errors.OpError, ValueError):  # another pipeline: count batches instead
            self._stack = None
            self._iterator = self._stacked(self._source.skip(consumed))
        self._consumed = consumed
        self._untouched = {} if self._stack else self._state()
        return True

    def _restore_exactly(self, checkpoint_path: str, stored: Mapping[str, Any]) -> None:
        if _STATE not in stored:
            raise ValueError("no iterator state")
        left = self._left(checkpoint_path, stored)
        state = _restored(checkpoint_path, _STATE, tf.variant)
        tf.raw_ops.DeserializeIterator(resource_handle=self._iterator._iterator_resource, serialized=state)
        self._stack = left

    def _left(self, checkpoint_path: str, stored: Mapping[str, Any]) -> Stack | None:
        specs = tf.nest.flatten(self._spec)
        names = [f"{_LEFT}{index}" for index in range(len(specs))]
        if names[0] not in stored:
            return None
        for name, spec in zip(names, specs, strict=True):
            if name not in stored or not spec.shape.is_compatible_with(stored[name][1:]):
                raise ValueError("batches of another shape")
        parts = [_restored(checkpoint_path, name, spec.dtype) for name, spec in zip(names, specs, strict=True)]
        sizes = _restored(checkpoint_path, _SIZES, tf.int64).numpy() if _SIZES in stored else None
        return self._padded(parts, sizes)


@tf.autograph.experimental.do_not_convert  # reading it would take longer than tracing it
def _flat(*element: Any) -> tuple[tf.Tensor, ...]:
    return tuple(tf.nest.flatten(element))


@tf.autograph.experimental.do_not_convert
def _with_sizes(*parts: tf.Tensor) -> tuple[tf.Tensor, ...]:
    sizes = [tf.shape(part, tf.int64)[0] if part.shape.rank else tf.constant(0, tf.int64) for part in parts]
    return *parts, tf.stack(sizes)


def end(iterator: Any) -> None:
    """Drops an iterator, in a thread: on a busy machine tf.data's autotuning may keep it for up to a minute."""
    held = [iterator]
    del iterator
    threading.Thread(target=held.clear, name="end of an iterator").start()


def _position(iterator: Any, consumed: int) -> dict[str, Any]:
    kept: dict[str, Any] = {_CONSUMED: tf.constant(consumed, tf.int64)}
    with contextlib.suppress(tf.errors.OpError):  # a pipeline that cannot tell its state is skipped through instead
        kept[_STATE] = tf.raw_ops.SerializeIterator(
            resource_handle=iterator._iterator_resource, external_state_policy=1
        )
    return kept


def _restored(checkpoint_path: str, name: str, dtype: tf.DType) -> tf.Tensor:
    return tf.raw_ops.RestoreV2(prefix=checkpoint_path, tensor_names=[name], shape_and_slices=[""], dtypes=[dtype])[0]


class IteratedBatches:
    """Batches that cannot be stacked, pulled one by one inside the loop.

    Args:
      dataset: yields batches of any kind.
    """

    def __init__(self, dataset: tf.data.Dataset) -> None:
        self._source = dataset
        self.iterator = iter(dataset.prefetch(tf.data.AUTOTUNE))
        self.consumed = 0

    def close(self) -> None:
        """Ends the pipeline."""
        end(self.__dict__.pop("iterator"))

    def position(self) -> dict[str, Any]:
        """What a checkpoint keeps, by name."""
        return _position(self.iterator, self.consumed)

    def restore(self, checkpoint_path: str) -> bool:
        """Goes to the position of a checkpoint; False, and at the start, when it holds none."""
        stored = dict(tf.train.list_variables(checkpoint_path))
        if _CONSUMED not in stored:
            return False
        self.consumed = int(_restored(checkpoint_path, _CONSUMED, tf.int64))
        try:
            state = _restored(checkpoint_path, _STATE, tf.variant)
            tf.raw_ops.DeserializeIterator(resource_handle=self.iterator._iterator_resource, serialized=state)
        except tf.errors.OpError:
            self.iterator = iter(self._source.skip(self.consumed).prefetch(tf.data.AUTOTUNE))
        return True
