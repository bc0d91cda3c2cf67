"""Which operation of a step made the first result that is not finite: found by looking at all of them, and into loops.

From a loss that is NaN the way leads back over tensors that are NaN, to ops that had none among what they took. Of
these the first in order is named. If it took infinities, the way goes on to where those began, unless a constant of the
model holds them: infinities that were written down, as in the mask of an attention, were meant. An example::

    x ─► Exp ─► Sub(Exp, Exp) ─► Mean            x = 800: Exp is infinite, Sub and Mean are NaN: Exp is named,
                                                 and that it became NaN in Sub

An op that calls a function (a loop, a branch) is entered with what it took: a loop iteration by iteration.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.graph import health, op_table
from trainer.estimator.graph.health import Health
from trainer.estimator.graph.inside.bodies import body
from trainer.estimator.graph.probed_graph import Healths, ProbedGraph, constants

_BRANCHES = {"If": ("then_branch", "else_branch"), "StatelessIf": ("then_branch", "else_branch")}
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")


@dataclasses.dataclass(frozen=True, eq=False)
class Level:
    """A graph that was run: that of the step, or of a loop's body or a branch in it.

    Attributes:
      probed: the graph.
      values: of its feeds, of any shapes [...].
      healths: what was not finite.
      path: the ops that lead into it, from the step's graph, each with the iteration of its loop; None for others.
    """

    probed: ProbedGraph
    values: Sequence[Any]
    healths: Healths
    path: tuple[tuple[tf.Operation, int | None], ...] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class FirstBad:
    """Where the first number came from that is not finite.

    Attributes:
      level: where it is.
      op: that made it; None where it was among what was fed.
      argument: the feed that it was among; None where an op made it.
      kind: what it was.
      then: where an infinity became NaN; None where it did not, or was NaN at once.
    """

    level: Level
    op: tf.Operation | None
    argument: tf.Tensor | None
    kind: Health
    then: tf.Operation | None = None


@dataclasses.dataclass(frozen=True)
class Search:
    """Looks for the first op whose result is not finite.

    Attributes:
      restore: sets the variables to what they were before the step; called before each run.
      check_time: called now and then, to raise what ends the search.
    """

    restore: Callable[[], None]
    check_time: Callable[[], None]

    def look(self, probed: ProbedGraph, values: Sequence[Any]) -> Level:
        """Runs the graph of a step on a batch, components [batch, …]."""
        self.check_time()
        self.restore()
        return Level(probed, values, probed.look(values)[0])

    def fetch(self, level: Level, tensors: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Tensors of a level in full, of any shapes."""
        self.check_time()
        self.restore()
        return level.probed.fetch(level.values, tensors)

    def first(self, level: Level, targets: Iterable[tf.Tensor]) -> FirstBad | None:
        """The origin of what is not finite in tensors [...] of a level; None where they are finite."""
        targets = list(targets)
        for kind in (Health.NAN, Health.INFINITE):
            bad = [tensor for tensor in targets if level.healths.get(id(tensor), Health.FINITE) & kind]
            found = self._origin(level, bad, kind) if bad else None
            if found is not None:
                return found
        return None

    def _origin(self, level: Level, tensors: Sequence[tf.Tensor], kind: Health) -> FirstBad | None:
        """Where a kind of number in tensors [...] came from, as far as this level shows."""
        ends = _ways_end(level, tensors, kind)
        for op in ends.ops:
            found = self._made_by(level, op, kind)
            if found is not None:
                return found
        if ends.arguments:
            return FirstBad(level, None, ends.arguments[0], kind)
        last = [*ends.readers, *ends.constants]
        return FirstBad(level, last[0], None, kind) if last else None

    def _made_by(self, level: Level, op: tf.Operation, kind: Health) -> FirstBad | None:
        if op_table.calls(op):
            inner = self._within(level, op, kind)
            if inner is not None:
                return self._out_of(level, op, inner)
        if not any(level.healths.get(id(tensor), Health.FINITE) & kind for tensor in op.outputs):
            return None
        found = FirstBad(level, op, None, kind)
        infinite = [tensor for tensor in op.inputs if level.healths.get(id(tensor), Health.FINITE) & Health.INFINITE]
        if kind is Health.NAN and infinite:
            return _behind(found, self._origin(level, infinite, Health.INFINITE))
        return found

    def _out_of(self, level: Level, op: tf.Operation, inner: FirstBad) -> FirstBad | None:
        """What was found inside an op that calls a function, followed to the outside where it came in as an argument.

        Args:
          level: of the op.
          op: that calls the function.
          inner: what was found in there.
        """
        if inner.argument is None:
            return inner
        taken = op.inputs[len(op.inputs) - len(inner.level.probed.feeds) + _index(inner.argument, inner.level)]
        outer = self._origin(level, [taken], inner.kind)
        if inner.then is None:
            return outer
        return _behind(dataclasses.replace(inner, op=inner.then, argument=None, then=None), outer)

    def _within(self, level: Level, op: tf.Operation, kind: Health) -> FirstBad | None:
        """The origin inside the function that an op calls; None where nothing of the kind is in there."""
        values = self.fetch(level, list(op.inputs))
        if op.type in op_table.LOOPS:
            return self._in_loop(level, op, values, kind)
        if op.type in _BRANCHES:
            taken = _BRANCHES[op.type][0 if bool(values[0]) else 1]
            return self._in_body(level, op, op.get_attr(taken).name, values[1:], kind)
        if op.type in _CALLS:
            return self._in_body(level, op, op.get_attr("f").name, values, kind)
        return None

    def _in_body(
        self, level: Level, op: tf.Operation, name: str, values: Sequence[Any], kind: Health
    ) -> FirstBad | None:
        graph = body(op, name)
        if graph is None:
            return None
        inner = self.look(ProbedGraph.of_body(graph), values)
        inner = dataclasses.replace(inner, path=(*level.path, (op, None)))
        return self._origin(inner, _leaving(inner, kind), kind)

    def _in_loop(self, level: Level, op: tf.Operation, state: Sequence[Any], kind: Health) -> FirstBad | None:
        goes_on, turn = (body(op, op.get_attr(name).name) for name in ("cond", "body"))
        if goes_on is None or turn is None:
            return None
        condition, probed = ProbedGraph.of_body(goes_on), ProbedGraph.of_body(turn)
        self.restore()
        iteration, came_in = 0, None
        while bool(condition.fetch(state, condition.graph.outputs)[0]):
            self.check_time()
            healths, after = probed.look(state, probed.graph.outputs)
            inner = Level(probed, state, healths, (*level.path, (op, iteration)))
            found = self._origin(inner, _leaving(inner, kind), kind)
            if found is not None and found.argument is None:
                return found
            came_in = came_in or (found if iteration == 0 else None)
            state, iteration = after, iteration + 1
        return came_in


