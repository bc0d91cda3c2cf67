"""Downpour SGD: a worker makes many steps on copies, then the servers' variables gain what the copies have gained.

After Dean et al., Large Scale Distributed Deep Networks, NIPS 2012, with n_fetch = n_push = the steps of a call. An
example: the weight w [5, 1] and its slot w/Momentum, two workers, calls of K steps::

    server                     worker A                            worker B

    w, w/Momentum ───────────► a = w; on the first call            b = w
                               a/Momentum = w/Momentum
                               K steps on a and a/Momentum         K steps on b and b/Momentum
    w += a - w as fetched ◄─── a                                   │
    w/Momentum = a/Momentum ◄─ a/Momentum                          │
    w += b - w as fetched ◄──────────────────────────────────────  b

Gains add up, in whatever order they come. An optimizer's state cannot be added up: each worker keeps its own between
calls, and the servers have that of the last push, for checkpoints and for workers that start anew.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from trainer.estimator.distribution.ps.sparse_rows import RowCache, lookups
from trainer.estimator.distribution.ps.worker_functions import Call, copy_of, loop, over_stacks, own
from trainer.estimator.graph.pruning import PrunedFunction
from trainer.estimator.graph.row_sharded_variable import RowShardedVariable
from trainer.estimator.graph.tracing import TracedModel, training_operations
from trainer.estimator.graph.variables import GLOBAL_STEP, Role
from trainer.estimator.graph.xla.rules import ForXla
from trainer.estimator.steps.compiling.xla import refusal

log = logging.getLogger("trainer")


def downpour(traced: TracedModel, size: int, stacks: int = 1, *, xla: bool = True) -> Call:
    """Steps on the worker's copies of the variables, and a push after so many of them.

    Of row-sharded variables, the rows that the call looks up are copied; where those cannot be told before, steps use
    the servers' rows.

    Args:
      traced: in TRAIN.
      size: steps between two pushes.
      stacks: the most pushes of a call.
      xla: whether XLA may compile the steps.
    """
    handles, store, run = traced.handles(), traced.store, uuid.uuid4().hex
    # A step counts whether or not the model function looks at the global step, so the worker has a copy in any case.
    used = traced.prune(traced.spec.loss, training_operations(traced)).variables | {GLOBAL_STEP}
    variables = {
        name: variable for name, variable in store.by_name.items() if not isinstance(variable, RowShardedVariable)
    }
    names = sorted(used & handles.keys() & variables.keys())
    step, rows = _with_rows(traced, names, lambda variable: own(run, variable, rows_only=True))
    on_copies = _on_copies(step, [*names, *rows.row_ids], size)
    # How many rows a call looks up differs from call to call, and XLA would compile each number of them anew.
    if xla and not store.row_sharded():
        on_copies = _compiled(traced, {name: variables[name] for name in names}, size) or on_copies
    # What gains are added to is fetched for every call; an optimizer's state stays on the worker from call to call.
    shared = [name for name in names if store.roles[name] in (Role.WEIGHT, Role.STEP)]
    kept = [name for name in names if name not in shared]

    def steps(stacks: tuple[tf.Tensor, ...], count: tf.Tensor) -> tf.Tensor:
        """The losses [size] of stacks [size, batch, …]."""
        fetched = {name: variables[name].read_value() for name in shared}
        copies = {name: copy_of(run, variables[name], value) for name, value in fetched.items()}
        copies |= {name: _kept(run, variables[name]) for name in kept}
        cached = rows.fetch(stacks)
        given = [copies[name] for name in names] + [cached.handles[name] for name in rows.row_ids]
        losses = on_copies(stacks, count, [*given, *(cached.row_ids[name] for name in rows.placeholders)])
        for name in names:
            after = tf.raw_ops.ReadVariableOp(resource=copies[name], dtype=variables[name].dtype)
            if store.roles[name] is Role.WEIGHT:
                # Others have pushed meanwhile. Their gains stay, since what is added is this worker's gain alone.
                variables[name].assign_add(after - fetched[name])
            elif name in kept:
                # Two workers' moments do not add up to anything: the last push wins.
                variables[name].assign(after)
        rows.push(cached)
        # The global step is neither weight nor state: its copy only lets the model see the steps of this call.
        store.global_step.assign_add(tf.cast(count, tf.int64))
        return losses

    return over_stacks(steps, size, stacks)


def _with_rows(
    traced: TracedModel, names: Sequence[str], own_rows: Callable[[RowShardedVariable], tf.Tensor]
) -> tuple[PrunedFunction, RowCache]:
    """A step on copies, and what makes those of rows.

    The step is a function of the batch [batch, …], the handles [] of variables by name, those of caches of rows, and
    the numbers int64 [rows] of those rows.

    Args:
      traced: in TRAIN.
      names: of the variables that are copied whole.
      own_rows: makes a handle [] of the worker's own for some rows of a variable.
    """
    handles, operations, without = traced.handles(), training_operations(traced), frozenset[str]()
    while True:
        rows = RowCache(traced, lookups(traced, operations, without), own_rows)
        given = [handles[name] for name in (*names, *rows.row_ids)]
        feeds = [*traced.feeds, *given, *rows.placeholders.values()]
        step = traced.prune(traced.spec.loss, operations, feeds, rows.row_ids)
        # What the step takes whole cannot be had of some rows: it stays on the servers, and so do its slots.
        whole = {traced.store.row_sharded()[name].primary or name for name, _ in step.taken_whole}
        if not whole & set(rows.placeholders):
            return step, rows
        without |= whole & set(rows.placeholders)


def _on_copies(step: Callable[..., tf.Tensor], names: Sequence[str], size: int) -> Callable[..., tf.Tensor]:
    """Steps of a worker on its copies; called with stacks, the number of steps, and the copies.

    Args:
      step: the loss [] of a batch and copies.
      names: of the copies.
      size: the most steps.
    """
    at = names.index(GLOBAL_STEP) if GLOBAL_STEP in names else None

    def run(stacks: Sequence[tf.Tensor], count: tf.Tensor, copies: Sequence[tf.Tensor]) -> tf.Tensor:
        """The losses [size] of stacks [size, batch, …], on handles []."""

        def one(*batch: tf.Tensor) -> tf.Tensor:
            """The loss [] of a batch; the worker's global step counts one, whatever the step did to it."""
            if at is None:
                return tf.cast(step(*batch, *copies), tf.float32)
            before = tf.raw_ops.ReadVariableOp(resource=copies[at], dtype=tf.int64)
            loss = step(*batch, *copies)
            tf.raw_ops.AssignVariableOp(resource=copies[at], value=before + 1)
            return tf.cast(loss, tf.float32)

        return loop(lambda index: one(*[stack[index] for stack in stacks]), count, size)

    return run


