"""Lookup tables of a model function, filled once per trace.

In tf.estimator a session filled the tables before the first step. Here a table is made outside of the graph when the
model function asks for it, and filled as soon as the function is traced, so that steps, evaluations and exports find
it filled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import tensorflow as tf

from trainer.estimator.graph.initial_values import computed
from trainer.estimator.graph.inside import resources


def fillers(graph: tf.Graph) -> set[tf.Operation]:
    """The ops of a traced graph that fill tables."""
    collected = graph.get_collection(tf.compat.v1.GraphKeys.TABLE_INITIALIZERS)
    # Keras makes the tables of its layers in an init_scope, which fills them at once and leaves None here for an op.
    return {op for op in collected if op is not None}


def fill(graph: tf.Graph, made: Iterable[Any], run: Callable[[set[tf.Operation]], object]) -> None:
    """Fills the tables of a traced graph.

    Args:
      graph: of the model function.
      made: the tables and other resources that the function made.
      run: runs operations of the graph and what they depend on, and nothing else of it.
    """
    ops = fillers(graph)
    if ops:
        run(ops)
    for resource in made:
        resources.settle_initializer(resource, computed)
