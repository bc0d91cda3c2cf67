"""When XLA takes over from the graph loop: a short training is over before a compilation would have paid for itself.

A training begins as a graph and continues compiled from the step at which compiling would have cost what it saves,
as tiered compilers of languages do (HotSpot). Whoever trains longer has then lost at most once what compiling costs
(ski rental; Karlin, Manasse, Rudolph & Sleator 1988). The step follows from the graph and not from a clock: a training
that is repeated, or continued, computes the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from trainer.estimator.graph import op_table
from trainer.estimator.graph.xla.random_draws import is_large_draw

# Measured on two cores with the models in `networks`, 67 to 408 operations a step: within a factor of two.
_COMPILING_SECS = 2e-3
"""To compile an operation."""
_SAVED_SECS = 0.6e-6
"""Saved by a compiled step, an operation …"""
_SAVED_SECS_BY_ELEMENT = 0.2e-9
"""… and an element of its result, which need not go through memory …"""
_SAVED_SECS_BY_DRAW = 10e-9
"""… and a number of a large draw, which XLA makes where it is used (`random_draws`). Measured: 8 to 13 ns."""


def first_compiled_step(operations: Sequence[tf.Operation]) -> int:
    """The global step from which XLA makes the steps; 0 where it does at once.

    That is so where a step may be long for its number of operations, which is when they call functions (loops), or
    when there is a GPU to keep busy.

    Args:
      operations: of one step.
    """
    if any(op_table.calls(op) for op in operations) or tf.config.list_logical_devices("GPU"):
        return 0
    elements = sum(output.shape.num_elements() or 0 for op in operations for output in op.outputs)
    drawn = sum(op.outputs[0].shape.num_elements() or 0 for op in operations if is_large_draw(op))
    saved = _SAVED_SECS * len(operations) + _SAVED_SECS_BY_ELEMENT * elements + _SAVED_SECS_BY_DRAW * drawn
    return int(_COMPILING_SECS * len(operations) / saved)
