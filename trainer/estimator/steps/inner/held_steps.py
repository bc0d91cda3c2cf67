"""Steps on batches that cannot be stacked, one by one, whose last batches are kept to make them once more."""

from __future__ import annotations

import collections

import numpy as np
import tensorflow as tf

from trainer.estimator.graph.model_function import ModelReplica
from trainer.estimator.steps.compiling.step_function import step_function
from trainer.estimator.steps.input.batches import IteratedBatches
from trainer.estimator.steps.steps import CallResult, NextStep, OwnSteps


class HeldSteps(OwnSteps):
    """Steps as `IteratedSteps` makes them.

    Args:
      batches: of the data.
      replica: the model function with its variables.
      device: where the steps run; None for TensorFlow's choice.
    """

    how = "a step at a time"

    def __init__(self, batches: IteratedBatches, replica: ModelReplica, device: str | None = None) -> None:
        super().__init__(batches)
        self._device, self._iterated = device, batches
        self.traced = replica.trace(batches.element_spec, xla=False)
        specs = [tf.TensorSpec(feed.shape, feed.dtype) for feed in self.traced.feeds]
        self._step = tf.function(step_function(self.traced), autograph=False).get_concrete_function(*specs)
        self._made: list[list[tf.Tensor]] = []
        self._next: collections.deque[list[tf.Tensor]] = collections.deque()

    def run(self, num_steps: int) -> CallResult:
        losses: list[float] = []
        self._made = []
        with tf.device(self._device):
            while len(losses) < num_steps and self._peek():
                self._made.append(self._next.popleft())
                losses.append(float(self._step(*self._made[-1])[0]))
        self._iterated.consumed += len(losses)
        return CallResult(np.array(losses, np.float32), {}, len(losses) < num_steps)

    def _peek(self) -> bool:
        """Whether there is a next batch."""
        if not self._next:
            batch = next(self._iterated.iterator, None)
            if batch is not None:
                self._next.append(tf.nest.flatten(batch, expand_composites=True))
        return bool(self._next)

    def take_back(self, num_steps: int) -> None:
        """Goes back in the data, by no more steps than the last call has made."""
        self._next.extendleft(self._made.pop() for _ in range(num_steps))
        self._iterated.consumed -= num_steps

    def next_step(self) -> NextStep:
        """What the next step is made of."""
        assert self._peek()  # it was made before
        return NextStep(self.traced, self._next[0], self._iterated.element_spec, self._iterated.consumed)
