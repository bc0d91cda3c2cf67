"""Copies operations from one graph into another: the one way in which a part of a graph comes to stand elsewhere.

Pruning a traced model, putting a worker's part of a step into its function, and computing an initial value all copy
ops. A copy is made op by op, each behind what it needs. Tensors that come from outside of the part are replaced first;
a rewrite may put something else in the place of an op.

An example: of a model of two variables with the loss `mean((x @ w + b)²)`, a worker is to compute the loss from values
of `w` and `b` that it was sent::

    the model's graph                         the worker's, after the copy

    x ──────► MatMul ─► AddV2 ─► Square ...    x2 ─► MatMul ─► AddV2 ─► Square ...
    Read(w) ───┘          │                    w2 ────┘          │
    Read(b) ──────────────┘                    b2 ───────────────┘

`replace(x, x2)`, `replace(Read(w), w2)` and `replace(Read(b), b2)`, then `copy([MatMul, AddV2, Square, Mean])`:
nothing of the reads is in the copy, and `copy_of(Mean)` is the loss there.
"""

from __future__ import annotations

import contextlib
import graphlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.graph.inside import copying

# Of the place of an op in its own graph or in a program of TPUs; they name ops that the copy may lack.
_OF_ITS_GRAPH = ("_class", "_tpu_replicate", "_output_shapes")

Rewrite = Callable[[tf.Operation], Sequence[Any] | None]
"""Asked for each op: gives what its outputs become, made with the copier's help, or None to copy the op as it is."""


def _as_it_is(op: tf.Operation) -> None:
    """The rewrite that changes nothing."""


def _own_device(op: tf.Operation) -> str:
    return str(op.device)


class Copier:
    """Copies operations into the graph that is being built.

    Args:
      device: gives the device of each copy; `''` leaves it to the scope.
    """

    def __init__(self, device: Callable[[tf.Operation], str] = _own_device) -> None:
        self.graph = tf.compat.v1.get_default_graph()
        self._device = device
        # Tensors by identity: a traced graph is TF 2's, where they compare element by element.
        self._copies: dict[int, Any] = {}
        self._operations: dict[tf.Operation, list[tf.Operation]] = {}
        self._known: tf.Graph | None = None

    def replace(self, tensor: tf.Tensor, value: Any) -> None:
        """Lets a value stand for a tensor of the source, of its shape [...]: what takes the one takes the other."""
        self._copies[id(tensor)] = value

    def copy(self, ops: Iterable[tf.Operation], rewrite: Rewrite = _as_it_is) -> None:
        """Copies operations with the data and control edges among them.

        Args:
          ops: each behind what it needs.
          rewrite: may put something else in the place of an op.
        """
        for op in ops:
            # Edges from ops that are not copied are left out: what they waited for happens elsewhere, or not at all.
            before = [copied for control in op.control_inputs for copied in self._operations.get(control, ())]
            with tf.control_dependencies(before) if before else contextlib.nullcontext():
                outputs = rewrite(op)
                if outputs is None:
                    outputs = self.same(op, [self._copies[id(tensor)] for tensor in op.inputs])
            for tensor, copied in zip(op.outputs, outputs, strict=True):
                self._copies[id(tensor)] = copied

    def copy_of(self, tensor: tf.Tensor) -> Any:
        """What a tensor [...] of the source became: a tensor, or what a rewrite or `replace` gave in its place."""
        return self._copies[id(tensor)]

    def has_copy(self, tensor: tf.Tensor) -> bool:
        """Whether a tensor [...] of the source was copied or replaced."""
        return id(tensor) in self._copies

    def operations(self, op: tf.Operation) -> list[tf.Operation]:
        """What an operation became: none if it was not copied, several if a rewrite divided it."""
        return self._operations.get(op, [])

    def stands_for(self, op: tf.Operation, copies: Iterable[tf.Operation]) -> None:
        """Lets what waits for an operation wait for others in the copy."""
        known = self._operations.setdefault(op, [])
        known.extend(copied for copied in copies if copied not in known)

    def same(
        self, op: tf.Operation, inputs: Sequence[tf.Tensor], attributes: Mapping[str, Any] | None = None
    ) -> list[tf.Tensor]:
        """The operation on inputs of the same shapes [...]; its outputs.

        Args:
          op: of the source.
          inputs: tensors of the copy.
          attributes: that it has in place of its own, by name, as in the protocol buffer of an op.
        """
        outputs = self.like(op, inputs, self._device(op), attributes)
        for before, after in zip(op.outputs, outputs, strict=True):
            # Shapes that the program has set by hand do not follow from the op and its inputs.
            after.set_shape(before.shape)
            if before.dtype in (tf.resource, tf.variant):
                copying.copy_handle_data(before, after)
        return outputs

    def like(
        self, op: tf.Operation, inputs: Sequence[tf.Tensor], device: str, attributes: Mapping[str, Any] | None = None
    ) -> list[tf.Tensor]:
        """The operation on inputs that may have other shapes; its outputs, of the shapes [...] that follow from those.

        Args:
          op: of the source.
          inputs: tensors of the copy.
          device: of the copy; `''` leaves it to the scope.
          attributes: that it has in place of its own, by name.
        """
        own = {key: value for key, value in op.node_def.attr.items() if not key.startswith(_OF_ITS_GRAPH)}
        self._know_functions(op, own)
        copied = copying.create(self.graph, op, inputs, {**own, **(attributes or {})}, device)
        self._operations.setdefault(op, []).append(copied)
        return list(copied.outputs)

    def _know_functions(self, op: tf.Operation, attributes: Mapping[str, Any]) -> None:
        """Adds the functions of the source to the graph before the first op that calls one."""
        # All at once: which functions a function calls is written in its body only.
        if self._known is op.graph:
            return
        named = any(value.HasField("func") or value.list.func for value in attributes.values())
        if named or copying.is_function(op.graph, op.type):
            copying.add_functions(op.graph, self.graph)
            self._known = op.graph


Edges = Mapping[tf.Operation, Collection[tf.Operation]]
"""Control edges: to an operation, from others."""


def ancestors(
    targets: Iterable[tf.Operation], stops: set[tf.Operation], control: bool = True, without: Edges | None = None
) -> set[tf.Operation]:
    """The operations that the targets depend on, themselves included, not looking behind the stops.

    Args:
      targets: where to begin.
      stops: where to end.
      control: whether to follow control edges too.
      without: of those, the ones not to follow; None follows all.
    """
    left_out = without or {}
    reached: set[tf.Operation] = set()
    waiting = list(targets)
    while waiting:
        op = waiting.pop()
        if op not in reached:
            reached.add(op)
            if op not in stops:
                waiting.extend(tensor.op for tensor in op.inputs)
                edges = op.control_inputs if control else ()
                waiting.extend(other for other in edges if other not in left_out.get(op, ()))
    return reached


def in_order(graph: tf.Graph, ops: set[tf.Operation]) -> list[tf.Operation]:
    """Operations of a graph, each behind what it needs.

    The order in which they were made is not enough: a gradient adds to the inputs of loops that were made before it.
    """
    sorter: graphlib.TopologicalSorter[tf.Operation] = graphlib.TopologicalSorter()
    for op in graph.get_operations():
        if op in ops:
            before = [*(tensor.op for tensor in op.inputs), *op.control_inputs]
            sorter.add(op, *(other for other in before if other in ops))
    return list(sorter.static_order())
