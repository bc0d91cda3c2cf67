"""Steps on one device: over stacks of batches where the data can be stacked, else over an iterator."""

from __future__ import annotations

import tensorflow as tf

from trainer.estimator.graph.model_function import ModelReplica
from trainer.estimator.steps.batches import IteratedBatches, StackedBatches
from trainer.estimator.steps.iterated_steps import IteratedSteps
from trainer.estimator.steps.plan import TrainingPlan
from trainer.estimator.steps.program import Compiled
from trainer.estimator.steps.stacked_steps import StackedSteps
from trainer.estimator.steps.stacks import stack_steps, stackable
from trainer.estimator.steps.steps import Steps


def begin(
    plan: TrainingPlan, replica: ModelReplica, compiled: Compiled | None = None, device: str | None = None
) -> Steps:
    """Traces the model on the data, and gives the kind of loop that suits them.

    Args:
      plan: of the training.
      replica: the model function with its variables.
      compiled: what an earlier training compiled, used again where it fits; takes what this one compiles.
      device: where the steps run; None for TensorFlow's choice.
    """
    dataset, config = plan.dataset(tf.distribute.InputContext()), plan.config
    if stackable(dataset.element_spec):
        most = stack_steps(dataset.element_spec, config.steps_per_loop, config.save_checkpoints_steps)
        stacked = StackedBatches(dataset, most, plan.account)
        if plan.position:
            stacked.restore(plan.position)
        return StackedSteps(stacked, replica, compiled, device, plan.stop_at)
    iterated = IteratedBatches(dataset)
    if plan.position:
        iterated.restore(plan.position)
    return IteratedSteps(iterated, replica, config.steps_per_loop, device)
