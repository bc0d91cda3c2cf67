"""Variables that live outside of every graph and look, to a model function, as those of a graph of TensorFlow 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow.python.ops.resource_variable_ops import ResourceVariable, UninitializedVariable

from trainer.estimator.graph.inside.model_graph import model_graph

_TAKEN = (
    "initial_value",
    "trainable",
    "validate_shape",
    "caching_device",
    "name",
    "dtype",
    "constraint",
    "distribute_strategy",
    "synchronization",
    "aggregation",
    "shape",
)
"""What a variable creator may be given that a ResourceVariable takes."""


class _SeenFromGraph:
    """A variable made eagerly that has an op and a graph while a model function is traced."""

    handle: tf.Tensor
    read_value: Callable[[], tf.Tensor]

    @property
    def op(self) -> tf.Operation:
        """The op of its handle's placeholder, which has the variable's name: `v.op.name` is `a/w`."""
        graph = model_graph()
        # Outside of a trace TensorFlow's own words refuse it.
        return self.handle.op if graph is None else graph.capture(self.handle).op

    @property
    def graph(self) -> tf.Graph:
        """The model function's graph."""
        graph = model_graph()
        return self.handle.graph if graph is None else graph

    @property
    def initializer(self) -> Any:
        """An op that initialises it: it has a value by the time that a model function meets it, so it does nothing."""
        graph = model_graph()
        return super().initializer if graph is None else tf.no_op()  # type: ignore[misc]

    @property
    def initial_value(self) -> tf.Tensor:
        """Its value [...]; it has one by the time that a model function meets it.

        Whoever asks in a graph makes a variable that starts like this one, as a moving average does.
        """
        graph = model_graph()
        return super().initial_value if graph is None else self.read_value()  # type: ignore[misc]


class GraphVariable(_SeenFromGraph, ResourceVariable):
    """An ordinary variable."""


class _StandIn(_SeenFromGraph, UninitializedVariable):
    """A variable without a value."""


def make(next_creator: Callable[..., tf.Variable], **settings: Any) -> tf.Variable:
    """A variable creator that makes a GraphVariable; entered before all others, it is the last one asked."""
    return GraphVariable(**{name: settings[name] for name in _TAKEN if name in settings})


def stand_in(name: str, shape: tf.TensorShape, dtype: tf.DType, **settings: Any) -> tf.Variable:
    """A variable that takes no memory, for a model function to build its graph on.

    `tf.Variable` needs a value, which for a variable that many machines share would not fit in this one.

    Args:
      name: of the variable.
      shape: known in full.
      dtype: of its values.
      settings: what else `tf.Variable` takes: trainable, constraint, synchronization, aggregation.
    """
    return _StandIn(name=name, shape=shape, dtype=dtype, **settings)


def show(graph: tf.Graph, variable: tf.Variable, name: str) -> None:
    """Gives a variable its place in the graph of a trace, under its own name.

    Args:
      graph: that is being traced.
      variable: of outside.
      name: of the variable, with its scopes.
    """
    if graph.unique_name(name, mark_as_used=False) == name:  # not that of a scope
        graph.unique_name(name)
    try:
        graph.get_operation_by_name(name)
    except KeyError:
        name = f"{name}/"  # TensorFlow takes a name with a slash at its end as it is
    graph.capture(variable.handle, name=name)
