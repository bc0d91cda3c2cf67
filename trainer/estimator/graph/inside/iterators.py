"""Iterators and queues of TensorFlow 1, used inside of an input function."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import tensorflow as tf
from tensorflow.python.data.ops.dataset_ops import DatasetV1

_meet: ContextVar[Callable[[Any], Any] | None] = ContextVar("iterators_meet", default=None)


@contextlib.contextmanager
def iterators_meet(meet: Callable[[Any], Any]) -> Iterator[None]:
    """Inside, both makers of iterators call `meet` with the dataset, and return what that returns; so do queues, eager.

    Eager, one of them would make an iterator whose `get_next()` gives one batch once, which nothing that comes out of
    the input function shows; the other one raises an error. In a graph both refuse a dataset that was made outside.
    What makes an iterator in a `tf.Graph` of its own, to run it in a Session, is left alone.
    """
    token = _meet.set(meet)
    try:
        yield
    finally:
        _meet.reset(token)


def in_graph(dataset: tf.data.Dataset) -> Any:
    """An iterator of TensorFlow 1 over a dataset of the graph that is being built or of outside."""
    legacy = tf.compat.v1.data
    # Nothing public tells the types of the tensors that composite elements are made of, or gives an `initializer`.
    resource = tf.raw_ops.IteratorV2(shared_name="", container="", **dataset._flat_structure)
    initializer = tf.raw_ops.MakeIterator(dataset=tf.data.experimental.to_variant(dataset), iterator=resource)
    types, shapes = legacy.get_output_types(dataset), legacy.get_output_shapes(dataset)
    return legacy.Iterator(resource, initializer, types, shapes, legacy.get_output_classes(dataset))


def _install(name: str) -> None:
    """Both spellings, the method and the function, come to a private method of TensorFlow."""
    make = getattr(DatasetV1, name)

    @functools.wraps(make)
    def asking(self: Any, *args: Any, **kwargs: Any) -> Any:
        meet = _meet.get()  # none outside of an input function
        elsewhere = not tf.executing_eagerly() and type(tf.compat.v1.get_default_graph()) is tf.Graph
        return make(self, *args, **kwargs) if meet is None or elsewhere else meet(self)

    setattr(DatasetV1, name, asking)


def _install_of_queue(name: str) -> None:
    """Eager, a queue that nothing fills would be waited for without end."""
    take = getattr(tf.queue.QueueBase, name)

    @functools.wraps(take)
    def asking(self: Any, *args: Any, **kwargs: Any) -> Any:
        meet = _meet.get()
        return meet(self) if meet is not None and tf.executing_eagerly() else take(self, *args, **kwargs)

    setattr(tf.queue.QueueBase, name, asking)


for _name in ("_make_one_shot_iterator", "_make_initializable_iterator"):
    _install(_name)
for _name in ("dequeue", "dequeue_many", "dequeue_up_to"):
    _install_of_queue(_name)
