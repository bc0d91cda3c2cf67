"""The batches of an input function, in stacks or one by one, from a place that a checkpoint keeps.

To resume with exactly the next batch, a checkpoint needs the state of the pipeline's iterator, which runs ahead by
whole stacks, and the batches of the current stack that no step has used yet (`input_position`).
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.estimator.graph.input import whole_stacks
from trainer.estimator.steps.input import input_position
from trainer.estimator.steps.input.input_position import ALL, Part
from trainer.estimator.steps.input.stacks import Stack, varies
from trainer.estimator.steps.monitoring.traced_call import WAIT
from trainer.job.goodput import Activity, TimeAccount


class StackedBatches:
    """Stacks from a dataset, in order.

    Args:
      dataset: yields batches for which `stackable` holds.
      steps: batches in a stack.
      account: of the time of this process.
      seeded: whether a seed gives the orders of shuffles, so that whoever resumes is to have the same.

    Attributes:
      element_spec: of a batch.
      batch_sizes: the `Stack.batch_sizes` of the first stack since the data began, be it in an earlier run; None before
        there was one.
    """

    def __init__(
        self, dataset: tf.data.Dataset, steps: int, account: TimeAccount | None = None, *, seeded: bool = True
    ) -> None:
        self.account = account or TimeAccount()
        self.batch_sizes: list[int] | None = None
        self.element_spec, self._steps = dataset.element_spec, steps
        self._with_sizes = False
        self._source, self._consumed = dataset, 0
        self._stack: Stack | None = None
        self._untouched: dict[str, Any] = {}
        self._seeded, self._shuffles = seeded, dict[str, Any]()

    @functools.cached_property
    def _iterator(self) -> StackIterator:
        """Over the data from their beginning. Made when it is needed: a second one may have them in another order."""
        self._iterator = self._stacked(self._source)
        self._shuffles = input_position.shuffles(self._iterator.handle) if self._seeded else {}
        # The first stack is read before the checkpoint of step 0 is written. Its position, taken here before anything
        # was read, has no batches to keep.
        self._untouched = self._state()
        return self._iterator

    def _stacked(self, dataset: tf.data.Dataset) -> StackIterator:
        flat = dataset.map(_flat, name="flat")
        stacks = whole_stacks.stacks(flat, self._steps)
        self._with_sizes = stacks is None and varies(self.element_spec)
        if stacks is None:
            stacks = (flat.map(_with_sizes).padded_batch if self._with_sizes else flat.batch)(self._steps)
        return StackIterator(stacks.prefetch(1))

    def close(self) -> None:
        """Ends the pipeline."""
        if "_iterator" in self.__dict__:
            end(self.__dict__.pop("_iterator"))

    def peek(self) -> Stack | None:
        """The current stack, with at least one batch left; None at the end of the data."""
        if self._stack is None or not self._stack.left():
            self._stack = self._next()
            if self.batch_sizes is None and self._stack is not None:
                self.batch_sizes = self._stack.batch_sizes
        return self._stack

    def take(self, count: int) -> None:
        """Marks the next `count` batches of the current stack as used."""
        assert self._stack is not None
        self._stack.start += count
        self._consumed += count
        self._untouched = {}

    def take_back(self, count: int) -> None:
        """Marks the last `count` batches of the current stack as not used."""
        assert self._stack is not None
        self._stack.start -= count
        self._consumed -= count

    @property
    def consumed(self) -> int:
        """How many batches steps have used since the data began."""
        return self._consumed

    def _next(self) -> Stack | None:
        try:
            with self.account.spent(Activity.INPUT), tf.profiler.experimental.Trace(WAIT):
                parts = next(self._iterator)
        except StopIteration:
            return None
        sizes = parts.pop().numpy() if self._with_sizes else None
        return self._padded(parts, sizes) if parts[0].shape[0] else None

    def _padded(self, parts: list[tf.Tensor], sizes: np.ndarray | None) -> Stack:
        """A stack of the usual number of steps, so that one compiled program serves every stack.

        Args:
          parts: the components of up to that number of batches, each [batches, batch, …].
          sizes: int64 [batches, components], as of a `Stack`.
        """
        count = int(parts[0].shape[0])
        if count < self._steps:
            missing = self._steps - count
            parts = [tf.concat([part, tf.zeros([missing, *part.shape[1:]], part.dtype)], 0) for part in parts]
        return Stack(parts, sizes, 0, count)

    def position(self) -> dict[str, Any]:
        """What a checkpoint keeps, by name. Without the iterator's state where the pipeline cannot tell it."""
        entries = self._state()
        if self._untouched:
            return self._untouched
        # Without the state the data are resumed by counting batches, which needs no batches of this stack.
        if input_position.ITERATOR in entries and self._stack is not None and self._stack.left():
            rows = slice(self._stack.start, self._stack.stop)
            entries |= {f"{input_position.LEFT}{index}": part[rows] for index, part in enumerate(self._stack.tensors)}
            if self._stack.sizes is not None:
                entries[input_position.SIZES] = tf.constant(self._stack.sizes[rows])
        return entries

    def _state(self) -> dict[str, Any]:
        entries = input_position.of(self._iterator.handle, self._consumed) | self._shuffles
        if self.batch_sizes is not None:
            entries[input_position.BATCH_SIZES] = tf.constant(self.batch_sizes, tf.int64)
        return entries

    def restore(self, checkpoint_path: str, part: Part = ALL) -> bool:
        """Goes to the position of a checkpoint; False, and at the start, when it holds none.

        Args:
          checkpoint_path: of the checkpoint.
          part: which part of the data this pipeline yields. The place in another one is not taken over: only how many
            batches were used is.
        """
        stored = dict(tf.train.list_variables(checkpoint_path))
        if input_position.CONSUMED not in stored:
            return False
        consumed, own = input_position.consumed_of(checkpoint_path, stored, part)
        if stored.get(input_position.BATCH_SIZES) == [len(tf.nest.flatten(self.element_spec))]:
            sizes = input_position.read(checkpoint_path, input_position.BATCH_SIZES, tf.int64)
            self.batch_sizes = sizes.numpy().tolist()
        try:
            self._restore_exactly(checkpoint_path, stored if own else {})
        except (tf.errors.OpError, ValueError):  # another pipeline: count batches instead
            self._stack = None
            self._iterator = self._stacked(self._source.skip(consumed))
            self._shuffles = input_position.shuffles(self._iterator.handle) if self._seeded else {}
        self._consumed = consumed
        self._untouched = {} if self._stack else self._state()
        return True

    def _restore_exactly(self, checkpoint_path: str, stored: Mapping[str, Any]) -> None:
        # Looked at before there is an iterator, which begins the data: a second one would shuffle them otherwise.
        if not input_position.tells_all(checkpoint_path, stored):
            raise ValueError("no iterator state, or not all of it")
        left = input_position.left(checkpoint_path, stored, tf.nest.flatten(self.element_spec))
        input_position.set_state(self._iterator.handle, checkpoint_path)
        self._stack = None if left is None else self._padded(*left)


