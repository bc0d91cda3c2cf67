"""Steps on batches that cannot be stacked: a graph loop pulls them from the pipeline's iterator one by one."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from trainer.estimator.graph.model_function import ModelReplica
from trainer.estimator.steps.compiling.step_function import Step, fetches_of, shapes_of, step_function, zeros_of
from trainer.estimator.steps.input.batches import IteratedBatches
from trainer.estimator.steps.steps import CallResult, OwnSteps

_CALL_STEPS = 100


class IteratedSteps(OwnSteps):
    """Steps over sparse and ragged tensors, and over dense ones of unknown dimensions.

    Args:
      batches: of the data.
      replica: the model function with its variables.
      limit: the most steps in a device call; None chooses.
      device: where the steps run; None for TensorFlow's choice.
    """

    how = "a graph loop that pulls its batches"

    def __init__(
        self, batches: IteratedBatches, replica: ModelReplica, limit: int | None, device: str | None = None
    ) -> None:
        super().__init__(batches)
        self._most, self._device, self._iterated = limit or _CALL_STEPS, device, batches
        self.traced = replica.trace(batches.element_spec, xla=False)
        self._fetches = fetches_of(self.traced)
        self._step = step_function(self.traced)
        self._run = tf.function(self._loop, autograph=False).get_concrete_function(
            batches.iterator, tf.TensorSpec([], tf.int32)
        )

    def _loop(self, iterator: Any, count: tf.Tensor) -> Any:
        """Makes up to `count` steps, int32 [].

        Returns:
          The steps made, int32 []; whether the data have not ended, bool []; the losses, float32 [most + 1], of which
          those of the steps made count; and the fetches of the last step.
        """

        def body(index: tf.Tensor, _: tf.Tensor, losses: tf.TensorArray, last: Any) -> Any:
            optional = iterator.get_next_as_optional()
            more = optional.has_value()
            loss, results = tf.cond(more, lambda: _on(optional, self._step), lambda: (tf.constant(0.0), last))
            return index + tf.cast(more, tf.int32), more, losses.write(index, loss), results

        # One place more than steps: that at which the end of the data is met.
        losses = tf.TensorArray(tf.float32, self._most + 1, element_shape=[])
        index, more, losses, results = tf.while_loop(
            lambda index, more, *_: more & (index < count),
            body,
            [0, True, losses, zeros_of(self._fetches)],
            shape_invariants=[tf.TensorShape([]), tf.TensorShape([]), tf.TensorShape(None), shapes_of(self._fetches)],
            parallel_iterations=1,
        )
        return index, more, losses.stack(), results

    def run(self, num_steps: int) -> CallResult:
        with tf.device(self._device):
            count, more, losses, results = self._run(self._iterated.iterator, tf.constant(min(num_steps, self._most)))
        steps_made = int(count)
        self._iterated.consumed += steps_made
        fetched = {key: value.numpy() for key, value in results.items()}
        return CallResult(losses.numpy()[:steps_made], fetched, not bool(more))


def _on(optional: Any, step: Step) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """One step on the batch in a `tf.experimental.Optional`: the loss, float32 [], and the fetches, of any shapes."""
    return step(*tf.nest.flatten(optional.get_value(), expand_composites=True))
