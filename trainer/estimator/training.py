"""`train_and_evaluate`: one training with evaluations and exports between, in one process."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer.estimator.checkpoints import step_of
from trainer.estimator.estimator import Estimator
from trainer.estimator.exporters import Exporter
from trainer.estimator.hooks import CheckpointSaverListener, TrainingHook, check_hooks, check_listeners
from trainer.estimator.loop import StopReason
from trainer.estimator.run_config import RunConfig
from trainer.job import records
from trainer.job.errors import JobError

TRAINING_DONE = "training_done.json"
FAILED = "failed"
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
        _check_number(self.start_delay_secs, "start_delay_secs", least=0)
        _check_number(self.throttle_secs, "throttle_secs", least=0)
        if self.name is not None and not (isinstance(self.name, str) and self.name):
            raise TypeError(f"EvalSpec was given name={self.name!r}. It takes a string that is not empty, or None")
        object.__setattr__(self, "hooks", check_hooks(self.hooks))
        object.__setattr__(self, "exporters", _check_exporters(self.exporters))


def _check_input_fn(input_fn: Any) -> None:
    if not callable(input_fn):
        raise TypeError(f"input_fn is {input_fn!r}. It takes a function")


def _check_number(value: Any, name: str, least: int) -> None:
    if not isinstance(value, int | float):
        raise TypeError(f"{name} is {value!r}. It takes a number")
    if not value >= least:
        raise ValueError(f"{name} is {value}. It takes {least} or more")


def _check_exporters(exporters: Any) -> tuple[Exporter, ...]:
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


def train_and_evaluate(
    estimator: Estimator,
    train_spec: TrainSpec,
    eval_spec: EvalSpec,
    *,
    evaluation_listeners: Sequence[EvaluationListener] = (),
    clock: Callable[[], float] = time.monotonic,
) -> tuple[dict[str, Any] | None, list[bytes | None] | None]:
    """Trains up to `max_steps`; evaluates and exports after checkpoints and at the end.

    Every checkpoint but the first is evaluated when `throttle_secs` have passed since the last evaluation began, and
    the last one always is. Where another process of the job evaluates, this one only trains. Why training ended is
    recorded in `training_done.json`, at the very end; while training goes on there is no such file.

    Args:
      estimator: what to train.
      train_spec: how.
      eval_spec: what to evaluate.
      evaluation_listeners: called with the metrics and the checkpoint's path after each evaluation.
      clock: seconds.

    Returns:
      The metrics of the last evaluation and what its exporters gave; (None, None) when there was nothing to do.

    Raises:
      TypeError: a wrong estimator or spec.
      ValueError: saving is off, this process does not train alone, or an evaluation gave no `global_step`.
    """
    _check_arguments(estimator, train_spec, eval_spec)
    evaluator = _LocalEvaluator(estimator, eval_spec, train_spec.max_steps, evaluation_listeners, clock)
    evaluating = [] if estimator.config.has_evaluator else [evaluator]
    record = _TrainingRecord(estimator)
    estimator.stop_reason = None
    try:
        estimator.train(
            train_spec.input_fn,
            hooks=train_spec.hooks,
            max_steps=train_spec.max_steps,
            saving_listeners=[record, *train_spec.saving_listeners, *evaluating],
        )
        if estimator.stop_reason is not StopReason.INTERRUPTED:
            evaluator.finish()
    except Exception:
        record.failed()
        raise
    record.ended(estimator.stop_reason)
    return evaluator.metrics, evaluator.export_results


def _check_arguments(estimator: Any, train_spec: Any, eval_spec: Any) -> None:
    if not isinstance(estimator, Estimator):
        raise TypeError(f"estimator is {estimator!r}. It takes an Estimator")
    if not isinstance(train_spec, TrainSpec):
        raise TypeError(f"train_spec is {train_spec!r}. It takes a TrainSpec")
    if not isinstance(eval_spec, EvalSpec):
        raise TypeError(f"eval_spec is {eval_spec!r}. It takes an EvalSpec")
    _check_config(estimator.config)


def _check_config(config: RunConfig) -> None:
    if config.task_type in ("evaluator", "ps") or config.num_worker_replicas > 1 or config.num_ps_replicas:
        raise ValueError(
            f"train_and_evaluate was called in the task {config.task_type} {config.task_id} of a cluster. "
            "This version trains in one process: without a cluster, or as a chief without workers and ps. "
            "Unset TF_CONFIG to train here"
        )
    if not config.saves_checkpoints:
        raise ValueError(
            "train_and_evaluate was called while saving is off. It evaluates and exports checkpoints. "
            "Set save_checkpoints_steps or save_checkpoints_secs of the RunConfig"
        )


class _TrainingRecord(CheckpointSaverListener):
    """`training_done.json`: that training has ended, and why, for whoever follows the checkpoints."""

    def __init__(self, estimator: Estimator) -> None:
        self._estimator, self._file = estimator, Path(estimator.model_dir, TRAINING_DONE)

    def begin(self) -> None:
        self._file.unlink(missing_ok=True)

    def ended(self, reason: StopReason | None) -> None:
        """Records how training ended; None when there was nothing to train. An interrupted one is to be continued."""
        if reason is None and self._recorded() in (None, FAILED):
            reason = StopReason.MAX_STEPS
        if reason is not None and reason is not StopReason.INTERRUPTED:
            self._write(reason.value)

    def failed(self) -> None:
        with contextlib.suppress(OSError, JobError):  # the failure itself is about to be raised
            self._write(FAILED)

    def _recorded(self) -> str | None:
        return str(json.loads(self._file.read_text(encoding="utf-8"))["reason"]) if self._file.exists() else None

    def _write(self, reason: str) -> None:
        latest = self._estimator.latest_checkpoint()
        step, name = (0, None) if latest is None else (step_of(latest), os.path.basename(latest))
        os.makedirs(self._estimator.model_dir, exist_ok=True)
        records.write(str(self._file), {"reason": reason, "global_step": step, "checkpoint": name})


@dataclasses.dataclass
class _LocalEvaluator(CheckpointSaverListener):
    """Evaluates checkpoints of the training that it listens to.

    Attributes:
      estimator: what is trained.
      spec: what to evaluate and export.
      max_steps: the step to end at, whose exports are final; None where the data say when.
      listeners: told of each evaluation.
      clock: seconds.
      metrics: of the last evaluation.
      export_results: what its exporters gave.
    """

    estimator: Estimator
    spec: EvalSpec
    max_steps: int | None
    listeners: Sequence[EvaluationListener]
    clock: Callable[[], float]
    metrics: dict[str, Any] | None = None
    export_results: list[bytes | None] | None = None

    def __post_init__(self) -> None:
        self._exporters = _check_exporters(self.spec.exporters)
        self._saves = 0
        self._evaluated: str | None = None
        self._began = 0.0
        self._final = False

    def after_save(self, global_step_value: int) -> None:
        self._saves += 1
        if self._saves == 1:
            return
        if self._evaluated is None or self.clock() - self._began >= self.spec.throttle_secs:
            final = self.max_steps is not None and global_step_value >= self.max_steps
            self._evaluate(self._latest(), final)

    def finish(self) -> None:
        """Evaluates the last checkpoint if it was not, and lets exporters that export the final model do so."""
        if not self._saves:
            return
        latest = self._latest()
        if self._evaluated != latest:
            self._evaluate(latest, final=True)
        elif not self._final:
            self._export_final(latest)

    def _latest(self) -> str:
        latest = self.estimator.latest_checkpoint()
        assert latest is not None
        return latest

    def _evaluate(self, checkpoint: str, final: bool) -> None:
        self._evaluated, self._began, self._final = checkpoint, self.clock(), final
        spec = self.spec
        metrics = self.estimator.evaluate(
            spec.input_fn, steps=spec.steps, hooks=spec.hooks, checkpoint_path=checkpoint, name=spec.name
        )
        self.metrics = _checked_metrics(metrics)
        for listener in self.listeners:
            listener(self.metrics, checkpoint)
        self.export_results = [self._export(exporter, checkpoint, final) for exporter in self._exporters]

    def _export_final(self, checkpoint: str) -> None:
        """After an evaluation that turned out to be the last one; exporters of every checkpoint had it then."""
        self._final = True
        for index, exporter in enumerate(self._exporters):
            if exporter.only_final and self.export_results is not None:
                self.export_results[index] = self._export(exporter, checkpoint, final=True)

    def _export(self, exporter: Exporter, checkpoint: str, final: bool) -> bytes | None:
        path = os.path.join(self.estimator.model_dir, "export", exporter.name)
        return exporter.export(self.estimator, path, checkpoint, self.metrics or {}, final)


def _checked_metrics(metrics: Any) -> dict[str, Any]:
    if not isinstance(metrics, Mapping) or not metrics:
        raise ValueError(f"The evaluation gave {metrics!r}. It has to give a dict of metrics. Return one from evaluate")
    if "global_step" not in metrics:
        raise ValueError(
            f"The evaluation gave {', '.join(metrics)}, and no global_step. It has to give the step of the checkpoint. "
            "Return global_step from evaluate too"
        )
    return dict(metrics)
