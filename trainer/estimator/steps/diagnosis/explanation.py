"""Why a step broke: the first op whose result is not finite, what it took, and the rows of the batch behind it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from trainer.estimator.graph.first_bad_op import FirstBad, Search, floats
from trainer.estimator.graph.health import Health
from trainer.estimator.graph.probed_graph import ProbedGraph
from trainer.estimator.graph.tracing import training_operations
from trainer.estimator.steps.diagnosis.bad_rows import Trial, rows_of
from trainer.estimator.steps.diagnosis.bad_step import BadStep, broken


@dataclasses.dataclass(frozen=True, eq=False)
class Explanation:
    """Where the first number came from that is not finite.

    Attributes:
      bad: the step.
      first: where it came from.
      took: what the op took, with the tensors that held it, each of its shape.
      gave: what it gave, likewise; the feed itself where the number was in the batch.
      loss: of the step.
      rows: of the batch without which the step goes well; None where there are none such.
    """

    bad: BadStep
    first: FirstBad
    took: Sequence[tuple[tf.Tensor, np.ndarray]]
    gave: Sequence[tuple[tf.Tensor, np.ndarray]]
    loss: float
    rows: Sequence[int] | None


def explain(bad: BadStep, check_time: Callable[[], None]) -> Explanation | None:
    """Runs a step op by op; None when every number in it is finite then.

    Args:
      bad: the step.
      check_time: raises what ends the search.
    """
    traced = bad.traced
    bad.restore()
    known = broken(traced.store).keys()
    probed = ProbedGraph(traced.graph, [traced.spec.loss.op, *training_operations(traced)], traced.feeds)
    search = Search(bad.restore, check_time)
    level = search.look(probed, bad.batch)
    left = broken(traced.store).keys() - known
    writers = [op for op, names in traced.writes.items() if names & left and op in set(probed.ops)]
    loss_is_bad = id(traced.spec.loss) in level.healths
    targets = [traced.spec.loss] if loss_is_bad else floats(tensor for op in writers for tensor in op.inputs)
    first = search.first(level, targets)
    if first is None and writers:  # of finite numbers it made weights that are not
        first = FirstBad(level, writers[0], None, Health.INFINITE)
    if first is None:
        return None
    took, gave = _seen(search, first)
    (loss,) = search.fetch(level, [tf.convert_to_tensor(traced.spec.loss)])
    has_rows = [component.has_rows for component in bad.components]
    trial = Trial(bad.batch, has_rows, lambda batch: _breaks(search, probed, batch, targets))
    rows = rows_of(trial, _suspects([values for _, values in gave], trial.size), given=first.argument is not None)
    return Explanation(bad, first, took, gave, float(loss), rows)


def _breaks(search: Search, probed: ProbedGraph, batch: Sequence[tf.Tensor], targets: Sequence[tf.Tensor]) -> bool:
    """Whether tensors [...] are not finite in a step on another batch, components [batch, …]."""
    healths = search.look(probed, batch).healths
    return any(id(tensor) in healths for tensor in targets)


def _seen(search: Search, first: FirstBad) -> tuple[list[tuple[tf.Tensor, np.ndarray]], ...]:
    """What the op took and gave: tensors with their values, each of its shape [...]."""
    taken = floats(first.op.inputs) if first.op is not None else []
    given = floats(first.op.outputs if first.op is not None else [first.argument])
    values = [_array(value) for value in search.fetch(first.level, [*taken, *given])]
    return list(zip(taken, values, strict=False)), list(zip(given, values[len(taken) :], strict=True))


def _array(tensor: tf.Tensor) -> np.ndarray:
    """A tensor [...] in a type that numpy computes with: complex128 or float64."""
    return tf.cast(tensor, tf.complex128 if tensor.dtype.is_complex else tf.float64).numpy()


def _suspects(given: Sequence[np.ndarray], size: int | None) -> list[int]:
    """Rows of the batch in which what an op gave is not finite.

    Args:
      given: each of any shape; those count that are [size, …].
      size: of the batch; None where it has none.
    """
    rows: set[int] = set()
    for values in given:
        if size and values.ndim and len(values) == size:
            bad = ~np.isfinite(values).reshape(size, -1).all(axis=1)
            rows |= set(np.flatnonzero(bad).tolist())
    return sorted(rows)