@tf.autograph.experimental.do_not_convert  # reading it would take longer than tracing it
def _flat(*element: Any) -> tuple[tf.Tensor, ...]:
    """The components of a batch, in the order of `tf.nest`, each [batch, …]."""
    return tuple(tf.nest.flatten(element))


@tf.autograph.experimental.do_not_convert
def _with_sizes(*parts: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """The components, each [batch, …] or a scalar, and their first dimensions, int64 [components], 0 for a scalar."""
    sizes = [tf.shape(part, tf.int64)[0] if part.shape.rank else tf.constant(0, tf.int64) for part in parts]
    return *parts, tf.stack(sizes)


class StackIterator:
    """Over a dataset of stacks. `next` of TensorFlow's iterator makes an executor for each, as long as the op takes.

    Args:
      stacks: yields flat tuples of dense components, each [batches, …].

    Attributes:
      handle: resource [], the iterator itself.
    """

    def __init__(self, stacks: tf.data.Dataset) -> None:
        self._owner = iter(stacks)  # keeps what the dataset calls alive
        self.handle = tf.nest.flatten(self._owner, expand_composites=True)[0]
        specs = tf.nest.flatten(stacks.element_spec)
        self._types, self._shapes = [spec.dtype for spec in specs], [spec.shape for spec in specs]

    def __next__(self) -> list[tf.Tensor]:
        """The components of the next stack, each [batches, batch, …]."""
        try:
            # In this thread: `IteratorGetNext` asks in another one, whose end is heard late where the cores have work.
            return list(
                tf.raw_ops.IteratorGetNextSync(
                    iterator=self.handle, output_types=self._types, output_shapes=self._shapes
                )
            )
        except tf.errors.OutOfRangeError:
            raise StopIteration from None


class IteratedBatches:
    """Batches that cannot be stacked, which the loop pulls one by one inside its graph.

    Args:
      dataset: yields batches of any kind.
      seeded: whether a seed gives the orders of shuffles, so that whoever resumes is to have the same.

    Attributes:
      element_spec: of a batch.
      consumed: how many batches steps have used; the loop counts.
    """

    def __init__(self, dataset: tf.data.Dataset, *, seeded: bool = True) -> None:
        self._source, self.element_spec = dataset, dataset.element_spec
        self._seeded, self._shuffles = seeded, dict[str, Any]()
        self.consumed = 0

    @functools.cached_property
    def iterator(self) -> Any:
        """Over the batches. Made when it is needed: a second one may have them in another order."""
        return self._over(self._source)

    def _over(self, dataset: tf.data.Dataset) -> Any:
        iterator = iter(dataset.prefetch(tf.data.AUTOTUNE))
        self._shuffles = input_position.shuffles(iterator) if self._seeded else {}
        return iterator

    def close(self) -> None:
        """Ends the pipeline."""
        if "iterator" in self.__dict__:
            end(self.__dict__.pop("iterator"))

    def position(self) -> dict[str, Any]:
        """What a checkpoint keeps, by name."""
        return input_position.of(self.iterator, self.consumed) | self._shuffles

    def restore(self, checkpoint_path: str) -> bool:
        """Goes to the position of a checkpoint; False, and at the start, when it holds none."""
        stored = dict(tf.train.list_variables(checkpoint_path))
        if input_position.CONSUMED not in stored:
            return False
        self.consumed = int(input_position.read(checkpoint_path, input_position.CONSUMED, tf.int64))
        try:
            if not input_position.tells_all(checkpoint_path, stored):
                raise ValueError("no iterator state, or not all of it")
            input_position.set_state(self.iterator, checkpoint_path)
        except (tf.errors.OpError, ValueError):  # no state, or that of another pipeline: count batches instead
            self.iterator = self._over(self._source.skip(self.consumed))
        return True


def end(iterator: Any) -> None:
    """Drops an iterator, in a thread: on a busy machine tf.data's autotuning may keep it for up to a minute."""
    last_reference = [iterator]
    del iterator  # else this call would hold one until it returns
    threading.Thread(target=last_reference.clear, name="end of an iterator").start()
