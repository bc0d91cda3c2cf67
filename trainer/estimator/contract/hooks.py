"""What runs between device calls: hooks of training, evaluation and prediction, and listeners of saves.

The moments are those of `SessionRunHook`, restated without a Session. A device call makes many steps; a hook says how
often it wants control, and calls end at exactly those steps.
"""

from __future__ import annotations

import dataclasses
import inspect
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

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
      every_n_steps_from: the step at which the first of those calls ends.
      tensors: tensors of the model function, of any shapes, that `after_run` wants to see in `results`, by name; for a
        hook made inside the model function.
    """

    every_n_steps: int | None = 1
    every_n_steps_from: int = 0
    tensors: Mapping[str, tf.Tensor] = {}

    def begin(self) -> None:
        """Called once before the first step."""

    def before_run(self, run_context: RunContext) -> None:
        """Called before a device call."""

    def after_run(self, run_context: RunContext, run_values: RunValues) -> None:
        """Called after a device call."""

    def end(self, run_context: RunContext) -> None:
        """Called once after the last step, when it ended without an error."""


class VariablesHook(TrainingHook):
    """A hook that reads the variables of the model between device calls. Ours.

    Attributes:
      variables: those that a checkpoint holds, by name; the training sets them before `begin`.
    """

    variables: Mapping[str, Any] = {}


class ProfilerHook(TrainingHook):
    """Writes a profile for TensorBoard of one device call every so often.

    Args:
      save_steps: steps between the calls; None where seconds are given.
      save_secs: seconds between them; None where steps are given.
      output_dir: where the profiles go.
      show_dataflow: means nothing: TensorBoard shows all that there is; nor does `show_memory`.
      show_memory: see there.
    """

    def __init__(
        self,
        save_steps: int | None = None,
        save_secs: float | None = None,
        output_dir: str = "",
        show_dataflow: bool = True,
        show_memory: bool = False,
    ) -> None:
        if (save_steps is None) == (save_secs is None):
            raise ValueError(
                f"ProfilerHook was given save_steps={save_steps} and save_secs={save_secs}. It takes one of them"
            )
        self.every_n_steps = save_steps
        self._steps, self._secs, self._directory = save_steps, save_secs, output_dir
        self._last: tuple[int, float] | None = None
        self._profiles = False

    def before_run(self, run_context: RunContext) -> None:
        now = run_context.global_step, time.time()
        self._profiles = self._last is None or (
            now[0] - self._last[0] >= self._steps if self._steps else now[1] - self._last[1] >= (self._secs or 0)
        )
        if self._profiles:
            self._last = now
            tf.profiler.experimental.start(self._directory)

    def after_run(self, run_context: RunContext, run_values: RunValues) -> None:
        if self._profiles:
            tf.profiler.experimental.stop()
            self._profiles = False


AnyHook: TypeAlias = TrainingHook | tf.compat.v1.train.SessionRunHook
"""What a person's code gives as a hook."""


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


class PatientListener(CheckpointSaverListener):
    """A listener that may hear of a checkpoint some steps later, so that steps go on while it is written. Ours."""

    def waits_for(self, global_step_value: int) -> bool:
        """Whether it needs the checkpoint that is about to be written before a further step is made."""
        return False


class LastSaveListener(PatientListener):
    """A listener that knows the last save of a training. Ours."""

    def training_ended(self) -> None:
        """Called when no further step is made, before the last save, if there is still one to make."""


def has_to_wait(listener: CheckpointSaverListener, global_step_value: int) -> bool:
    """Whether training waits until a checkpoint is there, since a listener has to hear of it then."""
    if isinstance(listener, PatientListener):
        return listener.waits_for(global_step_value)
    stock = CheckpointSaverListener, tf.compat.v1.train.CheckpointSaverListener
    return all(type(listener).after_save is not each.after_save for each in stock)


def tell(method: Callable[..., Any], global_step_value: int) -> Any:
    """Calls a listener's method with the step, after None for a session where the method has a place for one."""
    takes_session = len(inspect.signature(method).parameters) > 1
    return method(None, global_step_value) if takes_session else method(global_step_value)


def check_hooks(hooks: Any, what: str = "hooks") -> tuple[AnyHook, ...]:
    """A tuple of hooks.

    Raises:
      TypeError: something else among them.
    """
    listed = _listed(hooks, what)
    for hook in listed:
        if not isinstance(hook, TrainingHook | tf.compat.v1.train.SessionRunHook):
            raise TypeError(
                f"{what} has {hook!r}. Hooks are objects of TrainingHook or of SessionRunHook. "
                "Derive its class from one of them"
            )
    return listed


def check_listeners(listeners: Any) -> tuple[CheckpointSaverListener, ...]:
    """A tuple of listeners.

    Raises:
      TypeError: something else among them.
    """
    listed = _listed(listeners, "saving_listeners")
    for listener in listed:
        if not isinstance(listener, CheckpointSaverListener | tf.compat.v1.train.CheckpointSaverListener):
            raise TypeError(f"saving_listeners has {listener!r}. They are CheckpointSaverListener objects")
    return listed


def _listed(given: Any, what: str) -> tuple[Any, ...]:
    if given is None:
        return ()
    if not isinstance(given, Iterable):
        raise TypeError(f"{what} is {given!r}. It takes a list. Put it into brackets")
    return tuple(given)
