"""Lookup tables of a model function, made and filled outside of its graph, once per trace.

In tf.estimator a session filled the tables before the first step. Here a table is made eagerly when the model function
asks for it, so that steps, evaluations and exports find it filled.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf
from tensorflow.python.ops import lookup_ops

from trainer.estimator.graph.variables import outside, replaced


@contextlib.contextmanager
def made_outside() -> Iterator[None]:
    """Inside, `tf.lookup` tables are made and filled outside of the graph that is being built."""
    with contextlib.ExitStack() as stack:
        for kind in (lookup_ops.KeyValueTensorInitializer, lookup_ops.StaticHashTable):
            stack.enter_context(replaced(kind, "__init__", _outside(kind.__init__)))
        yield


def _outside(initialize: Callable[..., None]) -> Callable[..., None]:
    def initialize_outside(self: Any, *args: Any, **kwargs: Any) -> None:
        args, kwargs = tf.nest.map_structure(outside, (args, kwargs))
        with tf.init_scope():
            initialize(self, *args, **kwargs)

    return initialize_outside
