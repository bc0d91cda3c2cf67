"""The rule by which a copy of a graph multiplies small matrices by arithmetic that XLA fuses with what is around it.

XLA for CPUs calls a library for each product of matrices. For a few numbers the call takes longer than the product, and
what is before and after it has to go through memory. As a product of all pairs and a sum it is one loop, and no call::

    x [m, k] ─► MatMul ─► [m, n]          x[:, :, None] * w[None] ─► [m, k, n] ─► Sum over k ─► [m, n]
    w [k, n] ───┘                         which XLA never writes down: it sums while it multiplies

In a loop or a branch the product stands in a function that an op calls; then the function is copied by the same rule.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import tensorflow as tf

from trainer.estimator.graph import op_table
from trainer.estimator.graph.inside import bodies, copying
from trainer.estimator.graph.subgraphs import Copier, ancestors, in_order

_MOST_MULTIPLICATIONS = 8192
"""Of numbers, in a product that is small. Measured on two cores, products whose results the next one takes, a third of
the time up to some 2,000 (20 × 4 × 12, 32 × 8 × 8), half at 8,000 (32 × 16 × 16), as long at 16,000 (32 × 16 × 32) and
twice at 32,000 (32 × 32 × 32). Compiling takes a quarter longer for each product. Sums written out term by term run as
fast and take twice as long to compile."""
_FLOATS = (tf.float32, tf.float64)  # in shorter ones the library sums in float32


class SmallProducts:
    """The rewrite of a copier for what XLA will compile for a CPU.

    Args:
      copier: copies the graph.
    """

    def __init__(self, copier: Copier) -> None:
        self._copier = copier

    def __call__(self, op: tf.Operation) -> Sequence[tf.Tensor] | None:
        """What the outputs of an operation, [...], become in the copy; None where it stays as it is."""
        if is_small_product(op):
            product = _product(op, *(self._copier.copy_of(tensor) for tensor in op.inputs))
            self._copier.stands_for(op, [product.op])
            return [product]
        return self._with_own_functions(op) if multiplies_little(op) else None

    def _with_own_functions(self, op: tf.Operation) -> list[tf.Tensor]:
        """The outputs [...] of the operation, a loop or a branch, with copies of the functions that it calls."""
        attributes = {}
        for key, names in op_table.functions(op).items():
            copies = [_copied(body) if (body := bodies.body(op, name)) is not None else name for name in names]
            attributes[key] = bodies.attribute(op, key, copies, self._copier.graph)
        inputs = [self._copier.copy_of(tensor) for tensor in op.inputs]
        return self._copier.same(op, inputs, attributes)


def for_xla() -> type[SmallProducts] | None:
    """The rule for what XLA is to compile here; None where it is not known to pay."""
    # Measured on CPUs alone, where each product is the call of a library.
    return None if tf.config.list_logical_devices("GPU") else SmallProducts


def is_small_product(op: tf.Operation) -> bool:
    """Whether an operation multiplies matrices of few numbers."""
    if op.type not in op_table.PRODUCTS or op.outputs[0].dtype not in _FLOATS:
        return False
    first, second = op.inputs
    known = first.shape.is_fully_defined() and second.shape.is_fully_defined()
    return known and math.prod(op.outputs[0].shape) * _inner(op) <= _MOST_MULTIPLICATIONS


def multiplies_little(op: tf.Operation) -> bool:
    """Whether an operation calls a function that has a small product."""
    graphs = [bodies.body(op, name) for name in op_table.calls(op)]
    return any(has_small_products(graph) for graph in graphs if graph is not None)


def has_small_products(graph: tf.Graph) -> bool:
    """Whether a graph, or a function that it calls, multiplies matrices of few numbers."""
    return any(is_small_product(op) or multiplies_little(op) for op in graph.get_operations())


def _inner(op: tf.Operation) -> int:
    """The dimension of a product that is summed over."""
    return int(op.inputs[0].shape[-2 if op.get_attr(op_table.PRODUCTS[op.type][0]) else -1])


def _product(op: tf.Operation, first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """What an operation makes of two matrices or stacks of matrices.

    Args:
      op: says which of them it takes transposed.
      first: [..., m, k].
      second: [..., k, n].

    Returns:
      [..., m, n], the sums of the same terms.
    """
    transposed = [op.get_attr(name) for name in op_table.PRODUCTS[op.type]]
    first, second = (
        tf.linalg.matrix_transpose(matrix) if turned else matrix
        for matrix, turned in zip((first, second), transposed, strict=True)
    )
    return tf.reduce_sum(first[..., :, :, None] * second[..., None, :, :], -2)


def _copied(graph: tf.Graph) -> tf.types.experimental.ConcreteFunction:
    """A copy of the graph of a function, by this rule."""
    results, effects = list(graph.outputs), list(graph.control_outputs)
    inputs = {tensor.op for tensor in graph.inputs}
    ops = in_order(graph, ancestors([*(tensor.op for tensor in results), *effects], inputs) - inputs)

    def body(*arguments: tf.Tensor) -> list[tf.Tensor]:
        copier = Copier()
        for tensor, argument in zip(graph.inputs, arguments, strict=True):
            copying.copy_handle_data(tensor, argument)
            copier.replace(tensor, argument)
        copier.copy(ops, SmallProducts(copier))
        copier.graph.control_outputs.extend(copied for op in effects for copied in copier.operations(op))
        return [copier.copy_of(tensor) for tensor in results]

    return tf.compat.v1.wrap_function(body, [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in graph.inputs])
