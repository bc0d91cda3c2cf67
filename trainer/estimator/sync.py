"""Steps of several processes in step: every one computes on its share of a batch, and all apply the same gradient.

What optimizers apply is averaged over the processes, weighted by the examples that each had, inside the graph of the
model function; so any
optimizer, of Keras or of `tf.compat.v1`, makes the same update everywhere, and the variables stay equal without being
sent.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainer.estimator.batches import StackedBatches
from trainer.estimator.collectives import Group, PeerLostError
from trainer.estimator.steps import CallResult, StackedSteps, TraceModel
from trainer.estimator.tracing import TracedModel


@contextlib.contextmanager
def averaged_gradients(group: Group, examples: int) -> Iterator[None]:
    """Inside, optimizers average gradients over the group before they apply them.

    Args:
      group: the processes.
      examples: in a batch of this process.
    """
    optimizer, keras_optimizer = tf.compat.v1.train.Optimizer, keras.optimizers.Optimizer
    apply_v1, apply_keras = optimizer.apply_gradients, keras_optimizer.apply

    def averaged_v1(self: Any, grads_and_vars: Any, *args: Any, **kwargs: Any) -> Any:
        pairs = [(gradient, variable) for gradient, variable in grads_and_vars if gradient is not None]
        averaged = _averaged(group, [gradient for gradient, _ in pairs], examples)
        return apply_v1(self, [(g, v) for g, (_, v) in zip(averaged, pairs, strict=True)], *args, **kwargs)

    def averaged_keras(self: Any, grads: Any, *args: Any, **kwargs: Any) -> Any:
        known = [gradient for gradient in grads if gradient is not None]
        averaged = iter(_averaged(group, known, examples))
        return apply_keras(self, [None if g is None else next(averaged) for g in grads], *args, **kwargs)

    optimizer.apply_gradients, keras_optimizer.apply = averaged_v1, averaged_keras
    try:
        yield
    finally:
        optimizer.apply_gradients, keras_optimizer.apply = apply_v1, apply_keras


def _averaged(group: Group, gradients: Sequence[Any], examples: int) -> list[tf.Tensor]:
    """Means over the group, weighted by examples: one collective for all of them."""
    dense = [tf.convert_to_tensor(gradient) for gradient in gradients]
    weight = tf.constant(examples, tf.float32)
    parts = [tf.reshape(tf.cast(gradient, tf.float32), [-1]) * weight for gradient in dense]
    total = group.sum(tf.concat([*parts, weight[None]], 0))
    sizes = [gradient.shape.num_elements() for gradient in dense]
    means = tf.split(total[:-1] / total[-1], sizes)
    return [
        tf.cast(tf.reshape(mean, gradient.shape), gradient.dtype) for mean, gradient in zip(means, dense, strict=True)
    ]


class SyncSteps(StackedSteps):
    """Steps over this process's share of the data, in step with the other processes of the group.

    Batches that are smaller than the others are left out: the processes would differ in what they can do.
    """

    compiles = False

    def __init__(self, group: Group, batches: StackedBatches, element_spec: Any, trace_model: TraceModel) -> None:
        self._group = group
        super().__init__(batches, element_spec, _averaging(group, trace_model))
        self.how = f"a graph loop in {group.size} processes together"

    def agree(self, room: int, stop: int) -> tuple[int, int]:
        """The steps that every process can make in the next call, and the weightiest wish to end."""
        stack = self.batches.peek()
        whole = 0 if stack is None or stack.widths != self._widths else stack.whole_batches()
        with peers_needed():
            said = self._group.gather([min(room, whole), stop])
        return int(said[:, 0].min()), int(said[:, 1].max())

    def run(self, num_steps: int) -> CallResult:
        if not num_steps:
            return CallResult(np.zeros([0], np.float32), {}, True)
        with peers_needed():
            result = super().run(num_steps)
            width = float((self._widths or [1])[0])
            weighted = self._group.gather([width, *(result.losses * width)])
        losses = (weighted[:, 1:].sum(0) / weighted[:, 0].sum()).astype(np.float32)
        return dataclasses.replace(result, losses=losses)


def _averaging(group: Group, trace_model: TraceModel) -> TraceModel:
    """Traces with gradients averaged by the examples of a batch."""

    def trace(element_spec: Any, xla: bool) -> TracedModel:
        examples = tf.nest.flatten(element_spec)[0].shape[0] or 1
        with averaged_gradients(group, examples):
            return trace_model(element_spec, xla)

    return trace


@contextlib.contextmanager
def peers_needed() -> Iterator[None]:
    """Turns the loss of another process into a PeerLostError."""
    try:
        yield
    except (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.DeadlineExceededError,
    ) as error:
        raise PeerLostError(
            f"Another process of the synchronous job is gone ({type(error).__name__})",
            do="Start all of its processes again: they go on from the last checkpoint",
        ) from error
