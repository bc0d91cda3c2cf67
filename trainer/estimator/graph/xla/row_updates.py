"""What TensorFlow's kernels do to rows of variables that an optimizer changes, in ops that XLA compiles.

XLA has the dense ones, `ResourceApplyAdagrad` and its like, but not those of rows. Each function here takes the rows
[n, …] of the variable and of its slots, and gives what they become.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

_MOST_MERGED = 2048
"""Rows of a variable that is written whole; of a larger one, rows are scattered."""

Rows = Sequence[tf.Tensor]
"""Of the variable and then of its slots, [n, …] each."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rule:
    """How an op changes rows.

    Attributes:
      change: gives the new rows, of the old ones, the gradient [n, …], the op, and its inputs by name, [] each.
      variables: the names of the inputs that are handles of the variable and of its slots.
    """

    change: Callable[[Rows, tf.Tensor, tf.Operation, Mapping[str, tf.Tensor]], Rows]
    variables: Sequence[str]


def handles(op: tf.Operation) -> list[tf.Tensor]:
    """Those of the variable and of its slots, [] each, that an op of the source takes."""
    names = [argument.name for argument in op.op_def.input_arg]
    return [op.inputs[names.index(name)] for name in RULES[op.type].variables]


def written(op: tf.Operation, inputs: Sequence[tf.Tensor], *, whole: bool) -> list[tf.Operation]:
    """Ops that change the rows, each named once, in the graph that is being built.

    Args:
      op: of the source.
      inputs: of the copy: handles and numbers [], a gradient [n, …], and the numbers of the rows, [n].
      whole: whether the rows are all of the variable's, in order, with the number of none for those that stay.
    """
    rule = RULES[op.type]
    names = [argument.name for argument in op.op_def.input_arg]
    given = dict(zip(names, inputs, strict=True))
    grad, indices = given["grad"], given["indices"]
    variables = [given[name] for name in rule.variables]
    before = [tf.raw_ops.ReadVariableOp(resource=handle, dtype=grad.dtype) for handle in variables]
    rows = before if whole else [tf.gather(all_rows, indices) for all_rows in before]
    changed = rule.change(rows, grad, op, given)
    # What is read has to be read before any of it is written.
    with tf.control_dependencies([all_rows.op for all_rows in before]):
        if whole:
            changes = tf.reshape(indices == tf.range(indices.shape[0], dtype=indices.dtype), _column(grad))
            values = [tf.where(changes, new, old) for new, old in zip(changed, before, strict=True)]
        elif before[0].shape.rank is None or (before[0].shape[0] or _MOST_MERGED + 1) > _MOST_MERGED:
            scatter = tf.raw_ops.ResourceScatterUpdate
            pairs = zip(variables, changed, strict=True)
            return [scatter(resource=handle, indices=indices, updates=new) for handle, new in pairs]
        else:
            position = _positions(indices, int(before[0].shape[0]))
            values = [_merged(old, position, new) for old, new in zip(before, changed, strict=True)]
        assign = tf.raw_ops.AssignVariableOp
        return [assign(resource=handle, value=value) for handle, value in zip(variables, values, strict=True)]


def _column(rows: tf.Tensor) -> list[int]:
    """The shape of one value for each row of [n, …]."""
    return [-1] + [1] * (rows.shape.rank - 1)


def _positions(indices: tf.Tensor, rows: int) -> tf.Tensor:
    """Where each of so many rows of a variable stands among numbers of rows [n], int32 [rows]; -1 where it does not."""
    is_there = indices[:, tf.newaxis] == tf.range(rows, dtype=indices.dtype)[tf.newaxis, :]
    return tf.reduce_max(tf.where(is_there, tf.range(indices.shape[0])[:, tf.newaxis], -1), 0)


def _merged(before: tf.Tensor, position: tf.Tensor, new: tf.Tensor) -> tf.Tensor:
    """A variable with new rows in their places: XLA would scatter them in a loop, one by one.

    Args:
      before: [rows, …].
      position: int32 [rows], of each row among the new ones; -1 for what stays.
      new: [n, …].

    Returns:
      [rows, …].
    """
    changes = tf.reshape(position >= 0, _column(new))
    return tf.where(changes, tf.gather(new, tf.maximum(position, 0)), before)


