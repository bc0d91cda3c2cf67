"""`train_and_evaluate`: one training with evaluations and exports between, in one process."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer.estimator.checkpoints import write_whole
from trainer.estimator.estimator import Estimator
from trainer.estimator.exporters import Exporter
from trainer.estimator.hooks import CheckpointSaverListener, TrainingHook, check_hooks, check_listeners
from trainer.estimator.loop import StopReason

log = logging.getLogger("trainer")

TRAINING_DONE = "training_done.json"
InputFn = Callable[..., Any]
EvaluationListener = Callable[[Mapping[str, Any], str], None]


@dataclasses.dataclass(frozen=True)
class TrainSpec:
    """What to train on and how far.

    Attributes:
      input_fn: the training input function.
      max_steps: the global step to end at; None to train to the end of the data.
      hooks: around the device calls.
      saving_listeners: around the saves.

    Raises:
      ValueError: steps that are not positive, or no function.
      TypeError: wrong hooks or listeners.
    """

    input_fn: InputFn
    max_steps: int | None = None
    hooks: Sequence[TrainingHook] = ()
    saving_listeners: Sequence[CheckpointSaverListener] = ()

    def __post_init__(self) -> None:
        _check_input_fn(self.input_fn)
        _check_number(self.max_steps, "max_steps", least=1)
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
      ValueError: a number out of range, no function, or exporters of one name.
      TypeError: wrong hooks or exporters.
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
        _check_number(self.steps, "steps", least=1)
        _check_number(self.start_delay_secs, "start_delay_secs", least=0)
        _check_number(self.throttle_secs, "throttle_secs", least=0)
        if self.name is not None and not (isinstance(self.name, str) and self.name):
            raise TypeError(f"EvalSpec was given name={self.name!r}. It takes a string that is not empty, or None")
        object.__setattr__(self, "hooks", check_hooks(self.hooks))
        object.__setattr__(self, "exporters", _check_exporters(self.exporters))


def _check_input_fn(input_fn: Any) -> None:
    if not callable(input_fn):
        raise TypeError(f"input_fn is {input_fn!r}. It takes a function")


def _check_number(value: Any, name: str, least: float) -> None:
    if value is not None and value < least:
        raise ValueError(f"{name} is {value}. It takes {least} or more")


def _check_exporters(exporters: Any) -> tuple[Exporter, ...]:
    listed = (exporters,) if isinstance(exporters, Exporter) else tuple(exporters or ())
    names: set[str] = set()
    for exporter in listed:
        if not isinstance(exporter, Exporter):
            raise TypeError(f"exporters has {exporter!r}. They are LatestExporter, BestExporter, FinalExporter or other Exporters")
        if not exporter.name or exporter.name in names:
            raise ValueError(f"exporters has the name {exporter.name!r} empty or twice. Each needs a name of its own")
        names.add(exporter.name)
    return listed


def train_and_evaluate(
    estimator: Estimator,
    train_spec: TrainSpec,
    eval_spec: EvalSpec,
    *,
    evaluation_listeners: Sequence[EvaluationListener] = (),
    clock: Callable[[], float] = time.monotonic,
) -> tuple[dict[str, Any] | None, list[bytes | None] | None]:
    """Trains up to `max_steps`; evaluates and exports after checkpoints and at the end.

    Every checkpoint but the first is evaluated when `throttle_secs` have passed since the last evaluation, and the last one always is.

    Args:
      estimator: what to train.
      train_spec: how.
      eval_spec: what to evaluate.
      evaluation_listeners: called with the metrics and the checkpoint's path after each evaluation.
      clock: seconds.

    Returns:
      The metrics of the last evaluation and what its exporters gave; (None, None) when there was nothing to do.

    Raises:
      TypeError: a wrong spec.
      ValueError: an evaluation without `global_step`.
    """
    if not isinstance(train_spec, TrainSpec):
        raise TypeError(f"train_spec is {train_spec!r}. It takes a TrainSpec")
    if not isinstance(eval_spec, EvalSpec):
        raise TypeError(f"eval_spec is {eval_spec!r}. It takes an EvalSpec")
    evaluator = _LocalEvaluator(estimator, eval_spec, train_spec.max_steps, evaluation_listeners, clock)
    evaluates = not estimator.config.has_evaluator
    listeners = [*train_spec.saving_listeners, *([evaluator] if evaluates else [])]
    estimator.stop_reason = None
    try:
        estimator.train(train_spec.input_fn, hooks=train_spec.hooks, max_steps=train_spec.max_steps, saving_listeners=listeners)
    except Exception:
        _write_done(estimator, "failed")
        raise
    if estimator.stop_reason is None:
        return None, None
    if estimator.stop_reason is not StopReason.INTERRUPTED:
        evaluator.finish()
        _write_done(estimator, estimator.stop_reason.value)
    return evaluator.metrics, evaluator.export_results


def _write_done(estimator: Estimator, reason: str) -> None:
    """Records that training has ended, and why, for whoever follows the checkpoints."""
    latest = estimator.latest_checkpoint()
    record = {
        "reason": reason,
        "global_step": int(latest.rsplit("-", 1)[1]) if latest else 0,
        "checkpoint": os.path.basename(latest) if latest else None,
    }
    os.makedirs(estimator.model_dir, exist_ok=True)
    write_whole(Path(estimator.model_dir, TRAINING_DONE), json.dumps(record).encode())


class _LocalEvaluator(CheckpointSaverListener):
    """Evaluates checkpoints of the training that it listens to."""

    def __init__(
        self,
        estimator: Estimator,
        spec: EvalSpec,
        max_steps: int | None,
        listeners: Sequence[EvaluationListener],
        clock: Callable[[], float],
    ) -> None:
        self._estimator, self._spec, self._max_steps = estimator, spec, max_steps
        self._listeners, self._clock = listeners, clock
        self._saves = 0
        self._evaluated: tuple[int, float] | None = None
        self._final = False
        self.metrics: dict[str, Any] | None = None
        self.export_results: list[bytes | None] | None = None

    def after_save(self, global_step_value: int) -> None:
        self._saves += 1
        if self._saves == 1:
            return
        if self._evaluated is None or self._clock() - self._evaluated[1] >= self._spec.throttle_secs:
            self._evaluate(global_step_value, final=self._max_steps is not None and global_step_value >= self._max_steps)

    def finish(self) -> None:
        """Evaluates the last checkpoint if it was not, and lets exporters that export the final model do so."""
        latest = self._estimator.latest_checkpoint()
        if latest is None or not self._saves:
            return
        step = int(latest.rsplit("-", 1)[1])
        if self._evaluated is None or self._evaluated[0] != step:
            self._evaluate(step, final=True)
        elif not self._final:
            self._export(latest, final=True)

    def _evaluate(self, step: int, final: bool) -> None:
        checkpoint = self._estimator.latest_checkpoint()
        assert checkpoint is not None
        spec = self._spec
        self.metrics = self._estimator.evaluate(
            spec.input_fn, steps=spec.steps, hooks=spec.hooks, checkpoint_path=checkpoint, name=spec.name
        )
        _check_metrics(self.metrics)
        self._evaluated = (step, self._clock())
        for listener in self._listeners:
            listener(self.metrics, checkpoint)
        self._export(checkpoint, final)

    def _export(self, checkpoint: str, final: bool) -> None:
        """Runs the exporters; after an evaluation that turned out to be the last, only those that wait for the final one."""
        repeated = final and self._evaluated is not None and self.export_results is not None and not self._fresh(checkpoint)
        results = [
            previous
            if repeated and not exporter.only_final
            else exporter.export(self._estimator, self._path(exporter), checkpoint, self.metrics or {}, final)
            for exporter, previous in zip(self._exporters, self.export_results or [None] * len(self._exporters), strict=True)
        ]
        self.export_results, self._exported, self._final = results, checkpoint, final

    _exported: str | None = None

    def _fresh(self, checkpoint: str) -> bool:
        return self._exported != checkpoint

    @property
    def _exporters(self) -> tuple[Exporter, ...]:
        return tuple(self._spec.exporters)  # type: ignore[arg-type]

    def _path(self, exporter: Exporter) -> str:
        return os.path.join(self._estimator.model_dir, "export", exporter.name)


def _check_metrics(metrics: Any) -> None:
    if not isinstance(metrics, Mapping) or not metrics:
        raise ValueError(f"The evaluation gave {metrics!r}. It has to give a dict of metrics")
    if "global_step" not in metrics:
        raise ValueError(f"The evaluation gave no global_step, only {', '.join(metrics)}. A metric of that name must not replace it")
