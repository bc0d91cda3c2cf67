"""The rule by which a copy of a graph multiplies small matrices by arithmetic that XLA fuses with what is around it.

XLA for CPUs calls a library for each product of matrices. For a few numbers the call takes longer than the product, and
what is before and after it has to go through memory. As a product of all pairs and a sum it is one loop, and no call::

    x [m, k] ─► MatMul ─► [m, n]          x[:, :, None] * w[None] ─► [m, k, n] ─► Sum over k ─► [m, n]
    w [k, n] ───┘                         which XLA never writes down: it sums while it multiplies
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import tensorflow as tf

from trainer.estimator.graph import op_table
from trainer.estimator.graph.subgraphs import Copier

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
        if not is_small_product(op):
            return None
        product = _product(op, *(self._copier.copy_of(tensor) for tensor in op.inputs))
        self._copier.stands_for(op, [product.op])
        return [product]


def is_small_product(op: tf.Operation) -> bool:
    """Whether an operation multiplies matrices of few numbers."""
    if op.type not in op_table.PRODUCTS or op.outputs[0].dtype not in _FLOATS:
        return False
    first, second = op.inputs
    known = first.shape.is_fully_defined() and second.shape.is_fully_defined()
    return known and math.prod(op.outputs[0].shape) * _inner(op) <= _MOST_MULTIPLICATIONS


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
