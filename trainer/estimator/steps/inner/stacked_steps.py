"""Steps over stacks of batches: one program for many steps, a graph at first and compiled by XLA when that pays."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.estimator.graph.model_function import ModelReplica
from trainer.estimator.graph.tracing import TracedModel
from trainer.estimator.graph.variables import VariableStore
from trainer.estimator.steps.compiling import building, xla
from trainer.estimator.steps.compiling.program import Compiled, Program
from trainer.estimator.steps.input.batches import StackedBatches
from trainer.estimator.steps.input.stacks import Stack
from trainer.estimator.steps.steps import CallResult, NextStep, OwnSteps
from trainer.job.goodput import Activity

log = logging.getLogger("trainer")

NO_STEP = sys.maxsize
"""From which XLA makes the steps, where it makes none."""
_MOST_BYTES_TWICE = 1 << 28
"""Variables that take more are not copied for compiling beside the training: that waits until it is needed."""


def static_spec(element_spec: Any, batch_sizes: Sequence[int] | None) -> Any:
    """The element spec with the first dimensions that the data have.

    Args:
      element_spec: of a batch, components [batch or None, …] or [].
      batch_sizes: the first dimension of each component; None leaves the spec as it is.
    """
    if batch_sizes is None:
        return element_spec
    static = [
        tf.TensorSpec([size, *spec.shape[1:]] if spec.shape.rank else [], spec.dtype)
        for size, spec in zip(batch_sizes, tf.nest.flatten(element_spec), strict=True)
    ]
    return tf.nest.pack_sequence_as(element_spec, static)


class StackedSteps(OwnSteps):
    """Steps over stacks of batches, compiled by XLA where it can.

    Args:
      batches: of the data.
      replica: the model function with its variables.
      compiled: what an earlier training compiled, used again where it fits; takes what this one compiles.
      device: where the steps run; None for TensorFlow's choice.
      stop_at: the global step to end at; None where it is not known.
      xla_from: the global step from which XLA makes them, or NO_STEP; None for the compile policy.

    Attributes:
      xla_since: the global step from which XLA has made them; None where it has made none.
    """

    def __init__(
        self,
        batches: StackedBatches,
        replica: ModelReplica,
        compiled: Compiled | None = None,
        device: str | None = None,
        stop_at: int | None = None,
        xla_from: int | None = None,
    ) -> None:
        super().__init__(batches)
        self.xla_since: int | None = None
        self._xla_from = xla_from
        self._stacks, self._spec = batches, batches.element_spec
        self._replica, self._device, self._stop_at = replica, device, stop_at
        self._compiled = compiled or Compiled()
        batches.peek()
        self._batch_sizes = batches.batch_sizes
        self._stacks_of_other_sizes = 0
        self._program = self._reused_or_built()

    @property
    def how(self) -> str:
        return "one XLA program for many steps" if self._program.compiled else "a graph loop over many steps"

    def _reused_or_built(self) -> Program:
        """The program of an earlier training if the model function makes the same graph now, else one of its own."""
        earlier = self._compiled.program
        if earlier is None:
            return self._built(self._xla_from != NO_STEP)
        spec = static_spec(self._spec, self._batch_sizes)
        self.traced = self._replica.trace(spec, xla=earlier.compiled is not None)
        same = building.fingerprint_of(self.traced, spec) == earlier.fingerprint
        return earlier if same else self._built(self._xla_from != NO_STEP, earlier=self.traced)

    def _built(self, jit_compile: bool, earlier: TracedModel | None = None) -> Program:
        """A program of the model function as it is now, or of a trace of it on the same batches."""
        spec = static_spec(self._spec, self._batch_sizes)
        self.traced, program = building.built(self._replica, spec, jit_compile, earlier)
        self._compiled.program = program
        return program

    def run(self, num_steps: int) -> CallResult:
        stack = self._stacks.peek()
        if stack is None:
            return CallResult(np.zeros([0], np.float32), {}, True)
        with tf.device(self._device):
            if stack.start == 0:
                self._follow(stack.batch_sizes)
            whole = stack.batch_sizes == self._batch_sizes and stack.whole_batches()
            return self._run_whole(stack, num_steps) if whole else self._run_short(stack)

    def _run_whole(self, stack: Stack, num_steps: int) -> CallResult:
        """Steps on batches of the size that the program is for."""
        tensors = self._inputs(stack)
        before_xla = self._steps_before_xla()
        if not before_xla and self.xla_since is None:
            self.xla_since = self.global_step()
        stop = stack.start + min(num_steps, stack.whole_batches(), before_xla or num_steps)
        arguments = [tensors, tf.constant(stack.start), tf.constant(stop)]
        losses, results = self._program.as_graph(*arguments) if before_xla else self._compiled_call(stack, arguments)
        losses = losses.numpy()[stack.start : stop]
        if before_xla and self._xla_from is None and _num_bytes(self.traced.store) <= _MOST_BYTES_TWICE:
            self._program.compile_ahead(tensors, self._stop_at, self._device)
        self._stacks.take(len(losses))
        return CallResult(losses, {key: value.numpy() for key, value in results.items()}, False)

    def _inputs(self, stack: Stack) -> list[tf.Tensor]:
        """What the program takes of a stack, [steps, batch, …] each."""
        if self._program.inputs is None:
            return stack.tensors
        try:
            return self._program.inputs.of(stack)
        except tf.errors.OpError as why:
            # The steps before that batch are still to be made, and the error is that of its own step.
            log.info("Steps run as a graph, since a batch is not as the model function demands: %s", why)
            self._program, self.xla_since = self._built(jit_compile=False, earlier=self.traced), None
            return stack.tensors

    def _follow(self, batch_sizes: list[int]) -> None:
        """Builds for another batch size when the data keep to it: a continued run may have been given one."""
        same = batch_sizes == self._batch_sizes
        self._stacks_of_other_sizes = 0 if same else self._stacks_of_other_sizes + 1
        if self._stacks_of_other_sizes > 1:  # a single one may be the short end of the data
            self._batch_sizes = self._stacks.batch_sizes = batch_sizes
            self._program = self._built(jit_compile=self._program.compiled is not None)

    def _steps_before_xla(self) -> int:
        """Steps before XLA takes over; 0 when it has."""
        program = self._program
        if program.compiled is None:
            return sys.maxsize
        if self._xla_from is not None:
            return max(self._xla_from - self.global_step(), 0)
        return 0 if program.proven else max(program.first_compiled - self.global_step(), 0)

    def _compiled_call(self, stack: Stack, arguments: list[Any]) -> Any:
        """Makes steps compiled by XLA, or as a graph from now on if it does not compile them."""
        program = self._program
        assert program.compiled is not None
        if program.proven:
            return program.compiled(*arguments)
        try:
            with xla.first_call(), self._stacks.account.spent(Activity.COMPILE):
                if program.compiling is not None:
                    program.compiling.result()
                called = program.compiled(*arguments)
        except xla.NotCompilableError as why:
            log.info("XLA cannot compile this model function, so its steps run as a graph: %s", why)
            self._program, self.xla_since = self._built(jit_compile=False, earlier=self.traced), None
            return self._program.as_graph(stack.tensors, *arguments[1:])
        program.proven = True
        return called

    def _run_short(self, stack: Stack) -> CallResult:
        """One step on a batch that is smaller than the others, as the last one of finite data may be."""
        if self._program.run_short is None:
            self._program.run_short = building.one_step(self._replica, self._spec)
        loss, results = self._program.run_short(*stack.batch())
        self._stacks.take(1)
        return CallResult(loss.numpy()[None], {key: value.numpy() for key, value in results.items()}, False)

    def take_back(self, num_steps: int) -> None:
        """Goes back in the data, by no more steps than the last call has made."""
        self._stacks.take_back(num_steps)

    def next_step(self) -> NextStep:
        """What the next step is made of."""
        stack = self._stacks.peek()
        assert stack is not None  # it was made before
        whole = stack.batch_sizes == self._batch_sizes and stack.whole_batches()
        traced = self.traced if whole else self._replica.trace(self._spec, xla=False)
        return NextStep(traced, stack.batch(), self._spec, self._stacks.consumed)


def _num_bytes(store: VariableStore) -> float:
    """Of all variables; of one whose shape is not known, infinitely many."""
    variables = store.by_name.values()
    return sum(v.shape.num_elements() * v.dtype.size if v.shape.is_fully_defined() else math.inf for v in variables)
