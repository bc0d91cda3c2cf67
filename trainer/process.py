"""One process of a job, in its role: data, estimator, training with evaluations, and what is said at the end."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import json
import logging
import pathlib
import platform
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import trainer
from trainer import storage
from trainer.bound_problem import BoundProblem
from trainer.estimator import (
    Estimator,
    EvalSpec,
    RunConfig,
    TrainSpec,
    train_and_evaluate,
)
from trainer.estimator.distribution import collectives
from trainer.estimator.evaluation.evaluations import EvaluationListener
from trainer.estimator.saving import job_directory, saved_model, served_inputs, tuner
from trainer.estimator.saving.export_store import GRAPH_FILE
from trainer.estimator.saving.job_directory import JobDirectories
from trainer.estimator.steps.progress import Progress
from trainer.estimator.steps.stop import StopReason
from trainer.job import distribution, flags, records, report
from trainer.job.cluster import Cluster
from trainer.job.config import RunSettings
from trainer.job.distribution import Distribution
from trainer.job.errors import TrainingError
from trainer.job.layout import Layout
from trainer.job.signals import SAVED_EXIT_CODE, StopRequest

_log = logging.getLogger(__name__)

_GRACE_SECS = 12.0
"""What cloud runners leave between SIGTERM and the end is 15 s at least; training stops and saves in it, too."""


class JobProcess:
    """One process that trains or evaluates, from the settings to the closing table.

    Args:
      bound: what is trained, on which data, with which settings.
      run: how long, and when to save, evaluate and export.
      cluster: all processes of the job, and which of them this is.
      files: where everything goes; its root exists.
      environ: of the process.
    """

    def __init__(
        self, bound: BoundProblem, run: RunSettings, cluster: Cluster, files: Layout, environ: Mapping[str, str]
    ) -> None:
        self._bound, self._run, self._cluster, self._files = bound, run, cluster, files
        problem, self._started = bound.problem, time.monotonic()
        self._score = report.Score(name=problem.score, maximizes=problem.maximizes)
        tag = run.hyperparameter_metric_tag
        self._tuner = tuner.from_environment(environ, tuple(problem.metrics), tag=tag, trial=cluster.trial)
        self._progress = Progress(run.max_steps(bound.data.num_epochs))
        self._directories = job_directory.of_process()

    @property
    def global_step(self) -> int | None:
        """Of the last device call; None before the first."""
        return self._progress.global_step

    def run(self, stop: StopRequest) -> int:
        """Trains, evaluates, exports and reports; returns the exit code.

        Raises:
          JobError: on data or a loss that make no sense, where they are known to be the cause.
        """
        scores = self._cluster.is_chief or self._cluster.is_evaluator
        baselines = _beside(lambda: self._bound.baselines() if scores else {})
        estimator = self._bound.estimator(self._run_config())

        def asked(reason: str) -> None:
            estimator.stop.request(reason)
            self._directories.hurry(_GRACE_SECS)

        stop.tell(asked)
        if self._files.tensorboard is not None:
            self._directories.copy_events(self._files.root, self._files.tensorboard)
        with self._directories.flushed_at_end():
            code = self._finish(estimator, baselines, stop)
        self._serve_newest(code, elsewhere=estimator.config.has_evaluator)
        return code

    def _serve_newest(self, code: int, *, elsewhere: bool) -> None:
        """Copies the newest export to where Vertex AI takes the model of a job from."""
        if self._files.served_model is None or code or not self._cluster.is_chief:
            return
        export = _newest_export(self._files, self._run, elsewhere=elsewhere)
        if export is not None:
            with tempfile.TemporaryDirectory(prefix="trainer-export-") as folder:
                storage.copy_in(export, folder)
                storage.copy_out(folder, self._files.served_model, last=GRAPH_FILE)
            _log.info("The model of %s is in %s.", export, self._files.served_model)

    def _finish(self, estimator: Estimator, baselines: Future[Mapping[str, float]], stop: StopRequest) -> int:
        """Trains, and reports where that is this process's part."""
        cluster = self._cluster
        metrics = self._train(estimator, baselines)
        if stop.reason is not None or estimator.stop_reason is StopReason.INTERRUPTED:
            why = stop.reason or "another process of the job was asked to end"
            _log.info("Saved after %s; run the same command again to continue.", why)
            return SAVED_EXIT_CODE
        if not cluster.is_chief:
            return 0
        if metrics is None and self._directories.read(self._files.summary) is not None:
            _log.info("Nothing to do: %s is trained. Raise --train_steps to train further.", self._files.root)
            return 0
        self._report(estimator, baselines.result(), metrics or self._caught_up(estimator))
        return 0

    def _train(self, estimator: Estimator, baselines: Future[Mapping[str, float]]) -> dict[str, Any] | None:
        """Metrics of the last evaluation; None where there was nothing to train."""

        def log_evaluation(metrics: Mapping[str, Any], checkpoint_path: str) -> None:
            _log.info("%s", report.evaluation_line(metrics, baselines.result(), self._score))

        train_spec = TrainSpec(
            self._bound.input_fn("train_input_fn"),
            max_steps=self._run.max_steps(self._bound.data.num_epochs),
            hooks=[*self._bound.hooks(estimator.config), *([self._progress] if self._cluster.is_chief else [])],
        )
        listeners: list[EvaluationListener] = [log_evaluation, self._tuner]
        eval_spec = self._eval_spec(estimator.config)
        try:
            with self._progress.shown() if self._cluster.is_chief else contextlib.nullcontext():
                metrics, _ = train_and_evaluate(estimator, train_spec, eval_spec, evaluation_listeners=listeners)
        except tf.errors.InvalidArgumentError as error:
            fault = self._bound.fault(str(error))
            raise (error if fault is None else fault) from error
        return metrics

    def _caught_up(self, estimator: Estimator) -> dict[str, Any]:
        """Evaluates and exports what a run trained that was ended before it could; returns the metrics."""
        checkpoint = estimator.latest_checkpoint()
        if checkpoint is None:
            raise TrainingError("Training made no step", "data that hold a whole batch", "Lower --train_batch_size")
        metrics = estimator.evaluate(self._bound.input_fn("eval_input_fn"), steps=self._run.eval_steps)
        if estimator.config.has_evaluator:  # it reports and exports, even if it is late
            return metrics
        self._tuner(metrics, checkpoint)
        for exporter in self._bound.exporters(self._run.exporter, estimator.config):
            exporter.export(estimator, self._files.exports_of(exporter.name), checkpoint, metrics, True)
        return metrics

    def _run_config(self) -> RunConfig:
        return RunConfig(
            model_dir=self._files.root,
            tf_random_seed=self._bound.data.seed,
            save_checkpoints_steps=self._run.save_checkpoints_steps,
            save_checkpoints_secs=self._run.save_secs,
            keep_checkpoint_max=self._run.keep_checkpoint_max,
            steps_per_loop=self._run.steps_per_loop,
            strategy=self._run.strategy.value,
            cluster=self._cluster,
            train_distribute=self._joined(),
            push_every=self._run.push_every,
            separate_evaluator=self._run.separate_evaluator,
        )

    def _joined(self) -> tf.distribute.Strategy | None:
        """The strategy of synchronous processes, which meet before a model computes anything; None for others."""
        decided = distribution.decide(self._cluster, self._run.strategy.value)
        return collectives.join(self._cluster) if decided is Distribution.SYNC else None

    def _eval_spec(self, config: RunConfig) -> EvalSpec:
        return EvalSpec(
            self._bound.input_fn("eval_input_fn"),
            steps=self._run.eval_steps,
            exporters=self._bound.exporters(self._run.exporter, config),
            start_delay_secs=self._run.eval_delay_secs,
            throttle_secs=self._run.min_eval_frequency,
        )

    def _report(self, estimator: Estimator, baselines: Mapping[str, float], metrics: Mapping[str, Any]) -> None:
        rate = self._progress.speed.steps_per_sec
        step_examples = estimator.batches_per_step * self._bound.data.train_batch_size
        summary = report.Summary(
            global_step=int(metrics["global_step"]),
            reason=_reason(self._directories, self._files),
            metrics=_scalars(metrics),
            test_metrics=self._test_metrics(estimator),
            baselines=baselines,
            steps_per_sec=rate,
            examples_per_sec=None if rate is None else rate * step_examples,
            seconds=time.monotonic() - self._started,
            checkpoint=estimator.latest_checkpoint(),
            export_dir=_newest_export(self._files, self._run, elsewhere=estimator.config.has_evaluator),
            model=self._model_name(),
            params=_plain(self._bound.params),
            versions=_versions(),
        )
        self._directories.write(self._files.summary, records.text(summary.record()).encode())
        self._directories.remove(self._files.failure)
        inputs = served_inputs.of_export(summary.export_dir) if summary.export_dir else ()
        again = self._again(summary.global_step)
        print(report.table(summary, self._files.root, self._score, inputs=inputs, again=again))
        if own := self._bound.report(summary):
            print(own)

    def _model_name(self) -> str:
        """What `--model` names, where the problem has such a flag; else the problem itself."""
        model = getattr(self._bound.params, "model", pathlib.Path(self._run.problem).stem)
        return str(model.value if isinstance(model, enum.Enum) else model)

    def _test_metrics(self, estimator: Estimator) -> dict[str, Any] | None:
        """Metrics of the last checkpoint on the test part; None without one."""
        if not self._bound.has_test_part():
            return None
        return _scalars(estimator.evaluate(self._bound.input_fn("test_input_fn"), name="test"))

    def _again(self, step: int) -> str:
        """The command that trains as long again."""
        longer = dataclasses.replace(self._run, train_steps=2 * step)
        for_ever = dataclasses.replace(self._bound.data, num_epochs=None)
        argv = flags.to_argv(longer, for_ever, self._bound.params)
        return shlex.join([pathlib.Path(sys.executable).name, "-m", "trainer.task", *argv])


