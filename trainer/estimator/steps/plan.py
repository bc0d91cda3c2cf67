"""What a training begins with: a model function, its data, and where both start."""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from trainer.estimator.contract.run_config import RunConfig
from trainer.estimator.contract.spec import ModeKeys
from trainer.estimator.graph.model_function import ModelFunction
from trainer.estimator.saving.starting_values import StartingValues
from trainer.estimator.steps.input.input_function import InputFunction
from trainer.job.goodput import TimeAccount


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """What a strategy begins a training with.

    Attributes:
      model: what is trained.
      data: gives the batches.
      values: what the variables start from.
      config: of the run: how many steps a device call may make, and how many lie between checkpoints.
      position: the checkpoint whose place in the data to resume from; None to start at the first batch.
      stop_at: the global step to end at; None for the end of the data.
      length: how many steps were asked for, the same for a run that resumes; None where no number was given.
      account: of the time of this process.
    """

    model: ModelFunction
    data: InputFunction
    values: StartingValues
    config: RunConfig
    position: str | None = None
    stop_at: int | None = None
    length: int | None = None
    account: TimeAccount = dataclasses.field(default_factory=TimeAccount)

    def dataset(self, context: tf.distribute.InputContext) -> tf.data.Dataset:
        """The share of the data that an input context names."""
        return self.data.dataset(ModeKeys.TRAIN, context)
