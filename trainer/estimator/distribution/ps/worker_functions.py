"""What a worker does in one call: many steps over a stack of its data, on the servers' variables or on copies."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.distribution.ps.pull_push import PullPush
from trainer.estimator.distribution.ps.sparse_rows import RowCache, lookups
from trainer.estimator.graph.pruning import PrunedFunction
from trainer.estimator.graph.row_sharding import RowShardedVariable
from trainer.estimator.graph.tracing import TracedModel, training_operations
from trainer.estimator.graph.variables import Role
from trainer.estimator.steps.xla import refusal

log = logging.getLogger("trainer")

Call = Callable[[Any, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
"""Takes the iterator and the steps that are wanted; gives the steps made, int32 [], and their losses, padded."""
Steps = Callable[[tuple[tf.Tensor, ...], tf.Tensor], tf.Tensor]
"""Takes stacks and the number of steps; gives the losses, padded."""


def exchanging(exchange: PullPush, size: int, unrolled: int) -> Call:
    """Steps that exchange with the servers once each.

    Those of a whole stack stand one after the other in the graph, `unrolled` at a time, so that every process knows
    what it will be sent and waits for nothing else; those of a short one run in a loop, whose condition crosses the
    network at every step.

    Args:
      exchange: makes a step.
      size: steps in a whole stack.
      unrolled: a divisor of it.
    """

    def steps(stacks: tuple[tf.Tensor, ...], count: tf.Tensor) -> tf.Tensor:
        kept = exchange.begin()

        def several(turn: tf.Tensor) -> tf.Tensor:
            return tf.stack([exchange.step(stacks, turn * unrolled + index, kept) for index in range(unrolled)])

        def whole() -> tf.Tensor:
            turns = size // unrolled
            return several(tf.constant(0)) if turns == 1 else _loop(several, tf.constant(turns), turns, [unrolled])

        def short() -> tf.Tensor:
            return _loop(lambda index: exchange.step(stacks, index, kept), count, size)

        return whole() if size == 1 else tf.cond(tf.equal(count, size), whole, short)

    return _over_stack(steps, size)


def op_by_op(traced: TracedModel, size: int) -> Call:
    """Steps of which each read and each write of a variable crosses the network by itself."""
    step = _on_servers(traced)
    return _over_stack(
        lambda stacks, count: _loop(lambda index: step(*[stack[index] for stack in stacks]), count, size), size
    )


def downpour(traced: TracedModel, size: int) -> Call:
    """Steps on the worker's copies of the variables; then the servers' gain what the copies have gained.

    Of variables that are held by rows, the rows that the call looks up are copied; where those cannot be told before,
    steps use the servers' rows.
    """
    handles, store, run = traced.handles(), traced.store, uuid.uuid4().hex
    used = traced.prune(traced.spec.loss, training_operations(traced)).variables | {"global_step"}
    names = sorted(name for name in used if name in handles and name not in store.by_rows())
    part, rows = _with_rows(traced, names, lambda variable: own(run, variable, rows_only=True))
    on_copies = _on_copies(part, [*names, *rows.touched], size)
    if not store.by_rows():
        on_copies = _compiled(on_copies, traced, [store.by_name[name] for name in names], size)
    shared = [name for name in names if store.roles[name] in (Role.WEIGHT, Role.STEP)]
    kept = [name for name in names if name not in shared]

    def exchange(tensors: tuple[tf.Tensor, ...], steps: tf.Tensor) -> tf.Tensor:
        fetched = {name: store.by_name[name].read_value() for name in shared}
        copies = {name: _copy(run, store.by_name[name], value) for name, value in fetched.items()}
        copies |= {name: _kept(run, store.by_name[name]) for name in kept}
        copied = rows.fetch(tensors)
        given = [copies[name] for name in names] + [copied.handles[name] for name in rows.touched]
        losses = on_copies(tensors, steps, [*given, *(copied.numbers[name] for name in rows.placeholders)])
        for name in names:
            variable = store.by_name[name]
            after = tf.raw_ops.ReadVariableOp(resource=copies[name], dtype=variable.dtype)
            if store.roles[name] is Role.WEIGHT:
                variable.assign_add(after - fetched[name])
            elif name in kept:
                variable.assign(after)
        rows.push(copied)
        store.global_step.assign_add(tf.cast(steps, tf.int64))
        return losses

    return _over_stack(exchange, size)


def _with_rows(
    traced: TracedModel, names: Sequence[str], own_rows: Callable[[RowShardedVariable], tf.Tensor]
) -> tuple[PrunedFunction, RowCache]:
    """A step as a function of the batch, the handles of variables by name, those of copies of rows, and the numbers of
    those rows; and what makes the copies."""
    handles, operations, without = traced.handles(), training_operations(traced), frozenset[str]()
    while True:
        rows = RowCache(traced, lookups(traced, operations, without), own_rows)
        given = [handles[name] for name in (*names, *rows.touched)]
        feeds = [*traced.feeds, *given, *rows.placeholders.values()]
        part = traced.prune(traced.spec.loss, operations, feeds, rows.touched)
        taken_whole = {traced.store.by_rows()[name].primary or name for name, _ in part.taken_whole} & set(
            rows.placeholders
        )
        if not taken_whole:
            return part, rows
        without |= taken_whole


def _over_stack(steps: Steps, size: int) -> Call:
    """Calls with the next stack of the iterator, if there is one."""

    def call(iterator: Any, wanted: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        optional = iterator.get_next_as_optional()

        def with_stack() -> tuple[tf.Tensor, tf.Tensor]:
            tensors = optional.get_value()
            count = tf.minimum(wanted, tf.shape(tensors[0])[0])
            return count, steps(_padded(tensors, size), count)

        def without() -> tuple[tf.Tensor, tf.Tensor]:
            return tf.constant(0), tf.zeros([size])

        return tf.cond(optional.has_value(), with_stack, without)

    return call


def _padded(tensors: Sequence[tf.Tensor], size: int) -> tuple[tf.Tensor, ...]:
    """Stacks of the full size, which XLA needs to know."""

    def pad(tensor: tf.Tensor) -> tf.Tensor:
        missing = size - tf.shape(tensor)[0]
        padded = tf.pad(tensor, [[0, missing], *[[0, 0]] * (tensor.shape.rank - 1)])
        return tf.ensure_shape(padded, [size, *tensor.shape[1:]])

    return tuple(pad(tensor) for tensor in tensors)


def _loop(step: Callable[[tf.Tensor], tf.Tensor], count: tf.Tensor, size: int, shape: Sequence[int] = ()) -> tf.Tensor:
    """What `count` of at most `size` turns give, of a shape each, flat and padded."""
    losses = tf.TensorArray(tf.float32, size, element_shape=shape)

    def body(index: tf.Tensor, losses: tf.TensorArray) -> Any:
        return index + 1, losses.write(index, step(index))

    turns = tf.while_loop(
        lambda index, _: index < count, body, [tf.constant(0), losses], maximum_iterations=size, parallel_iterations=1
    )
    return tf.reshape(turns[1].stack(), [-1])


def _on_servers(traced: TracedModel) -> Callable[..., tf.Tensor]:
    """One step on the servers' own variables; the global step grows by exactly one, atomically."""
    step_handle = traced.handles().get("global_step")
    feeds = [*traced.feeds, *([step_handle] if step_handle is not None else [])]
    part = traced.prune(traced.spec.loss, training_operations(traced), feeds=feeds)
    global_step = traced.store.global_step

    def step(*batch: tf.Tensor) -> tf.Tensor:
        seen = _copy("global_step", global_step, global_step.read_value()) if step_handle is not None else None
        loss = part(*batch, *([seen] if seen is not None else []))
        with tf.control_dependencies([loss]):
            global_step.assign_add(1)
        return tf.cast(loss, tf.float32)

    return step


