"""Lookup tables of a model function, filled once per trace.

In tf.estimator a session filled the tables before the first step. Here a table is made outside of the graph when the
model function asks for it, and filled as soon as the function is traced, so that steps, evaluations and exports find
it filled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from trainer.estimator.graph.initial_values import computed
from trainer.estimator.graph.inside import resources

if TYPE_CHECKING:
    from trainer.estimator.graph.tracing import TracedModel


def fillers(graph: tf.Graph) -> set[tf.Operation]:
    """The ops of a traced graph that fill tables."""
    collected = graph.get_collection(tf.compat.v1.GraphKeys.TABLE_INITIALIZERS)
    # Keras makes the tables of its layers in an init_scope, which fills them at once and leaves None here for an op.
    return {op for op in collected if op is not None}


def fill(traced: TracedModel) -> None:
    """Runs what fills the tables of a traced model, and nothing else of its graph."""
    ops = fillers(traced.graph)
    if ops:
        traced.prune((), ops, feeds=())()
    for resource in traced.resources:
        resources.settle_initializer(resource, computed)