def _adagrad(rows: Rows, grad: tf.Tensor, op: tf.Operation, given: Mapping[str, tf.Tensor]) -> Rows:
    """Duchi et al. 2011, of rows and gradients [n, …]."""
    variable, total = rows
    if op.get_attr("update_slots"):
        total += grad * grad
    # Outside of the root, as in Keras 2; Keras 3 has it inside.
    root = tf.sqrt(total) + given["epsilon"] if "epsilon" in given else tf.sqrt(total)
    return [variable - given["lr"] * grad / root, total]


def _ftrl(rows: Rows, grad: tf.Tensor, op: tf.Operation, given: Mapping[str, tf.Tensor]) -> Rows:
    """McMahan et al. 2013, of rows and gradients [n, …]."""
    variable, total, linear = rows
    rate, first, second = (given[name] for name in ("lr", "l1", "l2"))
    by_rate = op.get_attr("multiply_linear_by_lr")
    # The penalty for the size of weights goes into the sum of gradients, but not into that of their squares.
    shrunk = grad + 2.0 * given["l2_shrinkage"] * variable if "l2_shrinkage" in given else grad
    increased = total + grad * grad
    before, after = _to_power(total, given["lr_power"]), _to_power(increased, given["lr_power"])
    linear += shrunk * rate - (after - before) * variable if by_rate else shrunk - (after - before) / rate * variable
    bound = first * rate if by_rate else first
    scale = after + 2.0 * second * rate if by_rate else after / rate + 2.0 * second
    return [(tf.clip_by_value(linear, -bound, bound) - linear) / scale, increased, linear]


def _to_power(total: tf.Tensor, power: tf.Tensor) -> tf.Tensor:
    """Sums [n, …] to the power [] with the sign turned: their roots, usually."""
    # The kernels take the root for the usual power, which is another number in the last place.
    return tf.where(power == -0.5, tf.sqrt(total), tf.pow(total, -power))


def _momentum(rows: Rows, grad: tf.Tensor, op: tf.Operation, given: Mapping[str, tf.Tensor]) -> Rows:
    """Polyak 1964, or Nesterov's, of rows and gradients [n, …]."""
    variable, sums = rows
    sums = sums * given["momentum"] + grad
    step = grad + sums * given["momentum"] if op.get_attr("use_nesterov") else sums
    return [variable - step * given["lr"], sums]


def _keras_momentum(rows: Rows, grad: tf.Tensor, op: tf.Operation, given: Mapping[str, tf.Tensor]) -> Rows:
    """The same with the rate in the sums, of rows and gradients [n, …]."""
    variable, sums = rows
    sums = sums * given["momentum"] - grad * given["lr"]
    step = sums * given["momentum"] - grad * given["lr"] if op.get_attr("use_nesterov") else sums
    return [variable + step, sums]


def _rmsprop(rows: Rows, grad: tf.Tensor, op: tf.Operation, given: Mapping[str, tf.Tensor]) -> Rows:
    """Hinton's lecture 6e, of rows and gradients [n, …]; centered where there is a mean of gradients among the rows."""
    del op
    variable, *mean, squares, moved = rows
    rho = given["rho"]
    # Rows that a batch does not name keep their averages, which an update of the whole variable would lower.
    squares = squares * rho + grad * grad * (1.0 - rho)
    mean = [one * rho + grad * (1.0 - rho) for one in mean]
    variance = squares - mean[0] * mean[0] if mean else squares
    moved = moved * given["momentum"] + given["lr"] * grad * tf.math.rsqrt(variance + given["epsilon"])
    return [variable - moved, *mean, squares, moved]


RULES: Mapping[str, Rule] = {
    "ResourceSparseApplyAdagrad": Rule(change=_adagrad, variables=("var", "accum")),
    "ResourceSparseApplyAdagradV2": Rule(change=_adagrad, variables=("var", "accum")),
    "ResourceSparseApplyFtrl": Rule(change=_ftrl, variables=("var", "accum", "linear")),
    "ResourceSparseApplyFtrlV2": Rule(change=_ftrl, variables=("var", "accum", "linear")),
    "ResourceSparseApplyMomentum": Rule(change=_momentum, variables=("var", "accum")),
    "ResourceSparseApplyKerasMomentum": Rule(change=_keras_momentum, variables=("var", "accum")),
    "ResourceSparseApplyRMSProp": Rule(change=_rmsprop, variables=("var", "ms", "mom")),
    "ResourceSparseApplyCenteredRMSProp": Rule(change=_rmsprop, variables=("var", "mg", "ms", "mom")),
}
"""By the types of ops."""