def _behind(found: FirstBad, infinity: FirstBad | None) -> FirstBad:
    """The origin of a NaN, or of the infinities that it was made of, if those were not meant.

    Args:
      found: of the NaN.
      infinity: of the infinities; None where it is not known.
    """
    meant = infinity is None or (infinity.op is not None and infinity.op in constants(infinity.level.probed.ops))
    if infinity is None or meant:
        return found
    return dataclasses.replace(infinity, then=infinity.then or found.op)


@dataclasses.dataclass
class _Ends:
    """Where the ways back end: at ops, at arguments, at what reads a list or an optional, at constants."""

    ops: list[tf.Operation] = dataclasses.field(default_factory=list)
    arguments: list[tf.Tensor] = dataclasses.field(default_factory=list)
    readers: list[tf.Operation] = dataclasses.field(default_factory=list)
    constants: list[tf.Operation] = dataclasses.field(default_factory=list)

    def in_order(self, ops: Sequence[tf.Operation]) -> _Ends:
        """The same, each once and in the order of all ops; of the arguments, those that could be seen come first."""
        order, known = {op: number for number, op in enumerate(ops)}, constants(ops)
        found = sorted(set(self.ops), key=order.__getitem__)
        arguments = sorted(self.arguments, key=lambda argument: argument.dtype == tf.variant)
        readers = sorted(set(self.readers), key=order.__getitem__)
        return _Ends([op for op in found if op not in known], arguments, readers, [op for op in found if op in known])


def _ways_end(level: Level, tensors: Sequence[tf.Tensor], kind: Health) -> _Ends:
    """Follows a kind of number back from tensors [...] of a level to where it began.

    Lists of tensors (`TensorArray`) cannot be looked into, so whatever was written into one is followed.
    """
    copied, fed, ends = set(level.probed.ops), {id(feed) for feed in level.probed.feeds}, _Ends()
    seen: set[int] = set()
    waiting = list(tensors)
    while waiting:
        tensor = waiting.pop()
        if id(tensor) in seen:
            continue
        seen.add(id(tensor))
        op, is_list = tensor.op, tensor.dtype == tf.variant
        visible = [taken for taken in op.inputs if level.healths.get(id(taken), Health.FINITE) & kind]
        hidden = [taken for taken in op.inputs if taken.dtype == tf.variant]
        if id(tensor) in fed:
            ends.arguments.append(tensor)
        elif op not in copied:
            continue  # a variable's handle
        elif visible:
            waiting.extend([*visible, *hidden] if is_list else visible)
        elif op_table.calls(op):
            ends.ops.append(op)
        elif hidden:
            waiting.extend(hidden)
            ends.readers.extend([] if is_list else [op])
        elif not is_list:
            ends.ops.append(op)
    return ends.in_order(level.probed.ops)


def _leaving(level: Level, kind: Health) -> list[tf.Tensor]:
    """What is of a kind among the results [...] of a function, and among what it wrote into lists."""
    written = [
        tensor
        for op in level.probed.ops
        if any(output.dtype == tf.variant for output in op.outputs)
        for tensor in op.inputs
    ]
    leaving = {id(tensor): tensor for tensor in [*level.probed.graph.outputs, *written]}
    return [tensor for key, tensor in leaving.items() if level.healths.get(key, Health.FINITE) & kind]


def _index(argument: tf.Tensor, level: Level) -> int:
    """Which of the feeds of a level a tensor [...] is."""
    return next(number for number, feed in enumerate(level.probed.feeds) if feed is argument)


def floats(tensors: Iterable[tf.Tensor]) -> list[tf.Tensor]:
    """Those of some tensors [...] that have infinities and NaN."""
    return [tensor for tensor in tensors if health.can_be_probed(tensor)]
