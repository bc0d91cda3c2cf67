"""A device's replica of the model, where several train in step: the programs of its steps."""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from trainer.estimator.contract.xla_use import XlaUse
from trainer.estimator.distribution.averaging import averaged_gradients, check_weights_alike, means
from trainer.estimator.distribution.collectives import Participant
from trainer.estimator.distribution.divided_step import NotDividedError, divided
from trainer.estimator.graph.model_function import ModelReplica
from trainer.estimator.graph.variables import Role
from trainer.estimator.steps.compiling import compile_policy
from trainer.estimator.steps.compiling.step_function import fetches_of, pruned_step, stack_loop, step_function

log = logging.getLogger("trainer")


class Replica:
    """A device's replica of the model, and the program of its steps.

    Args:
      participant: the device.
      model: the model function with the variables of this device.
      spec: of a batch, with its size.
      examples: how many a batch has.
      host: the device that holds the stacks of batches.

    Attributes:
      traced: the model.
    """

    def __init__(self, participant: Participant, model: ModelReplica, spec: Any, examples: int, host: str) -> None:
        self._participant, self._host = participant, host
        with averaged_gradients(participant, examples):
            self.traced = model.trace(spec, xla=False)
        check_weights_alike(self.traced)
        self._batch = [tf.TensorSpec(part.shape, part.dtype) for part in tf.nest.flatten(spec)]
        self._pruned = pruned_step(self.traced)
        self._program = self._made(self._pruned)

    def compiled_from(self, xla: XlaUse) -> int:
        """The global step from which XLA makes the steps, as it would of one process; beyond all steps for never."""
        if xla is XlaUse.NEVER or "GPU" in self._participant.device.upper():  # measured on CPUs alone
            return sys.maxsize
        return 0 if xla is XlaUse.AT_ONCE else compile_policy.first_compiled_step(self._pruned.operations)

    def _made(self, pruned: Callable[..., Any]) -> Any:
        """The program of many steps, from what computes the loss and the fetches of one."""
        loop = stack_loop(step_function(self.traced, pruned), fetches_of(self.traced))
        stack = [tf.TensorSpec([None, *part.shape], part.dtype) for part in self._batch]
        program = tf.function(functools.partial(self._steps, loop), autograph=False)
        return program.get_concrete_function(stack, tf.TensorSpec([None], tf.int32))

    @functools.cached_property
    def _compiled(self) -> Any:
        """The program whose steps XLA compiles but for the sum over devices; as a graph where it does not."""
        try:
            return self._made(divided(self.traced).compiled(self._batch))
        except NotDividedError as why:
            log.info("XLA cannot compile the steps of this model function around their sum: %s", why)
            return self._program

    def run(
        self, tensors: list[tf.Tensor], rows: tf.Tensor, *, compiled: bool
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Makes a step on each of some batches of a stack.

        Args:
          tensors: of the stack, each [batches, batch, …].
          rows: int32 [steps], the places of the batches in the stack.
          compiled: whether by XLA.

        Returns:
          The losses, float32 [steps], and the fetches of the last step, of any shapes.
        """
        with tf.device(self._participant.device):
            return (self._compiled if compiled else self._program)(tensors, rows)

    def _steps(self, loop: Callable[..., Any], tensors: list[tf.Tensor], rows: tf.Tensor) -> Any:
        """The graph of `run`: a loop over tensors [batches, batch, …], at rows int32 [steps]."""
        # The stack stays on the host: only this device's batches, [steps, batch, …], are copied to it.
        with tf.device(self._host):
            own_batches = [tf.gather(tensor, rows) for tensor in tensors]
        losses_and_fetches = loop(own_batches, tf.constant(0), tf.size(rows))
        self._average_state()
        return losses_and_fetches

    def _average_state(self) -> None:
        """Sets moving averages to their means over all devices, each of which has seen other examples."""
        # They are linear in what they average, so that doing this once in a call has the effect of once in a step. By
        # name, since every device has to sum them in the same order.
        store = self.traced.store
        moving = [v for _, v in sorted(store.named(Role.STATE).items()) if v.dtype.is_floating]
        for variable, mean in zip(moving, means(self._participant, moving, 1), strict=True) if moving else ():
            variable.assign(mean)
