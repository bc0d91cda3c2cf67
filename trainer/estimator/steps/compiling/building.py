"""Builds the program of a model function: traced, divided where it has texts, and for XLA where that may compile it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from trainer.estimator.graph import fingerprint, op_table, randomness
from trainer.estimator.graph.fingerprint import Fingerprint
from trainer.estimator.graph.inside import bodies
from trainer.estimator.graph.model_function import ModelReplica
from trainer.estimator.graph.pruning import PrunedFunction
from trainer.estimator.graph.tracing import TracedModel, training_operations
from trainer.estimator.graph.xla.batch_part import NotDividedError, divided
from trainer.estimator.steps.compiling import compile_policy
from trainer.estimator.steps.compiling.program import Program, StackProgram
from trainer.estimator.steps.compiling.stack_inputs import StackInputs
from trainer.estimator.steps.compiling.step_function import (
    fetches_of,
    pruned_step,
    results_of,
    stack_loop,
    step_function,
)

log = logging.getLogger("trainer")


def built(
    replica: ModelReplica, spec: Any, jit_compile: bool, earlier: TracedModel | None = None
) -> tuple[TracedModel, Program]:
    """The trace of a model function as it is now, and a program of its steps.

    Args:
      replica: the model function with its variables.
      spec: of a batch, with its size.
      jit_compile: whether XLA is to compile it.
      earlier: a trace of it as it is now on the same batches, for XLA or not; None where there is none.
    """
    traced = earlier if earlier is not None and not _has_loop(earlier.graph) else replica.trace(spec, xla=jit_compile)
    part = None
    if jit_compile and traced.store.seed is not None and randomness.hides_state(traced.graph):
        log.info("XLA does not follow the seed of this model function's random ops, so its steps run as a graph.")
        return built(replica, spec, jit_compile=False, earlier=traced)
    if jit_compile:
        try:
            part = divided(traced, results_of(traced), training_operations(traced))
        except NotDividedError as why:
            log.info("XLA has no texts, so the steps of this model function run as a graph: %s", why)
            return built(replica, spec, jit_compile=False, earlier=traced)
    pruned = pruned_step(traced, part=part)
    as_graph = StackProgram(lambda: _loop(traced, pruned))
    compiled = StackProgram(lambda: _loop(traced, pruned_step(traced, part=part, xla=True)), True)
    inputs = StackInputs(part) if part else None
    first_compiled = compile_policy.first_compiled_step(pruned.operations) if jit_compile else 0
    own = fingerprint_of(traced, spec)
    return traced, Program(own, as_graph, compiled if jit_compile else None, inputs, first_compiled)


def _has_loop(graph: tf.Graph) -> bool:
    """Whether a graph has a loop, or may have one in a function of which only the definition is left.

    A loop for XLA has room for all that its gradient needs, at its greatest length; all else serves both ways.
    """
    for op in graph.get_operations():
        called = [bodies.body(op, name) for name in op_table.calls(op)]
        if op.type in op_table.LOOPS or any(body is None or _has_loop(body) for body in called):
            return True
    return False


def one_step(replica: ModelReplica, spec: Any) -> Callable[..., Any]:
    """A function that makes one step on the flat components of a batch of any size, whose spec is this one."""
    specs = [tf.TensorSpec(each.shape, each.dtype) for each in tf.nest.flatten(spec)]
    step = tf.function(step_function(replica.trace(spec, xla=False)), autograph=False)
    concrete: Callable[..., Any] = step.get_concrete_function(*specs)
    return concrete


def fingerprint_of(traced: TracedModel, spec: Any) -> Fingerprint:
    """What tells a program of this trace from those of others.

    Args:
      traced: the model.
      spec: of a batch, with its size.
    """
    fetches = {repr(spec): traced.spec.loss, **fetches_of(traced)}
    return fingerprint.of(traced, fetches, training_operations(traced))


def _loop(traced: TracedModel, pruned: PrunedFunction) -> Callable[..., Any]:
    """Steps of a traced model over a stack."""
    return stack_loop(step_function(traced, pruned), fetches_of(traced))