def _beside(work: Callable[[], Mapping[str, float]]) -> Future[Mapping[str, float]]:
    """Starts work in a thread of its own: training need not wait for the scores of simple forecasts."""
    return ThreadPoolExecutor(1, thread_name_prefix="baselines").submit(work)


def _reason(directories: JobDirectories, files: Layout) -> str:
    """Why training ended, as `training_done.json` says; without it, it ended well and was cut off afterwards."""
    done = directories.read(files.training_done)
    return "max_steps" if done is None else str(json.loads(done)["reason"])


def _newest_export(files: Layout, run: RunSettings, *, elsewhere: bool) -> str | None:
    """The newest export of the first exporter that has one.

    Args:
      files: of the job.
      run: names the exporters.
      elsewhere: whether another process exports.
    """
    for kind in run.exporter:
        folder = files.exports_of(kind.value)
        exports = set(saved_model.exports(folder))
        if elsewhere:
            marks = storage.entries(storage.join(storage.escaped(folder), "[0-9]" * 10, f"{GRAPH_FILE}*"))
            exports |= {entry.path.rpartition("/")[0] for entry in marks}
        if exports:
            return max(exports)
    return None


def _scalars(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The metrics that are one number."""
    return {name: value for name, value in metrics.items() if np.ndim(value) == 0}


def _plain(params: Any) -> dict[str, Any]:
    """The fields that are flags, as JSON has them."""
    fields = [field.name for field in dataclasses.fields(params) if field.metadata.get("flag", True)]
    values = {name: getattr(params, name) for name in fields}
    return {name: value.value if isinstance(value, enum.Enum) else value for name, value in values.items()}


def _versions() -> dict[str, str]:
    return {
        "trainer": trainer.__version__,
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
    }
