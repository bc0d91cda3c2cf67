"""Steps of a job of several processes that may have broken, to be run on one with the weights of the last checkpoint.

Nobody makes the steps of such a job once more: each process has batches of its own, and on parameter servers nobody
knows in which order the weights were changed. What is at hand is the batch. Whether it breaks a step by itself, as a
zero does that a logarithm is taken of, shows with any weights.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.graph.model_function import ModelReplica
from trainer.estimator.steps.diagnosis.bad_step import BadStep, BatchNumber, components_of, snapshot
from trainer.estimator.steps.plan import TrainingPlan

_MOST_BYTES = 2 << 30
"""Of variables, that a chief of parameter servers takes into its own memory for this."""


@dataclasses.dataclass(frozen=True, eq=False)
class BatchInHand:
    """A batch on which a step may have broken.

    Attributes:
      step: the global step that it made.
      parts: its components, flat, each [batch, …] or a scalar.
      number: which batch of the data; None where that is not known.
      who: made the step, in words.
    """

    step: int
    parts: Sequence[Any]
    number: BatchNumber | None
    who: str


def bad_steps(
    plan: TrainingPlan,
    spec: Any,
    batches: Iterable[BatchInHand],
    seed: int | None,
    agree: Callable[[Sequence[tf.Variable]], None] = lambda variables: None,
) -> Iterator[BadStep]:
    """Steps on batches in hand, on variables of this process alone.

    Args:
      plan: of the training, with the values of its last checkpoint, where this process sees it.
      spec: of a batch, with its size.
      batches: to be looked at one after the other.
      seed: of the random ops.
      agree: sets variables of any shapes to what the chief has.

    Raises:
      ValueError: the model takes too much memory.
    """
    store = plan.values.new_store(seed)
    traced = ModelReplica(plan.model, store).trace(spec, xla=False)
    if plan.values.checkpoint is not None:
        plan.values.assign(store)
    agree([variable for _, variable in sorted(store.saved().items())])
    before, components = snapshot(store), components_of(spec)
    for batch in batches:
        parts = [tf.constant(part, feed.dtype) for part, feed in zip(batch.parts, traced.feeds, strict=True)]
        yield BadStep(traced, batch.step, before, parts, components, batch.number, None, batch.who)


def check_fits(variables: Iterable[tf.Variable]) -> None:
    """Raises ValueError where variables of any shapes are more than a chief takes into its own memory."""
    num_bytes = sum((variable.shape.num_elements() or 0) * variable.dtype.size for variable in variables)
    if num_bytes > _MOST_BYTES:
        raise ValueError(f"the {num_bytes >> 20:,} MiB of the model are the parameter servers' alone")
