"""What `train_and_evaluate` is given: how to train, how to evaluate, and what to export."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from trainer.estimator.contract.hooks import CheckpointSaverListener, TrainingHook, check_hooks, check_listeners
from trainer.estimator.contract.training_arguments import whole_steps
from trainer.estimator.evaluation.exporters import Exporter
from trainer.estimator.steps.input.input_function import InputFn


@dataclasses.dataclass(frozen=True)
class TrainSpec:
    """What to train on and how far.

    Attributes:
      input_fn: the training input function.
      max_steps: the global step to end at; None to train to the end of the data.
      hooks: around the device calls.
      saving_listeners: around the saves.

    Raises:
      ValueError: steps that are not positive.
      TypeError: no function, or wrong hooks or listeners.
    """

    input_fn: InputFn
    max_steps: int | None = None
    hooks: Sequence[TrainingHook] = ()
    saving_listeners: Sequence[CheckpointSaverListener] = ()

    def __post_init__(self) -> None:
        _check_input_fn(self.input_fn)
        if self.max_steps is not None:
            _check_number(self.max_steps, "max_steps", least=1)
            object.__setattr__(self, "max_steps", whole_steps(self.max_steps, "max_steps"))
        object.__setattr__(self, "hooks", check_hooks(self.hooks))
        object.__setattr__(self, "saving_listeners", check_listeners(self.saving_listeners))


@dataclasses.dataclass(frozen=True)
class EvalSpec:
    """What to evaluate on, how often, and what to export.

    Attributes:
      input_fn: the evaluation input function.
      steps: batches in an evaluation; None for all.
      name: of the evaluation.
      hooks: around the device calls.
      exporters: one or several, with names of their own.
      start_delay_secs: an evaluator in a process of its own waits so long before its first evaluation.
      throttle_secs: the least time between evaluations.

    Raises:
      ValueError: a number out of range, or exporters without a name of their own.
      TypeError: no function, or wrong hooks or exporters.
    """

    input_fn: InputFn
    steps: int | None = 100
    name: str | None = None
    hooks: Sequence[TrainingHook] = ()
    exporters: Exporter | Sequence[Exporter] = ()
    start_delay_secs: float = 120
    throttle_secs: float = 600

    def __post_init__(self) -> None:
        _check_input_fn(self.input_fn)
        if self.steps is not None:
            _check_number(self.steps, "steps", least=1)
            object.__setattr__(self, "steps", whole_steps(self.steps, "steps"))
        _check_number(self.start_delay_secs, "start_delay_secs", least=0)
        _check_number(self.throttle_secs, "throttle_secs", least=0)
        if self.name is not None and not (isinstance(self.name, str) and self.name):
            raise TypeError(f"EvalSpec was given name={self.name!r}. It takes a string that is not empty, or None")
        object.__setattr__(self, "hooks", check_hooks(self.hooks))
        object.__setattr__(self, "exporters", checked_exporters(self.exporters))


def _check_input_fn(input_fn: Any) -> None:
    if not callable(input_fn):
        raise TypeError(f"input_fn is {input_fn!r}. It takes a function")


def _check_number(value: Any, name: str, least: int) -> None:
    if not isinstance(value, int | float):
        raise TypeError(f"{name} is {value!r}. It takes a number")
    if not value >= least:
        raise ValueError(f"{name} is {value}. It takes {least} or more")


def checked_exporters(exporters: Any) -> tuple[Exporter, ...]:
    """A tuple of exporters.

    Args:
      exporters: one, several, or None.

    Raises:
      TypeError: something else among them.
      ValueError: one without a name of its own.
    """
    listed = [exporters] if isinstance(exporters, Exporter) else () if exporters is None else exporters
    if not isinstance(listed, Iterable):
        raise TypeError(f"exporters is {exporters!r}. It takes an Exporter, or a list of them")
    checked: dict[str, Exporter] = {}
    for exporter in listed:
        if not isinstance(exporter, Exporter):
            raise TypeError(
                f"exporters has {exporter!r}. They are LatestExporter, BestExporter, FinalExporter or other Exporters"
            )
        if not isinstance(exporter.name, str) or not exporter.name:
            raise ValueError(f"exporters has the name {exporter.name!r}. It takes a string that is not empty")
        if exporter.name in checked:
            raise ValueError(f"exporters has the name {exporter.name!r} twice. Each needs a name of its own")
        checked[exporter.name] = exporter
    return tuple(checked.values())
