"""What a worker does in one call: many steps over a stack of its batches, on the servers' variables or on copies.

Three ways lead to the same function of an iterator. For a call of two steps on the variable w [5, 1]::

    pull_push     pull w, compute, push dw;  pull w, compute, push dw            each step sees what others have pushed
    op_by_op      as pull_push, but each read and each write is a message
    downpour      copy = w;  two steps on copy, one XLA program;  w += copy - w as it was fetched

A call takes one stack of the iterator after the other, [steps, batch, …] for each feed. At the end of the data it may
be short, and then there is none: the call says how many steps it made. If a loss is NaN, the batch behind it and the
one before come along, which are nothing otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.distribution.ps.pull_push import PullPush
from trainer.estimator.graph.row_sharded_variable import RowShardedVariable
from trainer.estimator.graph.tracing import TracedModel, training_operations
from trainer.estimator.graph.variables import GLOBAL_STEP

Made = tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]
"""The steps made, int32 [], their losses, float32 [those or more], padded, and the components of the batches at the
first NaN, each [0 to 2, …]; the last one is the numbers of the pipeline and of the batch in it, int64 [0 to 2, 2]."""
Call = Callable[[Any, tf.Tensor], Made]
"""Takes the iterator and the steps that are wanted, int32 []."""
Steps = Callable[[tuple[tf.Tensor, ...], tf.Tensor], tf.Tensor]
"""Takes stacks [steps, batch, …] and the number of steps, int32 []; gives the losses, float32 [steps], padded."""


def pull_push(steps_of: PullPush, size: int, unrolled: int, stacks: int = 1) -> Call:
    """Steps that pull from and push to each server once.

    Those of a whole stack stand one after the other in the graph, `unrolled` at a time, so that every process knows
    what it will be sent and waits for nothing else; those of a short one run in a loop, whose condition crosses the
    network at every step.

    Args:
      steps_of: makes a step.
      size: steps in a whole stack.
      unrolled: a divisor of it.
      stacks: the most of a call.
    """

    def steps(stacks: tuple[tf.Tensor, ...], count: tf.Tensor) -> tf.Tensor:
        """The losses of [steps, batch, …]."""
        resident = steps_of.begin()

        def several(turn: tf.Tensor) -> tf.Tensor:
            """The losses [unrolled] of some steps."""
            return tf.stack([steps_of.step(stacks, turn * unrolled + index, resident) for index in range(unrolled)])

        def whole() -> tf.Tensor:
            """The losses [size]."""
            turns = size // unrolled
            return several(tf.constant(0)) if turns == 1 else loop(several, tf.constant(turns), turns, [unrolled])

        def short() -> tf.Tensor:
            """The losses [size], padded."""
            return loop(lambda index: steps_of.step(stacks, index, resident), count, size)

        # Whole stacks are the rule; a call at the end of the data, or of the training, takes the loop.
        return whole() if size == 1 else tf.cond(tf.equal(count, size), whole, short)

    return over_stacks(steps, size, stacks)


def op_by_op(traced: TracedModel, size: int, stacks: int = 1) -> Call:
    """Steps of which each read and each write of a variable crosses the network by itself.

    Args:
      traced: in TRAIN.
      size: steps in a whole stack.
      stacks: the most of a call.
    """
    step = _on_servers(traced)

    def steps(tensors: tuple[tf.Tensor, ...], count: tf.Tensor) -> tf.Tensor:
        """The losses [size] of [steps, batch, …], padded."""
        return loop(lambda index: step(*[tensor[index] for tensor in tensors]), count, size)

    return over_stacks(steps, size, stacks)


def _on_servers(traced: TracedModel) -> Callable[..., tf.Tensor]:
    """One step on the servers' own variables, of a batch [batch, …]; the loss, float32 [].

    Other workers advance the global step meanwhile. The step sees one value of it, in a copy of its own, and adds
    exactly one to that of the servers.
    """
    step_handle = traced.handles().get(GLOBAL_STEP)
    feeds = [*traced.feeds, *([step_handle] if step_handle is not None else [])]
    function = traced.prune(traced.spec.loss, training_operations(traced), feeds=feeds)
    global_step = traced.store.global_step

    def step(*batch: tf.Tensor) -> tf.Tensor:
        """The loss [] of a batch."""
        seen = copy_of(GLOBAL_STEP, global_step, global_step.read_value()) if step_handle is not None else None
        loss = function(*batch, *([seen] if seen is not None else []))
        # The loss hangs on the whole step, so that the count does not run ahead of the updates.
        with tf.control_dependencies([loss]):
            global_step.assign_add(1)
        return tf.cast(loss, tf.float32)

    return step


def over_stacks(steps: Steps, size: int, most: int) -> Call:
    """Calls with one stack of the iterator after the other, while there is one and steps are left to make.

    Args:
      steps: makes those of a stack.
      size: steps in a whole stack.
      most: the most stacks of a call.
    """
    of_one = _over_stack(steps, size)

    def call(iterator: Any, wanted: tf.Tensor) -> Made:
        """The steps made, [], their losses, [stacks * size], and the batches at the first NaN, [0 to 2, …]."""

        def body(turn: tf.Tensor, made: tf.Tensor, _: tf.Tensor, losses: tf.TensorArray, broken: Any) -> Any:
            """One stack; what is broken, [0 to 2, …] each, stays that of the first stack with a NaN."""
            count, of_stack, batches = of_one(iterator, wanted - made)
            found = tf.size(broken[-1]) > 0
            broken = tf.nest.map_structure(lambda old, new: tf.cond(found, lambda: old, lambda: new), broken, batches)
            return turn + 1, made + count, count, losses.write(turn, of_stack), broken

        none = _no_batch(iterator.element_spec)
        losses = tf.TensorArray(tf.float32, 0, dynamic_size=True, element_shape=[size])
        shapes = [tf.TensorShape([]), tf.TensorShape([]), tf.TensorShape([]), tf.TensorShape(None)]
        _, made, _, losses, broken = tf.while_loop(
            # What is not whole is the last stack: of the data, or of the steps that are wanted.
            lambda turn, made, count, *_: (made < wanted) & (count == size),
            body,
            [tf.constant(0), tf.constant(0), tf.constant(size), losses, none],
            [*shapes, [tf.TensorShape([None, *part.shape[1:]]) for part in none]],
            parallel_iterations=1,
            maximum_iterations=most,
        )
        return made, tf.reshape(losses.stack(), [-1]), broken

    return of_one if most == 1 else call


def _over_stack(steps: Steps, size: int) -> Call:
    """Calls with the next stack of the iterator, if there is one."""

    def call(iterator: Any, wanted: tf.Tensor) -> Made:
        """The steps made, [], their losses, [size], and the batches at the first NaN, [0 to 2, …]."""
        # Not get_next, whose end of the data would be an error that ends all calls of all workers.
        optional = iterator.get_next_as_optional()

        def with_stack() -> Made:
            """As the call, [], [size] and [0 to 2, …]."""
            tensors = optional.get_value()
            count = tf.minimum(wanted, tf.shape(tensors[0])[0])
            losses = steps(_padded(tensors[:-1], size), count)
            return count, losses, _at_first_nan(tensors, losses[:count])

        def without() -> Made:
            """No step, [], nothing of [size], and no batch, [0, …]."""
            return tf.constant(0), tf.zeros([size]), _no_batch(iterator.element_spec)

        return tf.cond(optional.has_value(), with_stack, without)

    return call


def _no_batch(stack: Any) -> list[tf.Tensor]:
    """The components of no batch, [0, …] each, of stacks with this spec."""
    return [tf.zeros([0, *spec.shape[1:]], spec.dtype) for spec in tf.nest.flatten(stack)]


def _at_first_nan(tensors: Sequence[tf.Tensor], losses: tf.Tensor) -> list[tf.Tensor]:
    """The batch whose loss is the first NaN, and the one before it, whose update may have led to that.

    Args:
      tensors: a stack, each [steps, …].
      losses: float32 [steps made].

    Returns:
      Each [0 to 2, …]; 0 where no loss is NaN.
    """
    # With a NaN behind them all, so that there is a first one.
    first = tf.argmax(tf.concat([tf.math.is_nan(losses), [True]], 0), output_type=tf.int32)
    stop = tf.where(first < tf.size(losses), first + 1, 0)
    return [tensor[tf.maximum(stop - 2, 0) : stop] for tensor in tensors]


def _padded(tensors: Sequence[tf.Tensor], size: int) -> tuple[tf.Tensor, ...]:
    """Stacks of the full size, [size, batch, …], which XLA needs to know, from [steps, batch, …]."""

    def pad(tensor: tf.Tensor) -> tf.Tensor:
        """[size, …] from [steps, …]."""
        missing = size - tf.shape(tensor)[0]
        padded = tf.pad(tensor, [[0, missing], *[[0, 0]] * (tensor.shape.rank - 1)])
        return tf.ensure_shape(padded, [size, *tensor.shape[1:]])

    return tuple(pad(tensor) for tensor in tensors)


def loop(step: Callable[[tf.Tensor], tf.Tensor], count: tf.Tensor, size: int, shape: Sequence[int] = ()) -> tf.Tensor:
    """What some turns give, flat and padded: [size * elements of a turn].

    Args:
      step: takes the number of a turn, int32 []; gives float32 of the shape.
      count: of the turns, int32 [].
      size: the most turns.
      shape: of what a turn gives.
    """
    losses = tf.TensorArray(tf.float32, size, element_shape=shape)

    def body(index: tf.Tensor, losses: tf.TensorArray) -> Any:
        """One turn, of number []."""
        return index + 1, losses.write(index, step(index))

    # One turn at a time: a step begins with the variables that the one before it has left.
    turns = tf.while_loop(
        lambda index, _: index < count, body, [tf.constant(0), losses], maximum_iterations=size, parallel_iterations=1
    )
    return tf.reshape(turns[1].stack(), [-1])


def own(run: str, variable: tf.Variable | RowShardedVariable, rows_only: bool = False) -> tf.Tensor:
    """A handle [] of the worker's own copy of a variable, on the worker's machine.

    Args:
      run: names the training: another one in the same process has copies of its own.
      variable: what is copied.
      rows_only: whether the copy has some rows only, nobody knows how many.
    """
    shape = tf.TensorShape([None, *variable.shape[1:]]) if rows_only else variable.shape
    return tf.raw_ops.VarHandleOp(dtype=variable.dtype, shape=shape, shared_name=f"{run}/{variable.name}")


def copy_of(run: str, variable: tf.Variable, value: tf.Tensor) -> tf.Tensor:
    """A handle [] of the worker's own copy of a variable, set to a value.

    Args:
      run: names the training.
      variable: what is copied.
      value: in its shape.
    """
    handle = own(run, variable)
    tf.raw_ops.AssignVariableOp(resource=handle, value=value)
    return handle
