"""What a head does in a step of training: the train_op and the summaries."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

TrainOpFn = Callable[[tf.Tensor], Any]
Minimize = Callable[[Any, tf.Tensor], Any]


def train_op(loss: tf.Tensor, optimizer: Any, train_op_fn: TrainOpFn | None, minimize: Minimize) -> Any:
    """What a step runs.

    Args:
      loss: [].
      optimizer: None where the function is given.
      train_op_fn: takes the loss; None where the optimizer is given.
      minimize: what is done with the optimizer and the loss.

    Raises:
      ValueError: both are given, or none.
    """
    if (optimizer is None) == (train_op_fn is None):
        given = "neither optimizer nor train_op_fn" if optimizer is None else "both optimizer and train_op_fn"
        raise ValueError(f"A head was given {given}. Training takes one of them. Pass optimizer=… alone")
    return minimize(optimizer, loss) if train_op_fn is None else train_op_fn(loss)


def scoped_train_op(
    loss: tf.Tensor, optimizer: Any, variables: Any, train_op_fn: TrainOpFn | None, update_ops: Any
) -> Any:
    """What a step runs, in the scope that tf.estimator has for it: optimizers of TensorFlow name variables by it.

    Args:
      loss: [].
      optimizer: of Keras; None where the function is given.
      variables: a list or tuple of those that the optimizer changes.
      train_op_fn: takes the loss; None where the optimizer is given.
      update_ops: a list or tuple of what else a step runs.
    """
    with tf.compat.v1.name_scope(""), tf.compat.v1.name_scope("training"):
        op = train_op(loss, optimizer, train_op_fn, functools.partial(minimized, variables=variables))
        return with_updates(op, update_ops)


def minimized(optimizer: Any, loss: tf.Tensor, variables: Any) -> Any:
    """A step of an optimizer of Keras.

    Args:
      optimizer: of Keras; that of tf_keras with `get_updates` too.
      loss: [].
      variables: a list or tuple of those that are trained.

    Raises:
      ValueError: the optimizer is another one, or there are no variables.
    """
    if not (isinstance(optimizer, keras.optimizers.Optimizer) or hasattr(optimizer, "get_updates")):
        raise ValueError(
            f"A head was given the optimizer {optimizer!r}. It takes a keras.optimizers.Optimizer. "
            "Give another one as train_op_fn=lambda loss: optimizer.minimize(loss)"
        )
    if not isinstance(variables, list | tuple):
        raise ValueError(
            f"A head was given an optimizer and trainable_variables {variables!r}. It takes a list or a tuple. "
            "Pass model.trainable_variables"
        )
    if hasattr(optimizer, "get_updates"):
        return optimizer.get_updates(loss, variables)[0]
    values = [variable.value if isinstance(variable, keras.Variable) else variable for variable in variables]
    gradients = tf.gradients(optimizer.scale_loss(loss), values)
    return optimizer.apply_gradients(list(zip(gradients, variables, strict=True)))


def with_updates(op: Any, update_ops: Sequence[Any] | None) -> Any:
    """A train_op with what else a step runs.

    Raises:
      ValueError: the others are no list or tuple.
    """
    if update_ops is None:
        return op
    if not isinstance(update_ops, list | tuple):
        raise ValueError(f"A head was given update_ops {update_ops!r}. It takes a list or a tuple of operations")
    return tf.group(op, *update_ops)


def summarize(values: Mapping[str, tf.Tensor | None]) -> None:
    """Writes numbers, [] each, to the summaries; None is left out."""
    with tf.compat.v1.name_scope(""):
        for name, value in values.items():
            if value is not None:
                tf.compat.v1.summary.scalar(name, value)


def summed(losses: Sequence[tf.Tensor] | None) -> tf.Tensor | None:
    """The sum [] of regularization losses, [] each; None where none are given."""
    return tf.add_n(list(losses)) if losses is not None else None
