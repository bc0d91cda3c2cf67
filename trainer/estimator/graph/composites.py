"""What sparse and ragged tensors are as values: those that a Session of TensorFlow 1 gave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

COMPOSITE_VALUES = (tf.compat.v1.SparseTensorValue, tf.compat.v1.ragged.RaggedTensorValue)


def is_composite(value: Any) -> bool:
    """Whether a tensor is made of several."""
    return tf.is_tensor(value) and len(tf.nest.flatten(value, expand_composites=True)) > 1


def value_of(tensor: Any, value: Callable[[Any], Any]) -> Any:
    """The value of a tensor: an array, a SparseTensorValue or a RaggedTensorValue.

    Args:
      tensor: [...], dense, sparse or ragged; anything else is given to `value` as it is.
      value: gives the array [...] of a dense one.
    """
    match tensor:
        case tf.SparseTensor():
            parts = (tensor.indices, tensor.values, tensor.dense_shape)
            return tf.compat.v1.SparseTensorValue(*map(value, parts))
        case tf.RaggedTensor():
            return tf.compat.v1.ragged.RaggedTensorValue(value_of(tensor.values, value), value(tensor.row_splits))
        case _:
            return value(tensor)
