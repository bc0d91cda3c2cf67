"""Variables without a value."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow.python.ops.resource_variable_ops import UninitializedVariable


def stand_in(name: str, shape: tf.TensorShape, dtype: tf.DType, **settings: Any) -> tf.Variable:
    """A variable that takes no memory, for a model function to build its graph on.

    `tf.Variable` needs a value, which for a variable that many machines share would not fit in this one.

    Args:
      name: of the variable.
      shape: known in full.
      dtype: of its values.
      settings: what else `tf.Variable` takes: trainable, constraint, synchronization, aggregation.
    """
    return UninitializedVariable(name=name, shape=shape, dtype=dtype, **settings)
