"""The seam between the loop outside and whatever makes steps: many in one device call, with no Python among them.

Where the data can be stacked, a call is one program over a stack of batches `[steps, batch, …]`, compiled by XLA
where XLA can compile the model and the training is long enough for that (`stacked_steps`), else run as a graph. Where
they cannot (unknown dimensions, sparse or ragged tensors), the loop pulls batches from the pipeline's iterator inside
the graph (`iterated_steps`). A call begins and ends at any step without another compilation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from trainer.estimator.graph.tracing import TracedModel
from trainer.estimator.steps.input.batches import IteratedBatches, StackedBatches
from trainer.job.errors import JobError


@dataclasses.dataclass(frozen=True)
class CallResult:
    """What a device call did.

    Attributes:
      losses: float32 [steps made].
      results: fetched tensors of the last step, by key; empty when no step was made.
      data_ended: whether the input has no further batch.
    """

    losses: np.ndarray
    results: Mapping[str, np.ndarray]
    data_ended: bool


@dataclasses.dataclass(frozen=True, eq=False)
class NextStep:
    """What a step is made of.

    Attributes:
      traced: the model, for batches of this size.
      batch: its components, flat, each [batch, …] or a scalar.
      element_spec: of the batch, which says what the components are.
      number: of the batch in its pipeline, from 0.
    """

    traced: TracedModel
    batch: list[tf.Tensor]
    element_spec: Any
    number: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class KeptStep:
    """The state of a training after a step.

    Attributes:
      step: the global step.
      tensors: what a checkpoint of it holds, by name.
    """

    step: int
    tensors: Mapping[str, Any]


class StepsLostError(JobError):
    """The last call was cut off, and its steps are lost.

    Attributes:
      kept: the last step before that which is still known; None where none is.
    """

    kept: KeptStep | None = None


class Steps(Protocol):
    """Makes training steps. The one seam between the loop outside and whatever makes steps."""

    @property
    def how(self) -> str:
        """How steps are made, in words for people."""

    @property
    def traced(self) -> TracedModel:
        """The model that they train."""

    def position(self) -> dict[str, Any]:
        """What a checkpoint keeps of the place in the data, by name."""

    def global_step(self) -> int:
        """Steps made so far, by whoever makes them."""

    def synchronize(self, steps_until_due: int, stop_code: int) -> tuple[int, int]:
        """Agrees with the other processes that train in step, before each call.

        Args:
          steps_until_due: how many steps this process may make before something between calls is due, 1 at least.
          stop_code: its reason to end, that of a `StopReason`; 0 for none.

        Returns:
          The steps that every process may make, and the highest stop code; what was given where there is one process.
        """

    def run(self, num_steps: int) -> CallResult:
        """Makes up to `num_steps` steps, fewer at the end of a stack, none at the end of the data."""

    def close(self) -> None:
        """Makes no more steps: lets the data go."""


class OwnSteps:
    """What steps over the pipeline of this process have in common.

    Args:
      batches: of the pipeline.

    Attributes:
      traced: the model, set by whoever makes the steps.
    """

    traced: TracedModel

    def __init__(self, batches: StackedBatches | IteratedBatches) -> None:
        self.batches = batches

    def position(self) -> dict[str, Any]:
        return self.batches.position()

    def global_step(self) -> int:
        step = self.traced.store.global_step
        # Asked after each call: the variable's own ways to its value take four times as long.
        return int(tf.raw_ops.ReadVariableOp(resource=step.handle, dtype=step.dtype).numpy())

    def synchronize(self, steps_until_due: int, stop_code: int) -> tuple[int, int]:
        return steps_until_due, stop_code

    def close(self) -> None:
        self.batches.close()
