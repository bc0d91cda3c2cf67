"""A Keras metric of a specification, which is a pair (value, update op) to whoever takes it for one."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

_ASSIGNMENTS = frozenset({"AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp"})


class MetricOps(Sequence[Any]):
    """The value of a Keras metric and the op that updates it, as the specs of tf.estimator hold it.

    Both are made when they are asked for, which few model functions do; in a graph that a person makes for a Session of
    their own they are made at once, for that may be finalized by then.

    Args:
      metric: that the model function has updated in the graph at hand.
    """

    def __init__(self, metric: keras.metrics.Metric) -> None:
        self.metric = metric
        if not tf.executing_eagerly() and type(tf.compat.v1.get_default_graph()) is tf.Graph:
            tuple(self)

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: Any) -> Any:
        return (self._value, self._update)[index]

    @functools.cached_property
    def _value(self) -> Any:
        """What the metric says of the batches before, a tensor or nested ones."""
        return self.metric.result()

    @functools.cached_property
    def _update(self) -> tf.Operation:
        """The op that tells it of a batch."""
        graph = tf.compat.v1.get_default_graph()
        # In a function a variable that was made outside goes by another handle.
        inner = {id(outer): captured for outer, captured in getattr(graph, "captures", ())}
        variables = [variable.value for variable in self.metric.variables]
        used = [inner.get(id(variable.handle), variable.handle) for variable in variables]
        writes = [op for handle in used for op in handle.consumers() if op.type in _ASSIGNMENTS]
        # In a graph of a person's own a variable is first written there too.
        first = [getattr(variable, "initializer", None) for variable in variables]
        return tf.group(*(op for op in writes if op not in first))
