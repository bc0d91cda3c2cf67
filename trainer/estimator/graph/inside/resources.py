"""Lookup tables and other resources that a trace makes: kept, and filled with values of outside."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import Any

import tensorflow as tf
from tensorflow.python.ops import lookup_ops
from tensorflow.python.trackable.resource import ResourceTracker, resource_tracker_scope

from trainer.estimator.graph.inside.model_graph import model_graph, outside

_made_here: ContextVar[list[Any] | None] = ContextVar("resources_made_here", default=None)


class _Tracker(ResourceTracker):
    """Hands each resource to whoever listens in the thread that makes it; TensorFlow's trackers hear of all threads."""

    def add_resource(self, resource: Any) -> None:
        made = _made_here.get()
        if made is not None:
            made.append(resource)
            # A handle that were an op of the graph would be another table in each function that is cut out of it.
            resource._create_resource = functools.partial(_created_outside, resource._create_resource)


def _created_outside(create: Callable[[], tf.Tensor]) -> tf.Tensor:
    """The handle [] of a resource, made outside of a model function's graph; an export makes one in its own."""
    with contextlib.nullcontext() if model_graph() is None else outside():
        return create()


@contextlib.contextmanager
def listed() -> Iterator[list[Any]]:
    """Inside, the resources that this thread makes are appended to the list.

    A resource ends with the object that made it, of which a graph knows nothing.
    """
    made: list[Any] = []
    token = _made_here.set(made)
    try:
        yield made
    finally:
        _made_here.reset(token)


def settle_initializer(resource: Any, settle: Callable[[tf.Tensor], Any]) -> None:
    """Has a lookup table start from tensors of outside, since an export fills it in a graph of its own.

    Args:
      resource: a table that is filled with keys and values, or anything else, which stays as it is.
      settle: gives for a tensor of a trace, keys [size] or values [size], what it is.
    """
    initializer = getattr(resource, "_initializer", None)
    if isinstance(initializer, tf.lookup.KeyValueTensorInitializer):
        with outside():  # or the values would become constants of whichever graph is being built
            initializer._keys = tf.convert_to_tensor(settle(initializer._keys), initializer.key_dtype)
            initializer._values = tf.convert_to_tensor(settle(initializer._values), initializer.value_dtype)


def constant_tables(made: Iterable[Any]) -> list[tf.Tensor]:
    """The handles [] of those resources that are tables which nothing changes once they are filled.

    `lookup_ops.StaticHashTable`: the public `tf.lookup.StaticHashTable` is one of its two kinds.
    """
    return [table.resource_handle for table in made if isinstance(table, lookup_ops.StaticHashTable)]


# For good: a scope that threads entered and left in turn would take the trackers of others along. It ends with this
# object, so a name keeps it.
_installed = resource_tracker_scope(_Tracker())
_installed.__enter__()
