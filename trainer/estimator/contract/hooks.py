"""What runs between device calls: hooks of training, evaluation and prediction, and listeners of saves.

The moments are those of `SessionRunHook`, restated without a Session. A device call makes many steps; a hook says how
often it wants control, and calls end at exactly those steps.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf


@dataclasses.dataclass
class RunContext:
    """What a hook may see and ask around a device call.

    Attributes:
      global_step: steps made before the call.
      stop_reason: why training is to end after this call; None while it is not.
    """

    global_step: int
    stop_reason: str | None = None

    @property
    def stop_requested(self) -> bool:
        """Whether training is to end after this call."""
        return self.stop_reason is not None

    def request_stop(self, reason: str = "a hook asked for it") -> None:
        """Asks for the end of training; the first reason counts."""
        self.stop_reason = self.stop_reason or reason


@dataclasses.dataclass(frozen=True)
class RunValues:
    """What a device call gave.

    Attributes:
      global_step: steps made after the call.
      losses: float32 [steps of the call].
      results: the hook's own `tensors`, by name, as they were in the last step of the call.
      seconds: how long the call took, waiting for data included.
    """

    global_step: int
    losses: np.ndarray
    results: Mapping[str, Any]
    seconds: float


class TrainingHook:
    """Code of a person's own around the steps.

    Attributes:
      every_n_steps: device calls end at multiples of it, and `before_run` and `after_run` are called around them. 1,
        the default, sees every step, as a `SessionRunHook` does, and costs the speed of many steps in a call. None
        takes the calls as they fall.
      tensors: tensors of the model function, of any shapes, that `after_run` wants to see in `results`, by name; for a
        hook made inside the model function.
    """

    every_n_steps: int | None = 1
    tensors: Mapping[str, tf.Tensor] = {}

    def begin(self) -> None:
        """Called once before the first step."""

    def before_run(self, run_context: RunContext) -> None:
        """Called before a device call."""

    def after_run(self, run_context: RunContext, run_values: RunValues) -> None:
        """Called after a device call."""

    def end(self, run_context: RunContext) -> None:
        """Called once after the last step, when it ended without an error."""


class LoggingTensorHook(TrainingHook):
    """Logs tensors of the model function every so many steps, as `tf.estimator.LoggingTensorHook` does.

    Args:
      tensors: by name, of any shapes, as [] for a loss.
      every_n_iter: steps between lines.
      log: where a line goes.
    """

    def __init__(self, tensors: Mapping[str, tf.Tensor], every_n_iter: int, log: Callable[[str], None] = print) -> None:
        if every_n_iter < 1:
            raise ValueError(f"LoggingTensorHook was given every_n_iter={every_n_iter}. It takes 1 or more")
        self.tensors, self.every_n_steps, self._log = dict(tensors), every_n_iter, log

    def after_run(self, run_context: RunContext, run_values: RunValues) -> None:
        if run_values.global_step % (self.every_n_steps or 1) == 0:
            values = ", ".join(f"{name} = {value}" for name, value in run_values.results.items())
            self._log(f"step {run_values.global_step}: {values}")


class CheckpointSaverListener:
    """Code of a person's own around each save.

    `after_save` may return True to end training. Methods that take `(session, global_step_value)`, as tf.estimator
    called them, work as they are: their session is None.
    """

    def begin(self) -> None:
        """Called once before the first step."""

    def before_save(self, global_step_value: int) -> None:
        """Called before a checkpoint is written."""

    def after_save(self, global_step_value: int) -> bool | None:
        """Called when the checkpoint is there."""

    def end(self, global_step_value: int) -> None:
        """Called once after the last save."""


class LastSaveListener(CheckpointSaverListener):
    """A listener that knows the last save of a training. Ours."""

    def training_ended(self) -> None:
        """Called when no further step is made, before the last save, if there is still one to make."""


def tell(method: Callable[..., Any], global_step_value: int) -> Any:
    """Calls a listener's method with the step, after None for a session where the method has a place for one."""
    takes_session = len(inspect.signature(method).parameters) > 1
    return method(None, global_step_value) if takes_session else method(global_step_value)


def check_hooks(hooks: Any, what: str = "hooks") -> tuple[TrainingHook, ...]:
    """A tuple of hooks.

    Raises:
      TypeError: something else among them.
    """
    listed = _listed(hooks, what)
    for hook in listed:
        if not isinstance(hook, TrainingHook):
            raise TypeError(
                f"{what} has {hook!r}. Hooks are trainer.estimator.TrainingHook objects. "
                "A SessionRunHook needs its base class and its moments changed: there is no Session"
            )
    return listed


def check_listeners(listeners: Any) -> tuple[CheckpointSaverListener, ...]:
    """A tuple of listeners.

    Raises:
      TypeError: something else among them.
    """
    listed = _listed(listeners, "saving_listeners")
    for listener in listed:
        if not isinstance(listener, CheckpointSaverListener):
            raise TypeError(f"saving_listeners has {listener!r}. They are CheckpointSaverListener objects")
    return listed


def _listed(given: Any, what: str) -> tuple[Any, ...]:
    if given is None:
        return ()
    if not isinstance(given, Iterable):
        raise TypeError(f"{what} is {given!r}. It takes a list. Put it into brackets")
    return tuple(given)