def _compiled(traced: TracedModel, variables: Mapping[str, tf.Variable], size: int) -> Callable[..., tf.Tensor] | None:
    """Steps on copies as one XLA program, which gives the losses [size]; None where XLA does not compile them.

    Args:
      traced: the model.
      variables: what is copied, by name.
      size: steps of a call.
    """
    handles, operations = traced.handles(), training_operations(traced)
    feeds = [*traced.feeds, *(handles[name] for name in variables)]
    step = traced.prune(traced.spec.loss, operations, feeds, rule=ForXla)
    run = _on_copies(step, list(variables), size)
    program = tf.function(run, jit_compile=True, autograph=False)
    copies = [tf.Variable(tf.zeros(variable.shape, variable.dtype)) for variable in variables.values()]
    stacks = [tf.zeros([size, *feed.shape], feed.dtype) for feed in traced.feeds]
    refused = refusal(program, stacks, tf.constant(1), [copy.handle for copy in copies])
    if refused is not None:
        log.info("XLA cannot compile this model function, so its steps run as a graph: %s", refused)
        return None
    return program


def _kept(run: str, variable: tf.Variable) -> tf.Tensor:
    """A handle [] of what the worker keeps between calls, taken from the servers the first time."""
    handle = own(run, variable)
    # A worker that was started again has lost its copy, and takes that of the last push as a new one would.
    known = tf.raw_ops.VarIsInitializedOp(resource=handle)

    def fetch() -> tf.Tensor:
        """True, [], when the copy is set."""
        with tf.control_dependencies([tf.raw_ops.AssignVariableOp(resource=handle, value=variable.read_value())]):
            return tf.constant(True)

    tf.cond(known, lambda: tf.constant(True), fetch)
    return handle
