"""What an optimizer of Keras knows of itself and keeps private."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf


def learning_rate(optimizer: keras.optimizers.Optimizer) -> float | Callable[..., Any]:
    """The number, the schedule or the function that an optimizer was made with.

    The property of this name gives the rate of the present step, which a schedule cannot be told from.
    """
    rate = optimizer._learning_rate
    return float(keras.ops.convert_to_numpy(rate)) if isinstance(rate, keras.Variable) else rate


def configuration(optimizer: keras.optimizers.Optimizer) -> dict[str, Any]:
    """What `from_config` makes its like of, with a schedule or a function for a learning rate as it is."""
    revive(optimizer)
    config = optimizer.get_config()
    return config | {"learning_rate": learning_rate(optimizer)} if "learning_rate" in config else config


def revive(optimizer: keras.optimizers.Optimizer) -> None:
    """Makes the variables of an optimizer anew that was made in a graph which the present one cannot reach.

    Optimizers of Keras 2 made theirs when they were first used, so that programs made an optimizer in a `tf.Graph` of
    its own, or in one call of a model function, and used it in another.
    """
    for variable in optimizer.variables:
        if not _reachable(variable.value):
            with variable.handle.graph.as_default():
                start = tf.get_static_value(variable.value.initial_value)
            with tf.init_scope():
                variable._value = tf.Variable(start, trainable=False, name=variable.name)


def _reachable(variable: tf.Variable) -> bool:
    """Whether ops of the present graph can read a variable: it is eager, or of this graph or one around it."""
    if not tf.is_symbolic_tensor(variable.handle):
        return True
    graph = tf.compat.v1.get_default_graph()
    while graph is not None and graph is not variable.handle.graph:
        graph = getattr(graph, "outer_graph", None)
    return graph is not None
