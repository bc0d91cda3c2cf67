"""Ops that run eagerly while a function is called, and may give something else when it is called again.

A context of TensorFlow tells each op that has run to callbacks, which a thread has of its own. The public way to have
one, `tf.debugging.experimental.enable_dump_debug_info`, writes files. It also swaps the slow way to run an op for all
threads, as often as a callback comes or goes; so that is wrapped here instead, once. A function that
`tf.numpy_function` runs eagerly is no op at all.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterator
from typing import Any

from tensorflow.python.eager import context, execute
from tensorflow.python.framework import op_def_registry
from tensorflow.python.ops import script_ops

_changing: contextvars.ContextVar[list[str] | None] = contextvars.ContextVar("changing", default=None)


@contextlib.contextmanager
def changing() -> Iterator[list[str]]:
    """Gives the types of the ops that ran inside and depend on more than their inputs: random ones, variables, others.

    One is there at once where somebody else has swapped what runs ops, so that not all of them are known.
    """
    found: list[str] = [] if execute.execute is _told else ["unknown"]

    # Ops that are built into a graph, as those of a dataset's map, come here too. They have not run yet.
    def tell(op_type: str | bytes, *_: Any, graph: Any = None, **__: Any) -> None:
        name = op_type.decode() if isinstance(op_type, bytes) else op_type
        if graph is None and _may_change(name):
            found.append(name)

    here = context.context()
    token = _changing.set(found)
    here.add_op_callback(tell)
    try:
        yield found
    finally:
        here.remove_op_callback(tell)
        _changing.reset(token)


def _may_change(op_type: str) -> bool:
    """Whether an op has a state; of a function, which is no op that is registered, it is not known."""
    # Kernels of ops without a state give the same for the same inputs; what they get are values that are known here.
    definition = op_def_registry.get(op_type)
    return definition is None or definition.is_stateful


def _told(*args: Any, **kwargs: Any) -> Any:
    """The slow way to run an op, which tells callbacks of it while somebody asks."""
    run = execute.quick_execute if _changing.get() is None else execute.execute_with_callbacks
    return run(*args, **kwargs)


def _noticed(call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def noticing(*args: Any, **kwargs: Any) -> Any:
        found = _changing.get()
        if found is not None:
            found.append("PyFunc")
        return call(*args, **kwargs)

    return noticing


def _install() -> None:
    # The generated functions of ops look both up in their modules at every call.
    execute.execute = _told
    script_ops.py_func_common = _noticed(script_ops.py_func_common)


_install()
