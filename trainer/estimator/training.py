"""`train_and_evaluate`: one training with evaluations and exports, in the role that this process has in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from trainer.estimator.contract.run_config import RunConfig
from trainer.estimator.distribution import server, server_notices
from trainer.estimator.distribution.collectives import PeerLostError
from trainer.estimator.estimator import Estimator
from trainer.estimator.evaluation import evaluator
from trainer.estimator.evaluation.evaluations import EvaluationListener, Evaluations
from trainer.estimator.evaluation.local_evaluator import LocalEvaluator
from trainer.estimator.evaluation.specs import EvalSpec, TrainSpec
from trainer.estimator.evaluation.training_record import TrainingRecord
from trainer.estimator.graph.inside.modes import eagerly
from trainer.estimator.saving import ownership
from trainer.estimator.saving.checkpoints import step_of
from trainer.estimator.steps.timing.stop import StopReason, StopRequestedError
from trainer.job.distribution import Distribution

EVALUATOR_WAIT_SECS = 300.0
"""How long a chief waits for the evaluation of its last checkpoint."""


@eagerly
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
    worker: trains, or serves a chief that trains on parameter servers. As ps: serves. As evaluator: evaluates and
    exports each checkpoint until training has ended.

    Every checkpoint but the first is evaluated when `throttle_secs` have passed since the last evaluation began, and
    the last one always is. Where another process of the job evaluates, this one only trains. Why training ended is
    recorded in `training_done.json`, at the very end; while training runs there is no such file.

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
      InUseError: another process trains in the directory.
      UsageError: a tuner is to be told a metric that evaluations do not report.
    """
    _check_arguments(estimator, train_spec, eval_spec)
    evaluations = Evaluations(estimator, eval_spec, evaluation_listeners, clock)
    with estimator.directories.flushed_at_end():
        _in_role(evaluations, train_spec)
    return evaluations.metrics, evaluations.export_results


def _in_role(evaluations: Evaluations, train_spec: TrainSpec) -> None:
    """The part of this process."""
    estimator, spec = evaluations.estimator, evaluations.spec
    config = estimator.config
    if config.task_type == "evaluator" or (config.is_chief and not config.has_evaluator):
        evaluations.check_listeners()
    match config.task_type:
        case "evaluator":
            evaluator.Follower(
                evaluations, spec.start_delay_secs, spec.throttle_secs, train_spec.max_steps, estimator.stop
            ).follow()
        case "ps":
            server.serve(config.cluster, estimator.directory, estimator.stop)
        case "worker" if config.distribution is Distribution.PS:
            server.serve(config.cluster, estimator.directory, estimator.stop)
        case "worker" if not config.is_chief:
            estimator.train(train_spec.input_fn, hooks=train_spec.hooks, max_steps=train_spec.max_steps)
        case _ if config.distribution is Distribution.PS:
            with server_notices.followed(estimator.directory, estimator.stop):
                _train(evaluations, train_spec)
        case _:
            with ownership.alone(estimator.directory, config):
                _train(evaluations, train_spec)


def _train(evaluations: Evaluations, train_spec: TrainSpec) -> None:
    """The part of the one process that owns checkpoints, summaries and the record of the end."""
    estimator, record = evaluations.estimator, TrainingRecord(evaluations.estimator)
    local = LocalEvaluator(evaluations, train_spec.max_steps, evaluations.spec.throttle_secs)
    evaluates = not estimator.config.has_evaluator
    try:
        estimator.train(
            train_spec.input_fn,
            hooks=train_spec.hooks,
            max_steps=train_spec.max_steps,
            saving_listeners=[record, *train_spec.saving_listeners, *([local] if evaluates else [])],
        )
        if estimator.stop_reason is not StopReason.INTERRUPTED and evaluates:
            local.finish()
    except (PeerLostError, StopRequestedError):  # that job resumes
        raise
    except Exception:
        record.failed()
        raise
    record.ended(estimator.stop_reason)
    if not evaluates and estimator.stop_reason not in (None, StopReason.INTERRUPTED):
        _take_over_last_evaluation(evaluations)


def _take_over_last_evaluation(evaluations: Evaluations) -> None:
    """Waits for the evaluator's metrics of the last checkpoint; evaluates it here where no evaluator is there."""
    directory, latest = evaluations.estimator.directory, evaluations.estimator.latest_checkpoint()
    awaited = evaluator.wait_for_last(directory, step_of(latest) if latest else 0, EVALUATOR_WAIT_SECS)
    if awaited.gone:
        evaluator.stand_in(evaluations)
    else:
        evaluations.metrics = awaited.metrics


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
