"""Steps on one device: over stacks of batches where the data can be stacked, else over an iterator."""

from __future__ import annotations

import tensorflow as tf

from trainer.estimator.contract.xla_use import XlaUse, asked_for
from trainer.estimator.graph.input import kept_rows
from trainer.estimator.graph.model_function import ModelReplica
from trainer.estimator.steps.compiling.program import Compiled
from trainer.estimator.steps.inner.held_steps import HeldSteps
from trainer.estimator.steps.inner.iterated_steps import IteratedSteps
from trainer.estimator.steps.inner.replay import Repeatable
from trainer.estimator.steps.inner.stacked_steps import NO_STEP, StackedSteps
from trainer.estimator.steps.input.batches import IteratedBatches, StackedBatches
from trainer.estimator.steps.input.stacks import STACK_STEPS, most_at_hand, stack_steps, stackable
from trainer.estimator.steps.plan import TrainingPlan
from trainer.estimator.steps.steps import Steps

_XLA_FROM = {XlaUse.NEVER: NO_STEP, XlaUse.WHERE_IT_PAYS: None, XlaUse.AT_ONCE: 0}


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
    batches = _batches(plan)
    if isinstance(batches, StackedBatches):
        return StackedSteps(
            batches, replica, compiled, device, plan.stop_at, _XLA_FROM[asked_for(plan.config.session_config)]
        )
    return IteratedSteps(batches, replica, plan.config.steps_per_loop, device)


def again(
    plan: TrainingPlan, steps: Steps, replica: ModelReplica, compiled: Compiled | None, device: str | None = None
) -> Repeatable:
    """Steps that were made before, to be made once more from the place in the data that a plan begins at.

    Args:
      plan: of the training.
      steps: that were made.
      replica: the model function with its variables.
      compiled: the program that made them.
      device: where they ran.
    """
    batches = _batches(plan)
    if isinstance(batches, StackedBatches):
        since = steps.xla_since if isinstance(steps, StackedSteps) else None
        xla_from = NO_STEP if since is None else since
        return StackedSteps(batches, replica, compiled, device, plan.stop_at, xla_from)
    return HeldSteps(batches, replica, device)


def _batches(plan: TrainingPlan) -> StackedBatches | IteratedBatches:
    """The batches of a plan, from the place that it begins at."""
    dataset, config = plan.dataset(tf.distribute.InputContext()), plan.config
    seeded = config.tf_random_seed is not None
    if stackable(dataset.element_spec):
        most = most_at_hand(plan.length) if kept_rows.at_hand(dataset) else STACK_STEPS
        steps = stack_steps(dataset.element_spec, config.steps_per_loop, config.save_checkpoints_steps, most)
        batches: StackedBatches | IteratedBatches = StackedBatches(dataset, steps, plan.account, seeded=seeded)
    else:
        batches = IteratedBatches(dataset, seeded=seeded)
    if plan.position:
        batches.restore(plan.position)
    return batches
