"""A step of devices in step, divided at the sum of its gradients, so that XLA compiles what stands on either side.

XLA makes one program of many small operations, but the sum over processes is a message and no arithmetic. An example,
the weights w [3] and b [] of a device, on batches of 4 examples::

    before, an XLA program            the sum                          after, an XLA program

    Read(w), Read(b), the loss, ─► float32 [5] ─► CollectiveGather ─► [2, 5] ─► AddN, the means dw [3] and db [],
    the gradients, 4 dw, 4 db, 4                                                ResourceApply(w), ResourceApply(b)
    └───────────── loss [], and whatever else the right side takes ───────────► loss []

What a step does not have exactly one sum of, or what XLA does not compile, runs as a graph.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from trainer.estimator.graph import op_table, randomness
from trainer.estimator.graph.pruning import PrunedFunction
from trainer.estimator.graph.subgraphs import ancestors, in_order
from trainer.estimator.graph.tracing import TracedModel, training_operations
from trainer.estimator.graph.xla.rules import ForXla
from trainer.estimator.steps.compiling import xla
from trainer.estimator.steps.compiling.step_function import results_of

_SUM = "Collective"
_FOR_XLA = functools.partial(ForXla, padded_rows=True)


class NotDividedError(Exception):
    """A step cannot be divided at its sum. The message says why."""


@dataclasses.dataclass(frozen=True, eq=False)
class DividedStep:
    """The parts of a step.

    Attributes:
      before: of a batch; gives what is summed, and then what `after` takes besides.
      total: of what is summed; gives the sum.
      after: of the sum, of what `before` gave besides, and of the batch; gives the loss and the fetches.
    """

    before: PrunedFunction
    total: PrunedFunction
    after: PrunedFunction

    def compiled(self, batch: list[tf.TensorSpec]) -> Callable[..., Any]:
        """The step, of a batch [batch, …], whose parts beside the sum XLA compiles; the loss [] and the fetches.

        Args:
          batch: the specs of its components.

        Raises:
          NotDividedError: XLA does not compile them.
        """
        before = tf.function(lambda *parts: self.before(*parts), jit_compile=True, autograph=False)
        after = tf.function(lambda *parts: self.after(*parts), jit_compile=True, autograph=False)
        gives = [tf.zeros(tensor.shape, tensor.dtype) for tensor in self.after.graph.inputs[: self._taken]]
        parts = [tf.zeros(spec.shape, spec.dtype) for spec in batch]
        for program, arguments in ((before, parts), (after, [*gives, *parts])):
            if refused := xla.refusal(program, *arguments):
                raise NotDividedError(refused)

        def step(*batch: tf.Tensor) -> Any:
            """The loss [] and the fetches."""
            loss, summed, *besides = before(*batch)
            return after(self.total(summed)[0], loss, *besides, *batch)

        return step

    @property
    def _taken(self) -> int:
        """How many values `after` takes of the sum and of `before`: each gives or takes one more, the sum."""
        return len(self.before.graph.outputs)


def divided(traced: TracedModel) -> DividedStep:
    """The parts of a step of a model that was traced in TRAIN with its gradients averaged.

    Raises:
      NotDividedError: it has loops, or more sums than one, or none, or its loss follows from the sum.
    """
    step = _Step(traced)
    loss, summed, operations = traced.spec.loss, step.sum.inputs[0], training_operations(traced)
    besides = step.crossing()
    # A control edge to what was done before would bring that back into the second part; by then it has been done.
    done = step.before | {step.sum}
    without = {op: done.intersection(op.control_inputs) for op in step.order}
    before = traced.prune([loss, summed, *besides], [op for op in operations if op in step.before], rule=_FOR_XLA)
    after = traced.prune(
        results_of(traced),
        [op for op in operations if op not in done],
        [step.sum.outputs[0], loss, *besides, *traced.feeds],
        without=without,
        rule=_FOR_XLA,
    )
    return DividedStep(before, traced.prune([step.sum.outputs[0]], feeds=[summed], without=without), after)


class _Step:
    """The ops of a step, on either side of its sum.

    Args:
      traced: the model.

    Attributes:
      order: the ops, each behind what it needs.
      sum: the one over all devices.
      before: what the sum and the loss need.
    """

    def __init__(self, traced: TracedModel) -> None:
        if traced.store.seed is not None and randomness.hides_state(traced.graph):
            raise NotDividedError("XLA does not follow the seed of its random ops")
        self._traced, self._feeds = traced, {feed.op for feed in traced.feeds}
        self._captured = {inner.op for _, inner in traced.graph.captures}
        targets = [*(tensor.op for tensor in self._results()), *training_operations(traced)]
        self.order = in_order(traced.graph, ancestors(targets, self._feeds) - self._feeds)
        if any(op_table.calls(op) for op in self.order):
            raise NotDividedError("it has loops or branches")
        sums = [op for op in self.order if op.type.startswith(_SUM)]
        if len(sums) != 1:
            raise NotDividedError(f"it has {len(sums)} sums over all devices")
        self.sum = sums[0]
        self.before = ancestors([self.sum, traced.spec.loss.op], self._feeds) - self._feeds - {self.sum}
        if self.sum in ancestors([traced.spec.loss.op], self._feeds):
            raise NotDividedError("its loss follows from a sum over all devices")

    def _results(self) -> list[tf.Tensor]:
        """What a step gives, of any shapes [...]."""
        return list(tf.nest.flatten(results_of(self._traced), expand_composites=True))

    def crossing(self) -> list[tf.Tensor]:
        """What is made before the sum and taken after it, of any shapes [...], beside the loss.

        Raises:
          NotDividedError: something of it means nothing outside of its program.
        """
        own = self.before - self._captured
        taken = [tensor for op in self.order if op not in self.before and op is not self.sum for tensor in op.inputs]
        found = {id(tensor): tensor for tensor in (*taken, *self._results()) if tensor.op in own}
        found.pop(id(self._traced.spec.loss), None)
        crossing = [tensor for tensor in found.values() if tensor.op.type != "Const"]
        if odd := next((each for each in crossing if each.dtype in (tf.resource, tf.variant, tf.string)), None):
            raise NotDividedError(f"{odd.op.type} gives a {odd.dtype.name} to what is behind the sum")
        return crossing
