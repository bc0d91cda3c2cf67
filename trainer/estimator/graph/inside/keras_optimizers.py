"""What an optimizer of Keras knows of itself and keeps private; that of Keras 2, as tf_keras has it, too."""

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


def is_keras_2(optimizer: Any) -> bool:
    """Whether an optimizer is one of `tf_keras.optimizers.legacy` or derived from one; does not load tf_keras."""
    return any(kind.__name__ == "OptimizerV2" and _in_tf_keras(kind) for kind in type(optimizer).__mro__)


def is_stock_keras_2(optimizer: Any, name: str) -> bool:
    """Whether an optimizer is tf_keras's own of that name, and not derived from it."""
    return is_keras_2(optimizer) and type(optimizer).__name__ == name and _in_tf_keras(type(optimizer))


def show_counter(optimizer: Any, iterations: tf.Variable) -> None:
    """Makes a variable [] the `iterations` of an optimizer of Keras 2, which refuses a second one by itself."""
    optimizer._iterations = iterations


def _in_tf_keras(kind: type) -> bool:
    return kind.__module__.startswith("tf_keras.")


def configuration(optimizer: Any) -> dict[str, Any]:
    """What `from_config` makes its like of, with a schedule or a function for a learning rate as it is."""
    if is_keras_2(optimizer):
        # Its own account of itself calls a function for a rate, and spells a schedule out.
        rate, config = optimizer._hyper.get("learning_rate"), optimizer.get_config()
        if "learning_rate" not in config:
            return config
        return config | {"learning_rate": rate if callable(rate) else float(config["learning_rate"])}
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
