"""Which batches of a pipeline each device takes in each step.

A step takes one batch for every device, all of one size, because every device runs the same program. With batches of
4, 4, 2, 4, 4, 4 examples in a stack and two devices:

    step      device A   device B
    1         0          1
    2         3          4            batch 2 is smaller: left out
                                      batch 5 has no partner in this stack: left out
"""

from __future__ import annotations

import logging

import numpy as np

from trainer.estimator.steps.input.batches import StackedBatches
from trainer.estimator.steps.input.stacks import Stack
from trainer.job.errors import TrainingError

log = logging.getLogger("trainer")

_MOST_STACKS_LEFT_OUT = 100
"""How many stacks in a row may hold no step, before the data are taken for ones that never will."""


def rows_of(stack: Stack, batch_sizes: list[int] | None, devices: int) -> np.ndarray:
    """The places in a stack of the batches for the next steps.

    Args:
      stack: of batches.
      batch_sizes: the first dimension of each component of a batch that is used; others are left out.
      devices: how many there are.

    Returns:
      int32 [steps, devices], ascending; without the batches that do not fill a step.
    """
    rows = np.arange(stack.start, stack.stop, dtype=np.int32)
    if stack.batch_sizes != batch_sizes:
        rows = rows[:0]  # its largest batch is smaller, or all of them are of another size
    elif stack.sizes is not None:
        rows = rows[(stack.sizes[rows] == batch_sizes).all(axis=1)]
    return rows[: len(rows) // devices * devices].reshape(-1, devices)


class DeviceBatches:
    """The batches of a pipeline, one for each device in each step.

    Batches that are smaller than the others are left out, and those at the end of a stack that are too few for a step.

    Args:
      batches: of the pipeline, at the place where training resumes.
      devices: how many there are.

    Attributes:
      batch_sizes: the first dimension of each component of the batches that are used; None for data without any batch.
        A run that resumes may have been given another batch size: it changes to that when it has used up the batches of
        the earlier size that the checkpoint holds.
    """

    def __init__(self, batches: StackedBatches, devices: int) -> None:
        self.batches, self._devices, self._left_out = batches, devices, 0
        batches.peek()
        self.batch_sizes = batches.batch_sizes
        self.peek()

    def peek(self) -> tuple[Stack, np.ndarray] | None:
        """The current stack and `rows_of` it, one step at least; None at the end of the data.

        Raises:
          TrainingError: stack after stack has too few batches of the size that is used.
        """
        for _ in range(_MOST_STACKS_LEFT_OUT):
            stack = self.batches.peek()
            if stack is None:
                return None
            # A stack of one batch may be the smaller last one of the data, which says nothing of the usual size.
            if stack.start == 0 and stack.left() > 1:
                self.batch_sizes = stack.batch_sizes
            rows = rows_of(stack, self.batch_sizes, self._devices)
            if len(rows):
                return stack, rows
            self._leave_out(stack)
        raise TrainingError(
            f"{self._left_out} batches in a row do not make a step for {self._devices} devices",
            f"a batch of {max(self.batch_sizes or [0])} examples for each device, the size of the first ones",
            "Drop smaller batches in the input function, with batch(…, drop_remainder=True)",
        )

    def take(self, rows: np.ndarray) -> None:
        """Marks batches as used, and those between them, which are left out.

        Args:
          rows: int32 [steps, devices], one step or more from the front of what `peek` gave.
        """
        stack = self.batches.peek()
        assert stack is not None
        self._left_out = 0
        self.batches.take(int(rows[-1, -1]) + 1 - stack.start)

    def _leave_out(self, stack: Stack) -> None:
        if not self._left_out:  # once for a row of them
            log.info(
                "Left out %d batches that are smaller than the others or too few for a step on all devices.",
                stack.left(),
            )
        self._left_out += stack.left()
        self.batches.take(stack.left())
