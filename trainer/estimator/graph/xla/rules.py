"""What is put in the place of operations where XLA will compile a copy of a graph, in its loops and branches too.

What an operation would refuse (`accepted_values`) makes the loss NaN, or what it gives where that is made in a loop or
a branch. In those an operation stands in a function that another one calls. Where that has something to replace, it
is copied by the same rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.estimator.graph import op_table
from trainer.estimator.graph.inside import bodies, copying
from trainer.estimator.graph.subgraphs import Copier, Rewrite, ancestors, in_order
from trainer.estimator.graph.xla import accepted_values, in_range, random_draws, small_products
from trainer.estimator.graph.xla.held_values import Holding, worth_holding
from trainer.estimator.graph.xla.in_range import InRange
from trainer.estimator.graph.xla.padded_rows import PaddedRows
from trainer.estimator.graph.xla.random_draws import RandomDraws
from trainer.estimator.graph.xla.small_products import SmallProducts


class ForXla:
    """The rewrite of a copier for what XLA will compile.

    Args:
      copier: copies the graph.
      ops: what is copied, each behind what it needs.
      padded_rows: whether rows are updated in shapes that the batch does not change.
      inner: whether it is the body of a loop or a branch that is copied.
    """

    def __init__(
        self, copier: Copier, ops: Sequence[tf.Operation], *, padded_rows: bool = False, inner: bool = False
    ) -> None:
        self._copier, self._in_range, self._inner = copier, InRange(copier), inner
        self._padded_rows = PaddedRows(copier) if padded_rows else None
        self._accepted: list[tf.Tensor] = []
        # Measured on CPUs alone, where each product is the call of a library.
        for_gpu = bool(tf.config.list_logical_devices("GPU"))
        self._for_cpu: list[Rewrite] = [] if for_gpu else [SmallProducts(copier), RandomDraws(copier)]
        # A mask is drawn for the loss and taken again for its gradient.
        drawn = {op for op in ops if random_draws.is_large_draw(op)}
        self._held, self._holding = set() if for_gpu else worth_holding(ops) | drawn, Holding()

    def __call__(self, op: tf.Operation) -> Sequence[Any] | None:
        """What the outputs of an operation, [...], become in the copy; None where it stays as it is."""
        outputs = self._replaced(op)
        if op in self._held:
            given = self._copier.same(op, self._inputs(op)) if outputs is None else outputs
            outputs = [self._holding.held(tensor) for tensor in given]
        return self._checked(op, outputs) if accepted_values.is_checked(op) else outputs

    def _inputs(self, op: tf.Operation) -> list[tf.Tensor]:
        """What the inputs of an operation, [...], became in the copy."""
        return [self._copier.copy_of(tensor) for tensor in op.inputs]

    def _replaced(self, op: tf.Operation) -> Sequence[Any] | None:
        """What stands in the place of the operation's outputs [...]."""
        outputs = self._padded_rows(op) if self._padded_rows is not None else None
        if outputs is None:
            outputs = self._in_range(op)
        for rewrite in self._for_cpu:
            outputs = rewrite(op) if outputs is None else outputs
        return self._with_own_functions(op) if outputs is None and _calls_replaced(op) else outputs

    def _checked(self, op: tf.Operation, outputs: Sequence[Any] | None) -> Sequence[Any] | None:
        """The outputs [...] of an operation that may refuse what it is given.

        Args:
          op: the operation.
          outputs: that it has without this; None where it stays as it is.
        """
        inputs = self._inputs(op)
        accepted = accepted_values.accepted(op, inputs)
        if not self._inner:
            self._accepted.append(accepted)
            return outputs
        # Nothing but its results leaves a loop or a branch.
        given = self._copier.same(op, inputs) if outputs is None else outputs
        return [_or_nan(accepted, tensor) for tensor in given]

    def loss(self, loss: tf.Tensor) -> tf.Tensor:
        """The loss [] of the copy; NaN where one of the operations would refuse what it is given."""
        return _or_nan(tf.reduce_all(self._accepted), loss) if self._accepted else loss

    def _with_own_functions(self, op: tf.Operation) -> list[tf.Tensor]:
        """The outputs [...] of the operation, a loop or a branch, with copies of the functions that it calls."""
        attributes = {}
        for key, names in op_table.functions(op).items():
            copies = [_copied(body) if (body := bodies.body(op, name)) is not None else name for name in names]
            attributes[key] = bodies.attribute(op, key, copies, self._copier.graph)
        return self._copier.same(op, self._inputs(op), attributes)


def _calls_replaced(op: tf.Operation) -> bool:
    """Whether an operation calls a function that has something to replace."""
    graphs = [bodies.body(op, name) for name in op_table.calls(op)]
    return any(_has_replaced(graph) for graph in graphs if graph is not None)


def _has_replaced(graph: tf.Graph) -> bool:
    """Whether a graph, or a function that it calls, has something to replace."""
    return any(
        in_range.takes_rows(op)
        or small_products.is_small_product(op)
        or random_draws.is_large_draw(op)
        or _gives_nan(op)
        or _calls_replaced(op)
        for op in graph.get_operations()
    )


def _gives_nan(op: tf.Operation) -> bool:
    """Whether an operation that may refuse what it is given can give NaN instead."""
    return any(tensor.dtype.is_floating for tensor in op.outputs) and accepted_values.is_checked(op)


def _or_nan(accepted: tf.Tensor, given: tf.Tensor) -> tf.Tensor:
    """What an operation gives, [...]; NaN, if its type has that, where what it took was not accepted, bool []."""
    return tf.where(accepted, given, tf.constant(np.nan, given.dtype)) if given.dtype.is_floating else given


def _copied(graph: tf.Graph) -> tf.types.experimental.ConcreteFunction:
    """A copy of the graph of a function, by these rules."""
    results, effects = list(graph.outputs), list(graph.control_outputs)
    inputs = {tensor.op for tensor in graph.inputs}
    ops = in_order(graph, ancestors([*(tensor.op for tensor in results), *effects], inputs) - inputs)

    def body(*arguments: tf.Tensor) -> list[tf.Tensor]:
        copier = Copier()
        for tensor, argument in zip(graph.inputs, arguments, strict=True):
            copying.copy_handle_data(tensor, argument)
            copier.replace(tensor, argument)
        copier.copy(ops, ForXla(copier, ops, inner=True))
        copier.graph.control_outputs.extend(copied for op in effects for copied in copier.operations(op))
        return [copier.copy_of(tensor) for tensor in results]

    return tf.compat.v1.wrap_function(body, [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in graph.inputs])
