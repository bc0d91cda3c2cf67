"""A copy of a part of a graph in which every result is looked at: which are finite, and what they are.

Of the loss `mean(log(x @ w))` and its gradient the copy is::

    x ─► MatMul ─► Log ─► Mean ─► …          the same ops, in the same order
           │        │       │
         probe    probe   probe              five numbers each: what is not finite is counted where it stands

So no result is kept longer than in the step itself. What is worth seeing in full is fetched by another run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.estimator.graph import health, op_table
from trainer.estimator.graph.health import Health
from trainer.estimator.graph.inside import copying
from trainer.estimator.graph.subgraphs import Copier, ancestors, in_order

Healths = dict[int, Health]
"""Of tensors, by their ids; those that are finite, or cannot be otherwise, are left out."""


class ProbedGraph:
    """Operations of a graph as they were traced, to be run on values in hand.

    Args:
      graph: the source.
      targets: the operations that are run, with all that they depend on.
      feeds: tensors of it, of any shapes, whose values are given.

    Attributes:
      ops: that are run, each behind what it needs.
      feeds: those that were given.
    """

    def __init__(self, graph: tf.Graph, targets: Sequence[tf.Operation], feeds: Sequence[tf.Tensor]) -> None:
        self.graph, self.feeds = graph, list(feeds)
        fed = {feed.op for feed in feeds}
        needed = ancestors(targets, fed) - fed
        captures = getattr(graph, "captures", ())
        self._captures = [(outer, inner) for outer, inner in captures if inner.op in needed]
        self.ops = in_order(graph, needed - {inner.op for _, inner in self._captures})
        self._targets = list(dict.fromkeys(target for target in targets if target not in fed))
        self._probed = [tensor for op in self.ops for tensor in op.outputs if health.can_be_probed(tensor)]
        self._functions: dict[tuple[int, ...], Any] = {}

    @classmethod
    def of_body(cls, graph: tf.Graph) -> ProbedGraph:
        """Of the whole of a function's graph, fed with its arguments."""
        controls = getattr(graph, "control_outputs", ())
        return cls(graph, [*(tensor.op for tensor in graph.outputs), *controls], graph.inputs)

    def look(self, values: Sequence[Any], fetches: Sequence[tf.Tensor] = ()) -> tuple[Healths, list[tf.Tensor]]:
        """Runs it, and looks at every result.

        Args:
          values: of the feeds, of their shapes [...].
          fetches: tensors to have in full beside that.

        Returns:
          What is not finite, and the fetches, of any shapes.
        """
        counts, *fetched = self._run(values, [*fetches], probed=True)
        healths = {
            id(tensor): found
            for tensor, row in zip(self._probed, counts.numpy(), strict=True)
            if (found := health.read_probe(row))
        }
        given = zip(self.feeds, values, strict=True)
        fed = {id(feed): of_value(value) for feed, value in given if health.can_be_probed(feed)}
        return healths | {key: found for key, found in fed.items() if found}, fetched

    def fetch(self, values: Sequence[Any], fetches: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Runs it for some tensors, of any shapes.

        Args:
          values: of the feeds, of their shapes [...].
          fetches: of the source.
        """
        return self._run(values, list(fetches), probed=False)

    def _run(self, values: Sequence[Any], fetches: list[tf.Tensor], probed: bool) -> list[tf.Tensor]:
        """The fetches [...], with the probes [tensors, 5] before them where they are asked for."""
        key = (probed, *map(id, fetches))
        if key not in self._functions:
            self._functions[key] = self._built(fetches, probed)
        return list(self._functions[key](*values))

    def _built(self, fetches: list[tf.Tensor], probed: bool) -> Any:
        """A function of the feeds [...] that gives what `_run` gives."""

        def body(*arguments: tf.Tensor) -> list[tf.Tensor]:
            copier = Copier()
            for feed, argument in zip(self.feeds, arguments, strict=True):
                copying.copy_handle_data(feed, argument)
                copier.replace(feed, argument)
            for outer, inner in self._captures:
                copier.replace(inner, copier.graph.capture(outer))
            with tf.device(None):  # where an op runs was said when the graph was traced
                copier.copy(self.ops)
            copier.graph.control_outputs.extend(copied for op in self._targets for copied in copier.operations(op))
            given = [tf.identity(copier.copy_of(tensor)) for tensor in fetches]
            return [_stacked([copier.copy_of(tensor) for tensor in self._probed]), *given] if probed else given

        signature = [tf.TensorSpec(feed.shape, feed.dtype) for feed in self.feeds]
        return tf.compat.v1.wrap_function(body, signature)


def _stacked(tensors: Sequence[tf.Tensor]) -> tf.Tensor:
    """The probes of tensors of any shapes, float64 [tensors, 5]."""
    return tf.stack([health.probe(tensor) for tensor in tensors]) if tensors else tf.zeros([0, 5], tf.float64)


def of_value(value: Any) -> Health:
    """Of a tensor [...] in hand."""
    return health.of_array(np.asarray(value))


def constants(ops: Sequence[tf.Operation]) -> set[tf.Operation]:
    """Those ops whose results are the same whatever is fed: a person who wrote an infinity there meant it.

    Args:
      ops: each behind what it needs.
    """
    found: set[tf.Operation] = set()
    for op in ops:
        follows = bool(op.inputs) and all(tensor.op in found for tensor in op.inputs)
        if op.type == "Const" or (follows and op.type in op_table.CHEAP):
            found.add(op)
    return found
