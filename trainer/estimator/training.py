"""`train_and_evaluate`: one training with evaluations and exports, in the role that this process has in it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from trainer.estimator.contract.hooks import CheckpointSaverListener, TrainingHook, check_hooks, check_listeners
from trainer.estimator.contract.run_config import RunConfig
from trainer.estimator.distribution import server
from trainer.estimator.distribution.collectives import PeerLostError
from trainer.estimator.estimator import Estimator
from trainer.estimator.evaluation import evaluator
from trainer.estimator.evaluation.evaluations import EvaluationListener, Evaluations, InputFn
from trainer.estimator.evaluation.exporters import Exporter
from trainer.estimator.saving import job_directory
from trainer.estimator.saving.checkpoints import step_of
from trainer.estimator.saving.coordination_files import TRAINING_DONE, read_record, write_record
from trainer.estimator.steps.stop import StopReason
from trainer.job.distribution import Distribution
from trainer.job.errors import JobError

FAILED = "failed"
EVALUATOR_WAIT_SECS = 300.0


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
    """Does this process's part of a training up to `max_steps` with evaluations and exports.

    Alone, or as chief: trains; evaluates and exports after checkpoints and at the end, unless an evaluator does. As
    worker: trains, or serves a chief
    that trains on parameter servers. As ps: serves. As evaluator: evaluates and exports each checkpoint until
    training has ended.

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
    evaluations = _evaluations(estimator, eval_spec, evaluation_listeners, clock)
    with job_directory.of_process().flushed_at_end():
        return _in_role(estimator, evaluations, train_spec, eval_spec)


def _in_role(
    estimator: Estimator, evaluations: Evaluations, train_spec: TrainSpec, eval_spec: EvalSpec
) -> tuple[dict[str, Any] | None, list[bytes | None] | None]:
    """The part of this process."""
    config = estimator.config
    match config.task_type:
        case "evaluator":
            _follow(estimator, evaluations, train_spec, eval_spec)
        case "ps":
            server.serve(config.cluster, estimator.model_dir, estimator.stop)
        case "worker" if config.distribution is Distribution.PS:
            server.serve(config.cluster, estimator.model_dir, estimator.stop)
        case "worker" if not config.is_chief:
            estimator.stop_reason = None
            estimator.train(train_spec.input_fn, hooks=train_spec.hooks, max_steps=train_spec.max_steps)
        case _:
            return _train(estimator, evaluations, train_spec, eval_spec)
    return evaluations.metrics, evaluations.export_results


def _evaluations(
    estimator: Estimator, spec: EvalSpec, listeners: Sequence[EvaluationListener], clock: Callable[[], float]
) -> Evaluations:
    exporters = _check_exporters(spec.exporters)
    return Evaluations(estimator, spec.input_fn, spec.steps, spec.name, tuple(spec.hooks), exporters, listeners, clock)


def _follow(estimator: Estimator, evaluations: Evaluations, train_spec: TrainSpec, eval_spec: EvalSpec) -> None:
    """The evaluator's part."""
    delay, throttle = eval_spec.start_delay_secs, eval_spec.throttle_secs
    evaluator.Follower(evaluations, delay, throttle, train_spec.max_steps, estimator.stop).follow()


def _train(
    estimator: Estimator, evaluations: Evaluations, train_spec: TrainSpec, eval_spec: EvalSpec
) -> tuple[dict[str, Any] | None, list[bytes | None] | None]:
    """The part of the one process that owns checkpoints, summaries and the record of the end."""
    local = _LocalEvaluator(evaluations, train_spec.max_steps, eval_spec.throttle_secs)
    alone = not estimator.config.has_evaluator
    record = _TrainingRecord(estimator)
    estimator.stop_reason = None
    try:
        estimator.train(
            train_spec.input_fn,
            hooks=train_spec.hooks,
            max_steps=train_spec.max_steps,
            saving_listeners=[record, *train_spec.saving_listeners, *([local] if alone else [])],
        )
        if estimator.stop_reason is not StopReason.INTERRUPTED and alone:
            local.finish()
    except Exception as error:
        if not isinstance(error, PeerLostError):  # that job goes on when its processes are back
            record.failed()
        raise
    record.ended(estimator.stop_reason)
    if not alone and estimator.stop_reason not in (None, StopReason.INTERRUPTED):
        return _evaluated_elsewhere(evaluations)
    return evaluations.metrics, evaluations.export_results


def _evaluated_elsewhere(evaluations: Evaluations) -> tuple[dict[str, Any] | None, list[bytes | None] | None]:
    """The evaluator's metrics of the last checkpoint; those of this process where no evaluator is there any more."""
    directory, latest = evaluations.estimator.model_dir, evaluations.estimator.latest_checkpoint()
    awaited = evaluator.wait_for_last(directory, step_of(latest) if latest else 0, EVALUATOR_WAIT_SECS)
    if awaited.gone:
        evaluator.stand_in(evaluations)
        return evaluations.metrics, evaluations.export_results
    return awaited.metrics, None


def _check_arguments(estimator: Any, train_spec: Any, eval_spec: Any) -> None:
    if not isinstance(estimator, Estimator):
        raise TypeError(f"estimator is {estimator!r}. It takes an Estimator")
    if not isinstance(train_spec, TrainSpec):
        raise TypeError(f"train_spec is {train_spec!r}. It takes a TrainSpec")
    if not isinstance(eval_spec, EvalSpec):
        raise TypeError(f"eval_spec is {eval_spec!r}. It takes an EvalSpec")
    _check_config(estimator.config)


def _check_config(config: RunConfig) -> None:
    if not config.saves_checkpoints:
        raise ValueError(
            "train_and_evaluate was called while saving is off. It evaluates and exports checkpoints. "
            "Set save_checkpoints_steps or save_checkpoints_secs of the RunConfig"
        )


class _TrainingRecord(CheckpointSaverListener):
    """`training_done.json`: that training has ended, and why, for whoever follows the checkpoints."""

    def __init__(self, estimator: Estimator) -> None:
        self._estimator = estimator

    def begin(self) -> None:
        job_directory.of_process().at(self._estimator.model_dir).records.remove(TRAINING_DONE)

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
        return read_record(self._estimator.model_dir, TRAINING_DONE).get("reason")

    def _write(self, reason: str) -> None:
        latest = self._estimator.latest_checkpoint()
        step, name = (0, None) if latest is None else (step_of(latest), os.path.basename(latest))
        record = {"reason": reason, "global_step": step, "checkpoint": name}
        write_record(self._estimator.model_dir, TRAINING_DONE, record)


class _LocalEvaluator(CheckpointSaverListener):
    """Evaluates checkpoints of the training that it listens to."""

    def __init__(self, evaluations: Evaluations, max_steps: int | None, throttle_secs: float) -> None:
        self.evaluations, self._max_steps, self._throttle = evaluations, max_steps, throttle_secs
        self._saves = 0

    def after_save(self, global_step_value: int) -> None:
        self._saves += 1
        hurried = bool(self.evaluations.estimator.stop)  # a runner that ends the process leaves it seconds
        if self._saves > 1 and not hurried and self.evaluations.secs_since_last() >= self._throttle:
            self.evaluations.evaluate(final=self._max_steps is not None and global_step_value >= self._max_steps)

    def finish(self) -> None:
        """Evaluates the last checkpoint if it was not, and lets exporters that export the final model do so."""
        if self._saves:
            self.evaluations.finish()
