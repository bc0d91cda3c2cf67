"""What training and evaluation are given, checked before anything starts."""

from __future__ import annotations

from typing import Any

from trainer.estimator.contract.hooks import CheckpointSaverListener, check_listeners
from trainer.estimator.contract.run_config import RunConfig


def check_training(config: RunConfig, steps: int | None, max_steps: int | None) -> None:
    """Checks that a process trains, and how far.

    Args:
      config: of the run.
      steps: how many more to make; None where `max_steps` or the data say it.
      max_steps: the global step to end at; None where `steps` or the data say it.

    Raises:
      ValueError: a role that does not train, both kinds of steps, or a number that is not positive.
    """
    if config.task_type in ("evaluator", "ps"):
        raise ValueError(f"train was called in a task of type {config.task_type}. Chiefs and workers train")
    if steps is not None and max_steps is not None:
        raise ValueError(f"train was given steps={steps} and max_steps={max_steps}. It takes one of them")
    check_positive(steps, "steps")
    check_positive(max_steps, "max_steps")


def check_positive(value: int | None, name: str) -> None:
    """Checks a number of steps.

    Raises:
      ValueError: it is 0 or less.
    """
    if value is not None and value <= 0:
        raise ValueError(f"{name} is {value}. It takes a number greater than 0, or None")


def checked_listeners(listeners: Any, config: RunConfig) -> tuple[CheckpointSaverListener, ...]:
    """A tuple of listeners.

    Raises:
      TypeError: something else among them.
      ValueError: there are any, and nothing is saved.
    """
    checked = check_listeners(listeners)
    if checked and not config.saves_checkpoints:
        raise ValueError(
            "train was given saving_listeners while saving is off. They are called around saves. "
            "Set save_checkpoints_steps or save_checkpoints_secs of the RunConfig"
        )
    return checked
