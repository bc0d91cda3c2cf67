"""What is compiled of a traced model: a loop over stacks of batches, as a graph and by XLA."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import tensorflow as tf

from trainer.estimator.graph.fingerprint import Fingerprint
from trainer.estimator.graph.inside.named_functions import NamedFunction
from trainer.estimator.steps.compiling import xla
from trainer.estimator.steps.compiling.stack_inputs import StackInputs


class StackProgram:
    """A `stack_loop`, as a graph or compiled by XLA, for stacks of any shapes.

    Args:
      make_loop: makes the loop, when it is needed.
      jit_compile: whether XLA compiles it.
    """

    def __init__(self, make_loop: Callable[[], Callable[..., Any]], jit_compile: bool = False) -> None:
        self.jit_compile = jit_compile
        self._make_loop = make_loop
        self._concrete: dict[Any, Any] = {}

    @functools.cached_property
    def _function(self) -> Any:
        return tf.function(self._make_loop(), jit_compile=self.jit_compile or None, autograph=False)

    def __call__(self, tensors: list[tf.Tensor], start: tf.Tensor, stop: tf.Tensor) -> Any:
        """Makes the steps on batches start to stop - 1 of a stack, each component [steps, batch, …]."""
        return self._traced(tensors, start, stop)(tensors, start, stop)

    def _traced(self, tensors: list[tf.Tensor], start: tf.Tensor, stop: tf.Tensor) -> Any:
        """The function traced for stacks [steps, batch, …] of these shapes, from start to stop, int32 [].

        Left to itself, TensorFlow would warn that there are several.
        """
        key = tuple(tuple(tensor.shape) for tensor in tensors)
        if key not in self._concrete:
            traced = self._function.get_concrete_function(tensors, start, stop)
            self._concrete[key] = NamedFunction(traced) if self.jit_compile else traced
        return self._concrete[key]

    def compile_ahead(self, tensors: list[tf.Tensor], device: str | None = None) -> Future[Any]:
        """Has XLA compile it beside the training, by a call on stacks [steps, batch, …] that makes no step.

        Until that is done, nobody else may call it.

        Args:
          tensors: a stack.
          device: where steps run; None for TensorFlow's choice.
        """
        nowhere = tf.constant(0)
        arguments = [*tensors, nowhere, nowhere]
        return xla.compile_ahead(lambda: self._traced(tensors, nowhere, nowhere), arguments, device)


@dataclasses.dataclass
class Program:
    """What is compiled of a traced model; it serves later traces of the same.

    Attributes:
      fingerprint: of the trace.
      as_graph: makes steps over a stack.
      compiled: does so compiled by XLA; None where XLA is not to compile it.
      inputs: gives what both take of a stack; None where that is its components.
      first_compiled: the global step from which it does.
      compiling: ends when XLA has compiled it beside the training; None before that was begun.
      proven: whether a compiled call went well, so that an error is not one of compilation.
      run_short: makes one step on a batch of any size; None before there was one.
    """

    fingerprint: Fingerprint
    as_graph: StackProgram
    compiled: StackProgram | None
    inputs: StackInputs | None
    first_compiled: int
    compiling: Future[Any] | None = None
    proven: bool = False
    run_short: Callable[..., Any] | None = None

    def compile_ahead(self, tensors: list[tf.Tensor], stop_at: int | None, device: str | None) -> None:
        """Has XLA compile it beside the training from now on, unless it never will, or has done so, or begun to.

        After the first step, not before it: to make the program takes Python as long as that step does.

        Args:
          tensors: a stack, each component [steps, batch, …].
          stop_at: the global step that training ends at; None where it is not known.
          device: where steps run; None for TensorFlow's choice.
        """
        goes_on = stop_at is None or stop_at > self.first_compiled
        if self.compiled is not None and self.compiling is None and goes_on and not self.proven:
            self.compiling = self.compiled.compile_ahead(tensors, device)


@dataclasses.dataclass
class Compiled:
    """The program of the last training, for the next one of the same variables; None before there was one."""

    program: Program | None = None
