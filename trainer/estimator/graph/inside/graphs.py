"""Function graphs: built, read and changed as TensorFlow's own tracing does it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import auto_control_deps_utils, func_graph
from tensorflow.python.ops.control_flow_ops import XLAControlFlowContext

from trainer.estimator.graph.inside.model_graph import ModelGraph


def traced(
    name: str,
    body: Callable[..., None],
    signature: Sequence[Any],
    collections: Mapping[str, Sequence[Any]],
    *,
    kind: type[ModelGraph] = ModelGraph,
    xla: bool = False,
) -> tf.Graph:
    """A function graph that a body has built.

    `tf.function` would add control dependencies of its own and compute what nobody fetches; here neither happens.

    Args:
      name: of the graph.
      body: called once, with placeholders for the signature, while the graph is the default one.
      signature: nested `tf.TypeSpec`s.
      collections: the graph's collections, to begin with.
      kind: of graph.
      xla: build loops with the sizes that XLA needs for their gradients, as `tf.function(jit_compile=True)` does.
    """
    around = tf.__internal__.FuncGraph("around")
    with contextlib.ExitStack() as stack:
        if xla:
            # Whatever builds loops asks the graphs around its own too. In the graph itself the scope would keep lookup
            # tables from being made of the graph's tensors.
            stack.enter_context(around.as_default())
            stack.enter_context(_xla_scope())
        return func_graph.func_graph_from_py_func(
            name,
            body,
            None,
            None,
            signature=list(signature),
            func_graph=kind(name, collections=dict(collections)),
            add_control_dependencies=False,
        )


@contextlib.contextmanager
def _xla_scope() -> Iterator[None]:
    scope = XLAControlFlowContext()
    scope.Enter()
    try:
        yield
    finally:
        scope.Exit()


def keep_program_order_in_branches(graph: tf.Graph, *, keep: bool) -> None:
    """Says whether loops and branches that are built in a graph keep the order in which their ops were made.

    They ask the graph around them, by a private name, whether it does.
    """
    graph._add_control_dependencies = keep


def accessed(op: tf.Operation) -> tuple[Iterable[tf.Tensor], Iterable[tf.Tensor]]:
    """The resource handles [] that an op reads only, and those that it writes.

    TensorFlow knows this of every op, of calls, branches and loops too, but tells its own tracing alone.
    """
    read, written = auto_control_deps_utils.get_read_write_resource_inputs(op)
    return read, written


def run_after(op: tf.Operation, before: Iterable[tf.Operation]) -> None:
    """Adds control edges to an op that is there already, which `tf.control_dependencies` cannot."""
    op._add_control_inputs(list(before))


def recapture(graph: tf.Graph, old: tf.Tensor, new: tf.Tensor, inner: tf.Tensor) -> None:
    """Has a graph take another tensor of outside where it took one.

    Args:
      graph: a function graph.
      old: the handle [] that it takes.
      new: the handle [] that it is to take.
      inner: the placeholder [] of both in the graph.
    """
    graph._function_captures.pop(id(old))  # which replace_capture leaves beside the new one
    graph.replace_capture(new, inner)
