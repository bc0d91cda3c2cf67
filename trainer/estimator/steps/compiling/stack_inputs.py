"""What the program of a stack takes of it: its components, or what is made of their texts before XLA's part.

The function of a batch (`graph/xla/batch_part`) is done on all batches of a stack at once where each of its ops is
known to do the same on a stack (`graph/input/stacked_records`, with a batch as the record); else batch by batch,
several at a time.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from trainer.estimator.graph.input.stacked_records import on_batch
from trainer.estimator.graph.input.stacked_tensors import NotStackableError
from trainer.estimator.graph.pruning import PrunedFunction
from trainer.estimator.graph.xla.batch_part import BatchPart
from trainer.estimator.steps.input.stacks import Stack

_AT_ONCE = 10


class StackInputs:
    """The arguments of a program, for each stack.

    Args:
      part: of the step.
    """

    def __init__(self, part: BatchPart) -> None:
        self._kept, self._function = part.kept, part.function
        self._make = tf.function(self._made, autograph=False, reduce_retracing=True)
        self._last: tuple[Stack, range, list[tf.Tensor]] | None = None

    def of(self, stack: Stack) -> list[tf.Tensor]:
        """The arguments for steps on the next whole batches, each [steps, batch, …] as the stack is; others are zeros.

        Raises:
          tf.errors.OpError: a batch is not as the model function demands.
        """
        kept = [stack.tensors[number] for number in self._kept]
        if self._function is None:
            return kept
        start, stop = stack.start, stack.start + stack.whole_batches()
        known = self._last is not None and self._last[0] is stack and self._last[1].start <= start
        if self._last is None or not known or self._last[1].stop < stop:
            # Only of batches that are there: what the function checks need not hold for padding.
            rows = self._make([part[start:stop] for part in stack.tensors])
            padding = [[start, int(stack.tensors[0].shape[0]) - stop]]
            made = [tf.pad(part, padding + [[0, 0]] * (part.shape.rank - 1)) for part in rows]
            self._last = stack, range(start, stop), made
        return [*kept, *self._last[2]]

    def _made(self, components: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """The function of each batch of components [steps, batch, …], each result [steps, …]."""
        assert self._function is not None
        try:
            return on_batch(self._function, components, constant_tables=True)
        except NotStackableError:
            return _one_by_one(self._function, components)


def _one_by_one(function: PrunedFunction, components: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """A function of batches [batch, …] on each of some, components [steps, batch, …]; its results [steps, …]."""
    outputs = function.graph.outputs
    if not outputs:  # checks alone
        tf.map_fn(lambda batch: _and_nothing(function, batch), list(components), fn_output_signature=tf.bool)
        return []
    signature = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in outputs]
    return list(
        tf.map_fn(
            lambda batch: function(*batch),
            list(components),
            fn_output_signature=signature,
            parallel_iterations=_AT_ONCE,
        )
    )


def _and_nothing(function: PrunedFunction, batch: Sequence[tf.Tensor]) -> tf.Tensor:
    """Runs a function of a batch, components [batch, …], and gives a value [] when it has run."""
    function(*batch)
    return tf.constant(True)
