"""Cuts a function out of a graph: some tensors of it, some of its operations, and what those depend on.

A model function builds more than one mode needs. What it built is a graph that never runs; a mode runs a function that
computes the mode's fetches from its feeds. For example a model of two variables that builds its `train_op` in EVAL::

    x ─► MatMul(Read(w)) ─► AddV2(Read(b)) ─► loss ─► gradients ─► ResourceApply(w), ResourceApply(b)

`prune(graph, loss, feeds=[x])` takes what stands before the loss and leaves the variables as they are; their handles
are captures of the function, as they are of the graph. `prune(graph, loss, [ResourceApply(w), ResourceApply(b)], [x])`
is the whole, a step of training. Operations are copied only where something else may take the place of one.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import tensorflow as tf

from trainer.estimator.graph import op_table
from trainer.estimator.graph.inside import copying
from trainer.estimator.graph.inside.part_functions import GraphPart, PartFunction
from trainer.estimator.graph.sharded_graph import RowSharding
from trainer.estimator.graph.sharded_tensors import ShardedRef, ShardedValues
from trainer.estimator.graph.subgraphs import Copier, Edges, Rewrite, ancestors, in_order


class UnfedError(ValueError):
    """A fetch depends on a placeholder that is not fed."""


class LossRewrite(Protocol):
    """A rewrite that has the last word on the loss of the copy, [], when all of it is there."""

    def __call__(self, op: tf.Operation) -> Sequence[Any] | None: ...

    def loss(self, loss: tf.Tensor) -> tf.Tensor:
        """What the loss [] becomes."""


LossRule = Callable[[Copier, Sequence[tf.Operation]], LossRewrite]
"""Makes the rewrite of a copier for the operations that it will copy."""


@dataclasses.dataclass(frozen=True, eq=False)
class PrunedFunction:
    """A function cut out of a graph. It is called with the feeds and gives the fetches.

    Attributes:
      variables: names of the variables that it reads or writes.
      taken_whole: names of row-sharded variables that operations take whole nevertheless, with the types of those.
      operations: that a call runs, the placeholders of the feeds and captures among them.
      resources: lookup tables and the like that it uses, which live as long as the objects that made them.
    """

    variables: frozenset[str]
    taken_whole: frozenset[tuple[str, str]]
    operations: Sequence[tf.Operation]
    _function: Callable[..., Any]
    _copied: Callable[[], tf.Graph]
    _fetches: Any
    resources: Any = None

    @functools.cached_property
    def graph(self) -> tf.Graph:
        """A graph of its own: its inputs are the feeds and the captures, its outputs the fetches, its control outputs
        the operations.
        """
        return self._copied()

    def __call__(self, *arguments: tf.Tensor) -> Any:
        """The fetches, in the shapes [...] and the structure that they have in the source."""
        flat = self._function(*arguments)
        return tf.nest.pack_sequence_as(self._fetches, flat, expand_composites=True)


@dataclasses.dataclass(frozen=True, kw_only=True)
class GraphVariables:
    """The variables that a graph uses.

    Attributes:
      names: by the id of the variable's handle, which the graph captures.
      refs: the row-sharded ones, by the id of their handle's placeholder in the graph.
      home: the device of the marks that stand for those in the graph; what stands on it goes anywhere.
    """

    names: Mapping[int, str] = dataclasses.field(default_factory=dict)
    refs: Mapping[int, ShardedRef] = dataclasses.field(default_factory=dict)
    home: str | None = None

    def device(self, op: tf.Operation) -> str:
        """Where the copy of an operation goes; `''` anywhere."""
        return "" if op.device == self.home else str(op.device)


def prune(
    graph: tf.Graph,
    fetches: Any,
    operations: Sequence[tf.Operation] = (),
    feeds: Sequence[tf.Tensor] = (),
    variables: GraphVariables = GraphVariables(),
    without: Edges | None = None,
    rule: LossRule | None = None,
) -> PrunedFunction:
    """A function of the feeds that computes the fetches, runs the operations, and does nothing else.

    Args:
      graph: the source.
      fetches: nested tensors of it.
      operations: what to run beside them.
      feeds: tensors of it, of any shapes [...], whose values are the arguments.
      variables: those of the graph; the function works on row-sharded ones where their rows are.
      without: control edges that do not count; None for none.
      rule: for what has nothing to do with row-sharded variables, where the first of
        the fetches is the loss; None for none.

    Raises:
      UnfedError: a fetch depends on a placeholder that is not fed.
      ValueError: an operation takes a variable whole that is row-sharded.
    """
    tensors = tf.nest.flatten(fetches, expand_composites=True)
    fed = {feed.op for feed in feeds}
    needed = ancestors([*(tensor.op for tensor in tensors), *operations], fed, without=without) - fed
    captures = [(outer, inner) for outer, inner in graph.captures if inner.op in needed]
    # Found once, in the source: a gradient may have added inputs to ops that were made before it.
    ops = in_order(graph, needed - {inner.op for _, inner in captures})
    _check_fed(tensors, ops)
    part = _Part(graph, ops, tuple(feeds), captures, tensors, [op for op in operations if op in needed])
    used = frozenset(variables.names[id(outer)] for outer, _ in captures if id(outer) in variables.names)
    if variables.refs or rule or not part.stands_alone():
        copy, taken_whole = part.copied(variables, rule)
        return PrunedFunction(used, taken_whole, copy.graph.get_operations(), copy, lambda: copy.graph, fetches)
    own = part.in_place()
    function = PartFunction(own, [outer for outer, _ in captures])
    return PrunedFunction(
        used, frozenset(), own.get_operations(), function, lambda: part.copied(variables)[0].graph, fetches
    )


@dataclasses.dataclass(frozen=True, eq=False)
class _Part:
    """What of a graph becomes a function.

    Attributes:
      graph: the source.
      ops: of it, each behind what it needs; neither feeds nor placeholders of captures.
      feeds: the tensors [...] that the function takes.
      captures: what it takes from outside, with the placeholders [...] of that.
      fetches: the tensors [...] that it gives.
      operations: of `ops`, those that it runs beside them.
    """

    graph: tf.Graph
    ops: Sequence[tf.Operation]
    feeds: Sequence[tf.Tensor]
    captures: Sequence[tuple[tf.Tensor, tf.Tensor]]
    fetches: Sequence[tf.Tensor]
    operations: Sequence[tf.Operation]

    def stands_alone(self) -> bool:
        """Whether nothing of it waits for what stands outside, which only a copy can leave out."""
        own = set(self.ops)
        return not any(op.type == op_table.TPU_PROGRAM or not own.issuperset(op.control_inputs) for op in self.ops)

    def in_place(self) -> GraphPart:
        """Itself, for a function of which nothing is copied."""
        inputs = [*self.feeds, *(inner for _, inner in self.captures)]
        return GraphPart(self.graph, self.ops, inputs, self.fetches, self.operations)

    def copied(self, variables: GraphVariables, rule: LossRule | None = None) -> tuple[Any, frozenset[tuple[str, str]]]:
        """A function of a copy, and what it takes whole of row-sharded variables: names, and types of operations.

        Args:
          variables: those of the graph.
          rule: puts something else in the place of operations; None for none.
        """
        taken_whole: set[tuple[str, str]] = set()

        def body(*arguments: tf.Tensor) -> list[tf.Tensor]:
            copier = Copier(variables.device)
            sharding = RowSharding(ShardedValues(copier, variables.refs), self.ops)
            own = rule(copier, self.ops) if rule else None
            rewrites: list[Rewrite] = [sharding, own] if own else [sharding]
            self._replace_inputs(copier, arguments, variables)
            with tf.device(None):  # where an op runs was said when the graph was traced
                copier.copy(self.ops, lambda op: _first(rewrites, op))
                copies = [sharding.whole(tensor) for tensor in self.fetches]
                copies[:1] = [own.loss(copies[0])] if own else copies[:1]
            # Ops that no fetch depends on run only as outputs of their own kind.
            copier.graph.control_outputs.extend(copied for op in self.operations for copied in copier.operations(op))
            taken_whole.update(sharding.values.taken_whole)
            return copies

        # `tf.function` would add control edges, and run every op with a side effect whether fetched or not.
        signature = [tf.TensorSpec(feed.shape, feed.dtype) for feed in self.feeds]
        return tf.compat.v1.wrap_function(body, signature), frozenset(taken_whole)

    def _replace_inputs(self, copier: Copier, arguments: Sequence[tf.Tensor], variables: GraphVariables) -> None:
        """Lets arguments, of the shapes [...] of the feeds, and captures of the copy stand for those of the source."""
        for feed, argument in zip(self.feeds, arguments, strict=True):
            _tell_handle(feed, argument, variables)
            copier.replace(feed, argument)
        for outer, inner in self.captures:
            # In the place of a row-sharded variable its shards are captured, when the first op asks for one.
            if id(inner) not in variables.refs:
                copier.replace(inner, copier.graph.capture(outer))


def _first(rewrites: Iterable[Rewrite], op: tf.Operation) -> Sequence[Any] | None:
    """What the first rewrite that knows an operation makes of its outputs [...]; None where none does."""
    return next((outputs for rewrite in rewrites if (outputs := rewrite(op)) is not None), None)


def _check_fed(tensors: Sequence[tf.Tensor], ops: Iterable[tf.Operation]) -> None:
    """Raises UnfedError where fetches of any shapes [...] need a placeholder among the ops that has no default."""
    for op in ops:
        if op.type == op_table.PLACEHOLDER:
            raise UnfedError(f"{', '.join(tensor.name for tensor in tensors)} needs {op.name}, which is not fed")


def _tell_handle(feed: tf.Tensor, argument: tf.Tensor, variables: GraphVariables) -> None:
    """Lets the handle of a variable among the arguments be known to be of what it is of in the source.

    Args:
      feed: of the source, [...].
      argument: the placeholder in its place, [...].
      variables: those of the source.
    """
    ref = variables.refs.get(id(feed))
    if ref is None:
        copying.copy_handle_data(feed, argument)
    else:  # some of its rows are here, and nobody knows how many
        copying.set_handle_data(argument, tf.TensorShape([None, *ref.shape[1:]]), ref.dtype)
