"""Stacks: the batches of many steps as one tensor for each component, for one device call.

A dataset of ({"x": [4, 3]}, [4]) in stacks of two batches becomes the tensors [2, 4, 3] and [2, 4]; a step takes a row
of each. Where batches differ in size, the smaller ones are padded, and `Stack.sizes` tells what is theirs:

    batches of 4 and 2 examples       tensors [2, 4, 3] and [2, 4]       sizes [[4, 4], [2, 2]]
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

STACK_BYTES = 16 << 20
"""Of the batches of a call. Of 4 MiB, DLinear's 10 batches, a step took 0.92 ms; of 16 MiB 0.85, of 32 no less."""
STACK_STEPS = 500
_STACK_STEPS_AT_HAND = 8000
"""Of batches that nobody waits for. A call for a stack takes Python as long as 70 of the fastest steps take XLA …"""
_STACKS_AT_HAND = 4
"""… and of 4,000 it waits 45 ms before the first step. So a training has a few stacks at the least …"""
_UNKNOWN_LENGTH = 16_000
"""… and one whose end only the data tell is taken for as long as this."""
_UNKNOWN_BATCH = 256
"""What a batch of unknown size is taken to have, for its bytes."""


def stackable(element_spec: Any) -> bool:
    """Whether batches can be stacked: dense, and no dimension unknown but the first, that of the batch."""
    return all(
        isinstance(spec, tf.TensorSpec) and spec.shape.rank is not None and None not in spec.shape.as_list()[1:]
        for spec in tf.nest.flatten(element_spec)
    )


def varies(element_spec: Any) -> bool:
    """Whether batches may differ in size."""
    return any(not spec.shape.is_fully_defined() for spec in tf.nest.flatten(element_spec))


def stack_steps(
    element_spec: Any, limit: int | None = None, save_steps: int | None = None, most: int = STACK_STEPS
) -> int:
    """How many batches to stack: as many as fit into STACK_BYTES, at most so many or the limit, at least one.

    It depends on shapes and settings alone, so that a run that resumes computes what the unbroken one would have.

    Args:
      element_spec: of a batch.
      limit: the most steps in a device call; None for `most`.
      save_steps: steps between checkpoints; None where they do not count steps. Stacks divide them evenly, so that a
        checkpoint seldom falls within a stack and has batches to keep.
      most: how many at most where nobody has set a limit.
    """
    batch_bytes = [
        spec.dtype.size * int(np.prod([dim or _UNKNOWN_BATCH for dim in spec.shape.as_list()]))
        for spec in tf.nest.flatten(element_spec)
    ]
    most = max(1, min(limit or most, STACK_BYTES // max(1, sum(batch_bytes))))
    if not save_steps:
        return most
    stacks_between_saves = -(-save_steps // most)
    return save_steps // stacks_between_saves


def most_at_hand(length: int | None) -> int:
    """How many batches that nobody waits for to stack at the most: a quarter of the training or less.

    Trainings of nearly the same length get the same, so that they share what XLA compiled.

    Args:
      length: the steps that were asked for; None where there is no such number.
    """
    most = _STACK_STEPS_AT_HAND
    while most > max(STACK_STEPS, (length or _UNKNOWN_LENGTH) // _STACKS_AT_HAND):
        most //= 2
    return most


@dataclasses.dataclass
class Stack:
    """The batches of a device call.

    Attributes:
      tensors: the components of a batch, flat, each [steps, batch, …]; rows from `stop` on are padding.
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
        """How many batches no step has used."""
        return self.stop - self.start

    @property
    def batch_sizes(self) -> list[int]:
        """The first dimension of each component of the largest batch; 0 for a scalar."""
        return [part.shape[1] if part.shape.rank > 1 else 0 for part in self.tensors]

    def whole_batches(self) -> int:
        """How many batches from `start` on are as large as the largest one, up to the first that is not."""
        if self.sizes is None:
            return self.left()
        smaller = np.flatnonzero((self.sizes[self.start : self.stop] != self.batch_sizes).any(axis=1))
        return int(smaller[0]) if smaller.size else self.left()

    def batch(self) -> list[tf.Tensor]:
        """The components of the batch at `start`, each [batch, …], without padding."""
        if self.sizes is None:
            return [part[self.start] for part in self.tensors]
        sizes = self.sizes[self.start]
        return [
            part[self.start][:size] if part.shape.rank > 1 else part[self.start]
            for part, size in zip(self.tensors, sizes, strict=True)
        ]
