"""What is put in the place of operations where XLA will compile a copy of a graph, in its loops and branches too.

In a loop or a branch an operation stands in a function that another one calls. Where that has something to replace, it
is copied by the same rules.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from trainer.estimator.graph import in_range, op_table, small_products
from trainer.estimator.graph.in_range import InRange
from trainer.estimator.graph.inside import bodies, copying
from trainer.estimator.graph.small_products import SmallProducts
from trainer.estimator.graph.subgraphs import Copier, ancestors, in_order


class ForXla:
    """The rewrite of a copier for what XLA will compile.

    Args:
      copier: copies the graph.
    """

    def __init__(self, copier: Copier) -> None:
        self._copier, self._in_range = copier, InRange(copier)
        # Measured on CPUs alone, where each product is the call of a library.
        self._products = None if tf.config.list_logical_devices("GPU") else SmallProducts(copier)

    def __call__(self, op: tf.Operation) -> Sequence[tf.Tensor] | None:
        """What the outputs of an operation, [...], become in the copy; None where it stays as it is."""
        outputs = self._in_range(op)
        if outputs is None and self._products is not None:
            outputs = self._products(op)
        return self._with_own_functions(op) if outputs is None and _calls_replaced(op) else outputs

    def _with_own_functions(self, op: tf.Operation) -> list[tf.Tensor]:
        """The outputs [...] of the operation, a loop or a branch, with copies of the functions that it calls."""
        attributes = {}
        for key, names in op_table.functions(op).items():
            copies = [_copied(body) if (body := bodies.body(op, name)) is not None else name for name in names]
            attributes[key] = bodies.attribute(op, key, copies, self._copier.graph)
        inputs = [self._copier.copy_of(tensor) for tensor in op.inputs]
        return self._copier.same(op, inputs, attributes)


def _calls_replaced(op: tf.Operation) -> bool:
    """Whether an operation calls a function that has something to replace."""
    graphs = [bodies.body(op, name) for name in op_table.calls(op)]
    return any(_has_replaced(graph) for graph in graphs if graph is not None)


def _has_replaced(graph: tf.Graph) -> bool:
    """Whether a graph, or a function that it calls, has something to replace."""
    return any(
        in_range.takes_rows(op) or small_products.is_small_product(op) or _calls_replaced(op)
        for op in graph.get_operations()
    )


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
        copier.copy(ops, ForXla(copier))
        copier.graph.control_outputs.extend(copied for op in effects for copied in copier.operations(op))
        return [copier.copy_of(tensor) for tensor in results]

    return tf.compat.v1.wrap_function(body, [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in graph.inputs])
