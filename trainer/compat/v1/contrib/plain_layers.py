"""Layers of `tf.contrib.layers` without weights, and what puts layers behind each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from trainer.compat.v1.contrib.arg_scopes import add_arg_scope
from trainer.compat.v1.contrib.units import finished, pair


@add_arg_scope
def flatten(inputs: tf.Tensor, outputs_collections: Any = None, scope: Any = None) -> tf.Tensor:
    """The components of each example in a row: [batch, …] to [batch, size].

    Args:
      inputs: [batch, …].
      outputs_collections: that the result is put into.
      scope: its name.
    """
    with tf.compat.v1.name_scope(scope, "Flatten", [inputs]):
        inputs = tf.convert_to_tensor(inputs)
        size = inputs.shape[1:].num_elements()
        outputs = tf.reshape(inputs, [tf.shape(inputs)[0], -1])
        outputs.set_shape([inputs.shape[0], size])
        return finished(outputs, None, outputs_collections, scope)


@add_arg_scope
def dropout(
    inputs: tf.Tensor,
    keep_prob: float = 0.5,
    noise_shape: Any = None,
    is_training: Any = True,
    outputs_collections: Any = None,
    scope: Any = None,
    seed: int | None = None,
) -> tf.Tensor:
    """Drops components in training, and scales the others up.

    Args:
      inputs: [batch, …].
      keep_prob: of a component.
      noise_shape: of what is drawn; None for that of the inputs.
      is_training: False gives the inputs.
      outputs_collections: that the result is put into.
      scope: its name.
      seed: of what is drawn.
    """
    with tf.compat.v1.name_scope(scope, "Dropout", [inputs]):
        inputs = tf.convert_to_tensor(inputs)
        if is_training is False:
            return finished(inputs, None, outputs_collections, scope)
        dropped = tf.nn.dropout(inputs, rate=1 - keep_prob, noise_shape=noise_shape, seed=seed)
        outputs = dropped if is_training is True else tf.where(is_training, dropped, inputs)
        return finished(outputs, None, outputs_collections, scope)


def _pool2d(apply: Callable[..., tf.Tensor], name: str, default_scope: str) -> Callable[..., tf.Tensor]:
    """A layer that makes one value of each window of images [batch, height, width, channels].

    Args:
      apply: makes it; takes inputs, size, strides, padding and format.
      name: of the layer.
      default_scope: that it has where none is given.
    """

    def pool2d(
        inputs: tf.Tensor,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 2,
        padding: str = "VALID",
        data_format: str = "NHWC",
        outputs_collections: Any = None,
        scope: Any = None,
    ) -> tf.Tensor:
        """One value of each window: [batch, height, width, channels] to the same with fewer rows and columns.

        Args:
          inputs: [batch, height, width, channels].
          kernel_size: one number or two.
          stride: one number or two.
          padding: SAME or VALID.
          data_format: of the inputs.
          outputs_collections: that the result is put into.
          scope: its name.
        """
        with tf.compat.v1.name_scope(scope, default_scope, [inputs]):
            outputs = apply(inputs, pair(kernel_size), pair(stride), padding, data_format)
            return finished(outputs, None, outputs_collections, scope)

    pool2d.__name__ = name  # by which `stack` calls what it makes
    return add_arg_scope(pool2d)


max_pool2d = _pool2d(tf.nn.max_pool2d, "max_pool2d", "MaxPool2D")
avg_pool2d = _pool2d(tf.nn.avg_pool2d, "avg_pool2d", "AvgPool2D")


@add_arg_scope
def one_hot_encoding(
    labels: tf.Tensor,
    num_classes: int,
    on_value: float = 1.0,
    off_value: float = 0.0,
    outputs_collections: Any = None,
    scope: Any = None,
) -> tf.Tensor:
    """Classes [batch] as rows [batch, num_classes].

    Args:
      labels: [batch].
      num_classes: how many there are.
      on_value: of the class.
      off_value: of the others.
      outputs_collections: that the result is put into.
      scope: its name.
    """
    with tf.compat.v1.name_scope(scope, "OneHotEncoding", [labels]):
        rows = tf.one_hot(tf.cast(labels, tf.int64), num_classes, on_value, off_value)
        return finished(rows, None, outputs_collections, scope)


def stack(inputs: Any, layer: Callable[..., Any], stack_args: Sequence[Any], **kwargs: Any) -> Any:
    """A layer several times behind itself, with other arguments each time.

    Args:
      inputs: of the first.
      layer: takes inputs first.
      stack_args: further arguments of each, or one for each.
      kwargs: of all of them, with the `scope` that they are in.
    """
    arguments = [given if isinstance(given, list | tuple) else [given] for given in stack_args]
    with tf.compat.v1.variable_scope(kwargs.pop("scope", None), "Stack", [inputs]):
        return _behind_each_other(inputs, layer, arguments, getattr(layer, "__name__", "stack"), kwargs)


def repeat(inputs: Any, repetitions: int, layer: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """A layer several times behind itself.

    Args:
      inputs: of the first.
      repetitions: how often.
      layer: takes inputs first.
      args: of all of them.
      kwargs: of all of them, with the `scope` that they are in.
    """
    scope = kwargs.pop("scope", None)
    with tf.compat.v1.variable_scope(scope, "Repeat", [inputs]) as opened:
        name = scope if isinstance(scope, str) else opened.name.rpartition("/")[2]
        name = name if scope else getattr(layer, "__name__", "repeat")
        return _behind_each_other(inputs, layer, [args] * repetitions, name, kwargs)


def _behind_each_other(
    inputs: Any, layer: Callable[..., Any], arguments: Sequence[Sequence[Any]], name: str, kwargs: Mapping[str, Any]
) -> Any:
    """What the last of the layers gives.

    Args:
      inputs: of the first.
      layer: takes inputs first.
      arguments: further ones, of each.
      name: of their scopes, which are numbered from 1.
      kwargs: of all of them.
    """
    for number, given in enumerate(arguments, 1):
        inputs = layer(inputs, *given, scope=f"{name}_{number}", **kwargs)
    return inputs
