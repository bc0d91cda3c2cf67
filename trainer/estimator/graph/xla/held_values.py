"""Which values of a graph XLA would compute again in every loop that takes them, and how a copy has it hold them.

XLA puts cheap operations into each of the loops that take their results, so that these are not written to memory. In a
chain that pays badly. The gradient of an LSTM's cell goes back through time, and at each step four loops take it::

    d9 ─► d8 = d9·f + … ─► d7 = d8·f + … ─► … ─► d1
    └► 3 gates   └► 3 gates   └► 3 gates            each gate of step 1 computes d9, d8, …, d1 again

XLA does not compute a division twice. So in a copy for it such a value is divided by a number that is one, which XLA
cannot know: the bits stay as they are, and each link of the chain is computed once.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from trainer.estimator.graph import op_table

_LEAST_WORK = 8
"""Operations that are done again, at which a value is held: writing and reading it takes as long as a few of them."""
_LEAST_LENGTH = 3
"""Operations in a chain, under which a value is cheaper to compute than to read."""
_LEAST_NUMBERS = 16
"""In a value; a loop for fewer takes longer than they do."""


def worth_holding(ops: Sequence[tf.Operation]) -> set[tf.Operation]:
    """The operations of a graph whose results are to be held.

    Args:
      ops: what is computed, each behind what it needs.
    """
    among = set(ops)
    takers = {op: [user for user in op.outputs[0].consumers() if user in among] for op in ops if _is_cheap(op)}
    loops = _loops(takers)
    held: set[tf.Operation] = set()
    length: dict[tf.Operation, int] = {}
    for op in takers:
        # What comes from a held value, or from an operation that is not cheap, is there already.
        length[op] = 1 + sum(length.get(tensor.op, 0) for tensor in op.inputs if tensor.op not in held)
        again = (loops[op] - 1) * length[op]
        if again >= _LEAST_WORK and length[op] >= _LEAST_LENGTH and _can_be_held(op.outputs[0]):
            held.add(op)
    return held


def _loops(takers: dict[tf.Operation, list[tf.Operation]]) -> dict[tf.Operation, int]:
    """How many loops compute each cheap operation, if a value that several take is held behind it.

    Args:
      takers: of the results of cheap operations, in the order of the graph.
    """
    loops: dict[tf.Operation, int] = {}
    for op in reversed(takers):
        alone = [user for user in takers[op] if len(takers.get(user, ())) == 1]
        loops[op] = len(takers[op]) - len(alone) + sum(loops[user] for user in alone)
    return loops


def _is_cheap(op: tf.Operation) -> bool:
    """Whether XLA computes an operation again rather than keeping what it gives."""
    return op.type in op_table.CHEAP_FOR_XLA and len(op.outputs) == 1


def _can_be_held(tensor: tf.Tensor) -> bool:
    """Whether a value [...] is of floats, and of how many is known."""
    numbers = tensor.shape.num_elements() if tensor.shape.is_fully_defined() else None
    return tensor.dtype in (tf.float32, tf.float64) and numbers is not None and numbers >= _LEAST_NUMBERS


class Holding:
    """Has XLA hold values of a graph that is being built."""

    def __init__(self) -> None:
        self._one: tf.Tensor | None = None

    def held(self, tensor: tf.Tensor) -> tf.Tensor:
        """The same bits [...], computed once; the tensor itself where the graph has no input to hide a one in."""
        if self._one is None:
            self._one = _unknown_one(tf.compat.v1.get_default_graph())
        return tensor if self._one is None else tensor / tf.cast(self._one, tensor.dtype)


def _unknown_one(graph: tf.Graph) -> tf.Tensor | None:
    """A one, float32 [], that no compiler finds to be one; None where the graph has no numbers among its inputs."""
    inputs = [tensor for tensor in graph.inputs if tensor.dtype.is_floating or tensor.dtype.is_integer]
    known = [tensor for tensor in inputs if tensor.shape.is_fully_defined() and tensor.shape.num_elements()]
    if not known:
        return None
    positive = tf.reshape(known[0], [-1])[0] > 0
    return tf.cast(positive | ~positive, tf.float32)