def _copy(run: str, variable: tf.Variable, value: tf.Tensor) -> tf.Tensor:
    """A handle of the worker's own copy of a variable, set to a value."""
    handle = own(run, variable)
    tf.raw_ops.AssignVariableOp(resource=handle, value=value)
    return handle


def own(run: str, variable: tf.Variable | RowShardedVariable, rows_only: bool = False) -> tf.Tensor:
    """A handle of the worker's own copy of a variable, or of some of its rows; a run has copies of its own."""
    shape = tf.TensorShape([None, *variable.shape[1:]]) if rows_only else variable.shape
    return tf.raw_ops.VarHandleOp(dtype=variable.dtype, shape=shape, shared_name=f"{run}/{variable.name}")


def _on_copies(part: Callable[..., tf.Tensor], names: Sequence[str], size: int) -> Callable[..., tf.Tensor]:
    """Steps of a worker on its copies; called with stacks, the number of steps, and the copies."""
    at = names.index("global_step") if "global_step" in names else None

    def run(tensors: Sequence[tf.Tensor], steps: tf.Tensor, copies: Sequence[tf.Tensor]) -> tf.Tensor:
        def step(*batch: tf.Tensor) -> tf.Tensor:
            if at is None:
                return tf.cast(part(*batch, *copies), tf.float32)
            before = tf.raw_ops.ReadVariableOp(resource=copies[at], dtype=tf.int64)
            loss = part(*batch, *copies)
            tf.raw_ops.AssignVariableOp(resource=copies[at], value=before + 1)
            return tf.cast(loss, tf.float32)

        return _loop(lambda index: step(*[tensor[index] for tensor in tensors]), steps, size)

    return run


def _compiled(
    run: Callable[..., tf.Tensor], traced: TracedModel, variables: Sequence[tf.Variable], size: int
) -> Callable[..., tf.Tensor]:
    """Steps on copies as one XLA program, or as they are where XLA does not compile them."""
    program = tf.function(run, jit_compile=True, autograph=False)
    copies = [tf.Variable(tf.zeros(variable.shape, variable.dtype)) for variable in variables]
    stacks = [tf.zeros([size, *feed.shape], feed.dtype) for feed in traced.feeds]
    refused = refusal(program, stacks, tf.constant(1), [copy.handle for copy in copies])
    if refused is not None:
        log.info("XLA cannot compile this model function, so its steps run as a graph: %s", refused)
        return run
    return program


def _kept(run: str, variable: tf.Variable) -> tf.Tensor:
    """A handle of what the worker keeps between calls, taken from the servers the first time."""
    handle = own(run, variable)
    known = tf.raw_ops.VarIsInitializedOp(resource=handle)

    def fetch() -> tf.Tensor:
        with tf.control_dependencies([tf.raw_ops.AssignVariableOp(resource=handle, value=variable.read_value())]):
            return tf.constant(True)

    tf.cond(known, lambda: tf.constant(True), fetch)
    return handle
