"""Random ops, drawn by another rule while a graph is traced."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

import tensorflow as tf
from tensorflow.python.ops import gen_random_ops

KINDS = ("random_uniform", "random_uniform_int", "random_standard_normal", "truncated_normal")
"""The functions of gen_random_ops that `tf.random`, `tf.nn.dropout` and Keras's initializers come to."""

Twin = Callable[..., tf.Tensor]
_twins: ContextVar[tuple[tf.Graph, Mapping[str, Twin]] | None] = ContextVar("random_twins", default=None)


@contextlib.contextmanager
def made_by(graph: tf.Graph, twins: Mapping[str, Twin]) -> Iterator[None]:
    """Inside, random ops of `graph` itself (not of its loops and branches) are made by the function of their kind.

    An op cannot be exchanged once it is there: ops are copied and run in the order in which they were made.

    Args:
      graph: whose ops these are.
      twins: by kind, a function of what the kind takes: shape and so on, `seed`, `seed2`, and its dtype.
    """
    token = _twins.set((graph, twins))
    try:
        yield
    finally:
        _twins.reset(token)


def _install(kind: str) -> None:
    make = getattr(gen_random_ops, kind)

    @functools.wraps(make)
    def asking(*args: Any, **kwargs: Any) -> tf.Tensor:
        asked = _twins.get()
        # A branch or a loop may run more often than once in a step, or never, so its draws are left as they are.
        if asked is None or tf.compat.v1.get_default_graph() is not asked[0]:
            return make(*args, **kwargs)
        return asked[1][kind](*args, **kwargs)

    setattr(gen_random_ops, kind, asking)


for _kind in KINDS:
    _install(_kind)
