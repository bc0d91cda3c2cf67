"""What logits, labels, weights and losses of a batch have to be, and the values of labels.

What shapes say without a batch is checked when the model function runs, and raises a ValueError; the rest is checked by
ops in the graph, for which the tensors wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow as tf

from trainer.estimator.contract.arguments import accepted, argument_names

LossFn = Callable[..., tf.Tensor]


def require(condition: bool | tf.Tensor, message: str, shown: Iterable[Any] = ()) -> list[tf.Operation]:
    """Raises an error where a condition is known not to hold, or gives the op that fails where it turns out not to.

    Args:
      condition: bool [].
      message: of the error.
      shown: tensors of any shapes, for the message.

    Raises:
      ValueError: it is known not to hold.
    """
    known = condition if isinstance(condition, bool) else tf.get_static_value(condition)
    if known is None:
        # tf.debugging.Assert would make a branch of it, at the cost of a check for each step.
        return [tf.raw_ops.Assert(condition=condition, data=[tf.constant(message), *shown])]
    if known:
        return []
    values = ", ".join(str(value.numpy()) for value in shown if hasattr(value, "numpy"))
    raise ValueError(f"{message} Given: {values}" if values else message)


def after(checks: list[tf.Operation], tensor: tf.Tensor, name: str | None = None) -> tf.Tensor:
    """The tensor, for which the checks are made first.

    Args:
      checks: ops.
      tensor: any shape.
      name: of what is given; None for any.
    """
    with tf.control_dependencies(checks):
        return tf.identity(tensor, name=name)


def logits(given: Any, dimension: Any) -> tf.Tensor:
    """Logits as float32 [D0, …, DN, dimension].

    Args:
      given: numbers of that shape.
      dimension: an integer, or a tensor [] of one.

    Raises:
      ValueError: they have another shape.
    """
    tensor = tf.cast(given, tf.float32)
    message = f"A head was given logits of shape {tensor.shape}. It takes [D0, ..., DN, {_said(dimension)}]."
    if tensor.shape.rank is not None and tensor.shape.rank < 2:
        raise ValueError(f"{message} Give them a batch dimension")
    last = tf.get_static_value(dimension) if tf.is_tensor(dimension) else dimension
    own = None if tensor.shape.rank is None else tensor.shape[-1]
    if own is not None and last is not None:
        if own != last:
            raise ValueError(f"{message} Make as many of them as head.logits_dimension says")
        return tensor
    checks = require(tf.rank(tensor) >= 2, message) if tensor.shape.rank is None else []
    with tf.control_dependencies(checks):
        shape = tf.shape(tensor)
    return after([*checks, *require(tf.equal(shape[-1], last or dimension), message, [shape])], tensor)


def _said(dimension: Any) -> str:
    return "logits_dimension" if tf.is_tensor(dimension) else str(dimension)


def dense_labels(labels: Any, logits: tf.Tensor, dimension: int) -> tf.Tensor:
    """Labels as a tensor [D0, …, DN, dimension].

    Args:
      labels: a tensor or an array of that shape, or of shape [D0, …, DN] where the dimension is 1.
      logits: float32 [D0, …, DN, ?].
      dimension: of each label.

    Raises:
      ValueError: there are none, they are sparse or ragged, or of another shape.
    """
    if labels is None:
        raise ValueError(
            "A head was given labels None. It needs labels to train and to evaluate. "
            "Let the input function return (features, labels)"
        )
    if isinstance(labels, tf.SparseTensor | tf.RaggedTensor):
        raise ValueError(
            f"A head was given labels in a {type(labels).__name__}. It takes a tensor [D0, ..., DN, {dimension}]. "
            "Make them dense in the input function, with tf.sparse.to_dense or to_tensor"
        )
    tensor = tf.convert_to_tensor(labels)
    if None not in (tensor.shape.rank, logits.shape.rank) and tensor.shape.rank == logits.shape.rank - 1:
        tensor = tf.expand_dims(tensor, -1)
    message = (
        f"A head was given labels of shape {tensor.shape} for logits of shape {logits.shape}. "
        f"It takes labels [D0, ..., DN, {dimension}]. "
        "Look at n_classes or label_dimension of the head; classes are numbers, not one-hot vectors."
    )
    rank = tensor.shape.rank
    if rank is not None and (rank < 2 or tensor.shape[-1] not in (None, dimension)):
        raise ValueError(message)
    return after(_shaped(tensor, logits, dimension, message), tensor, name="labels")


def _shaped(tensor: tf.Tensor, logits: tf.Tensor, last: Any, message: str) -> list[tf.Operation]:
    """Checks that a tensor is [D0, …, DN, last] for logits [D0, …, DN, ?]; `last` None stands for that of logits."""
    wanted = logits.shape if last is None or logits.shape.rank is None else logits.shape[:-1].concatenate([last])
    if tensor.shape.is_fully_defined() and wanted.is_fully_defined() or not tensor.shape.is_compatible_with(wanted):
        return require(tensor.shape.is_compatible_with(wanted), message)
    shape, of_logits = tf.shape(tensor), tf.shape(logits)
    expected = of_logits if last is None else tf.concat([of_logits[:-1], [last]], axis=0)
    return require(_equal(shape, expected), message, ["Shapes:", shape, expected])


def _equal(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """Whether two shapes, int32 [rank] each, are the same: bool []."""
    if None not in (left.shape[0], right.shape[0]) and left.shape[0] == right.shape[0]:
        return tf.reduce_all(tf.equal(left, right))
    same_rank = tf.equal(tf.size(left), tf.size(right))
    return tf.cond(same_rank, lambda: tf.reduce_all(tf.equal(left, right)), lambda: tf.constant(False))


def in_range(labels: tf.Tensor, n_classes: Any, message: str) -> tf.Tensor:
    """Labels, any shape, each of which has to lie in [0, n_classes - 1].

    Floating-point labels that do not are NaN besides, because a program that XLA has compiled skips checks: their loss
    is NaN then, which ends the training.

    Args:
      labels: numbers.
      n_classes: an integer, or a tensor [] of one.
      message: what is wrong with others.

    Raises:
      ValueError: while TensorFlow executes eagerly, one does not.
    """
    most = tf.cast(n_classes - 1, labels.dtype)
    inside = tf.logical_and(labels >= 0, labels <= most)
    checked = after(require(tf.reduce_all(inside), message, [labels]), labels)
    if not labels.dtype.is_floating:
        return checked
    return tf.where(inside, checked, tf.constant(float("nan"), labels.dtype))


def weights(features: Any, weight_column: Any, logits: tf.Tensor, *, per_logit: bool = False) -> tf.Tensor | None:
    """The weights of a batch, float32 [D0, …, DN, 1 or logits_dimension]; None for ones.

    Args:
      features: a dict that has the weights, as [D0, …, DN] or with a last dimension.
      weight_column: the key of the weights, or a numeric_column; None where there are none.
      logits: float32 [D0, …, DN, logits_dimension].
      per_logit: whether each logit may have a weight of its own.

    Raises:
      TypeError: the weight column is something else.
      ValueError: the weights are missing, are no numbers, or have another shape.
    """
    if weight_column is None:
        return None
    with tf.name_scope("weights"):
        tensor = tf.cast(_numbers(features, weight_column), tf.float32, name="weights")
        wanted = "[D0, ..., DN, 1] or [D0, ..., DN, logits_dimension]" if per_logit else "[D0, ..., DN, 1]"
        message = (
            f"A head was given weights of shape {tensor.shape} for logits of shape {logits.shape}. "
            f"It takes [D0, ..., DN] or {wanted}. Give one weight for each example."
        )
        if None not in (tensor.shape.rank, logits.shape.rank) and tensor.shape.rank == logits.shape.rank - 1:
            tensor = tf.expand_dims(tensor, -1)
        each = per_logit and tensor.shape.rank is not None and tensor.shape[-1] != 1
        return after(_shaped(tensor, logits, None if each else 1, message), tensor)


def _numbers(features: Any, weight_column: Any) -> tf.Tensor:
    """What the features have under a key or in a numeric column, a column [batch, 1] where it is a vector [batch].

    Raises:
      TypeError: the weight column is something else.
      ValueError: it is missing or has no numbers.
    """
    if not (isinstance(weight_column, str) or is_numeric_column(weight_column)):
        raise TypeError(
            f"A head was given weight_column {weight_column!r}. It takes the name of a feature, "
            "or a tf.feature_column.numeric_column"
        )
    key = weight_column if isinstance(weight_column, str) else weight_column.key
    if not isinstance(features, Mapping) or key not in features:
        names = ", ".join(map(repr, features)) if isinstance(features, Mapping) else f"no names: {features!r}"
        raise ValueError(
            f"A head's weight_column is {key!r}, and the features have {names}. Let the input function give {key!r}"
        )
    if isinstance(features[key], tf.SparseTensor | tf.RaggedTensor):
        raise ValueError(f"The weights in feature {key!r} are a {type(features[key]).__name__}. Make them dense")
    tensor = tf.convert_to_tensor(features[key])
    if not (tensor.dtype.is_floating or tensor.dtype.is_integer):
        raise ValueError(f"The weights in feature {key!r} are of type {tensor.dtype.name}. They are numbers")
    if tensor.shape.rank == 1:
        tensor = tf.expand_dims(tensor, -1)
    normalizer = None if isinstance(weight_column, str) else weight_column.normalizer_fn
    return normalizer(tensor) if normalizer else tensor


def is_numeric_column(column: Any) -> bool:
    """Whether it is a `tf.feature_column.numeric_column`."""
    return isinstance(column, type(tf.feature_column.numeric_column("weight")))


def check_loss_fn(loss_fn: LossFn | None, optional: Iterable[str]) -> None:
    """Looks at what a loss function takes.

    Args:
      loss_fn: takes labels and logits by these names; None for the head's own loss.
      optional: what else it may take.

    Raises:
      ValueError: it lacks one of the two, or takes something that it is not given.
    """
    if not loss_fn:
        return
    takes, needed = argument_names(loss_fn), {"labels", "logits"}
    wrong = (needed - takes) | (takes - needed - set(optional))
    if wrong:
        raise ValueError(
            f"loss_fn takes {', '.join(sorted(takes)) or 'nothing'}. It takes labels and logits, and may take "
            f"{', '.join(optional)}. Look at {', '.join(sorted(wrong))}"
        )


def loss_of(loss_fn: LossFn, labels: tf.Tensor, logits: tf.Tensor, features: Any, dimension: int) -> tf.Tensor:
    """What a loss function gives, [D0, …, DN, dimension].

    Args:
      loss_fn: takes labels, logits and, if it likes, features.
      labels: as the head made them, [D0, …, DN, ?].
      logits: float32 [D0, …, DN, ?].
      features: of the batch.
      dimension: how many losses an example has.

    Raises:
      ValueError: it gave another shape.
    """
    with tf.name_scope("call_loss_fn"):
        given = {"labels": labels, "logits": logits, "features": features}
        loss = tf.convert_to_tensor(loss_fn(**accepted(loss_fn, given)))
        message = (
            f"loss_fn gave a loss of shape {loss.shape} for logits of shape {logits.shape}. "
            f"A loss has the shape [D0, ..., DN, {dimension}]. Reduce it over the last dimension only."
        )
        return after(_shaped(loss, logits, dimension, message), loss)
