"""What training and evaluation are given, checked before anything starts."""

from __future__ import annotations

import math
from typing import Any

from trainer.estimator.contract.hooks import CheckpointSaverListener, check_listeners
from trainer.estimator.contract.run_config import RunConfig


def check_training(config: RunConfig, steps: float | None, max_steps: float | None) -> None:
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
    whole_steps(steps, "steps")
    whole_steps(max_steps, "max_steps")


def whole_steps(value: float | None, name: str) -> int | None:
    """A number of steps, rounded up: of 12.5, 13 are made.

    Raises:
      ValueError: it is 0 or less, or without an end.
    """
    if value is None:
        return None
    if not 0 < value < math.inf:
        raise ValueError(f"{name} is {value}. It takes a number greater than 0, or None")
    return math.ceil(value)


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
