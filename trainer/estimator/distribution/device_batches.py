"""Batches of one pipeline dealt out to devices: each step takes one for every device, all of one size."""

from __future__ import annotations

import logging

import numpy as np

from trainer.estimator.steps.batches import Stack, StackedBatches
from trainer.job.errors import TrainingError

log = logging.getLogger("trainer")

_STACKS_WITHOUT = 100


def rows_of(stack: Stack, batch_sizes: list[int] | None, devices: int) -> np.ndarray:
    """The places in a stack of the batches for the next steps.

    Args:
      stack: of batches.
      batch_sizes: the first dimension of each component of a batch that counts; smaller ones are passed over.
      devices: how many there are.

    Returns:
      int32 [steps, devices], ascending; what does not fill a step is not among them.
    """
    rows = np.arange(stack.start, stack.stop, dtype=np.int32)
    if stack.batch_sizes != batch_sizes:
        rows = rows[:0]
    elif stack.sizes is not None:
        rows = rows[(stack.sizes[rows] == batch_sizes).all(axis=1)]
    return rows[: len(rows) // devices * devices].reshape(-1, devices)


class DeviceBatches:
    """The batches of a pipeline, dealt out step by step, one to each device.

    A batch that is smaller than the others, and whole ones too few for a step at the end of a stack, are left out: all
    devices do the same in every step.

    Args:
      batches: of the pipeline, at the place where training goes on.
      devices: how many there are.

    Attributes:
      batch_sizes: the first dimension of each component of a batch that counts; None for data without any. A
        continued run may have been given another batch size: it is followed when the batches of the earlier one are
        used up.
    """

    def __init__(self, batches: StackedBatches, devices: int) -> None:
        self.batches, self._devices, self._left_out = batches, devices, 0
        batches.peek()
        self.batch_sizes = batches.batch_sizes
        self.peek()

    def peek(self) -> tuple[Stack, np.ndarray] | None:
        """The current stack and `rows_of` it, one step at least; None at the end of the data.

        Raises:
          TrainingError: there are always too few batches of the size that counts.
        """
        for _ in range(_STACKS_WITHOUT):
            stack = self.batches.peek()
            if stack is None:
                return None
            if stack.start == 0 and stack.left() > 1:
                self.batch_sizes = stack.batch_sizes
            rows = rows_of(stack, self.batch_sizes, self._devices)
            if len(rows):
                return stack, rows
            self._pass_over(stack)
        raise TrainingError(
            f"{self._left_out} batches in a row make no step for {self._devices} devices",
            f"Devices in step each take a batch of {max(self.batch_sizes or [0])} examples, as the first ones had",
            "Let the input function drop smaller batches, with batch(…, drop_remainder=True)",
        )

    def take(self, rows: np.ndarray) -> None:
        """Marks steps from the front of what `peek` gave as used, with whatever lies between their batches."""
        stack = self.batches.peek()
        assert stack is not None
        self._left_out = 0
        self.batches.take(int(rows[-1, -1]) + 1 - stack.start)

    def _pass_over(self, stack: Stack) -> None:
        if not self._left_out:
            log.info(
                "Devices train in step on batches of one size: %d smaller ones, or too few for a step, are left out.",
                stack.left(),
            )
        self._left_out += stack.left()
        self.batches.take(stack.left())
