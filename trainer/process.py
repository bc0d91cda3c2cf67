"""One process of a job, in its role: data, estimator, training with evaluations, and what is said at the end."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from trainer import metrics_check
from trainer.bound_problem import BoundProblem, faults_located
from trainer.closing import (
    Closing,
    earlier_summary,
    model_name,
    scalars,
    serve_newest,
    settings_of,
    tell_again,
)
from trainer.end_in_time import EndInTime
from trainer.estimator import (
    Estimator,
    EvalSpec,
    RunConfig,
    TrainSpec,
    train_and_evaluate,
)
from trainer.estimator.distribution.step_memory import StepMemory
from trainer.estimator.evaluation.early_stopping import EarlyStoppingHook, stop_if_not_better_hook
from trainer.estimator.evaluation.evaluations import EvaluationListener
from trainer.estimator.saving import job_directory, ownership, tuner
from trainer.estimator.saving.job_directory import JobDirectory
from trainer.estimator.saving.tuner import TunerFile
from trainer.estimator.steps.compiling.sealing import SealingHook
from trainer.estimator.steps.monitoring.goodput_record import GoodputRecord
from trainer.estimator.steps.monitoring.profile import Profile
from trainer.estimator.steps.monitoring.progress import Progress
from trainer.estimator.steps.timing.stop import StopReason, StopRequestedError
from trainer.job import distribution, process_age, report, step_profile
from trainer.job.cluster import Cluster
from trainer.job.config import DataConfig, RunSettings
from trainer.job.errors import TrainingError
from trainer.job.layout import Layout
from trainer.job.score_table import Score
from trainer.job.signals import SAVED_EXIT_CODE
from trainer.job.stop_watch import StopWatch
from trainer.job.successors import Place
from trainer.metrics_check import MetricsCheck
from trainer.peers import meet
from trainer.stall_watch import StallWatch
from trainer.storage import compiled_programs
from trainer.tracking.trackers import Trackers, TrackingHook

_log = logging.getLogger(__name__)


class JobProcess:
    """One process that trains or evaluates, from the settings to the closing table.

    Args:
      bound: what is trained, on which data, with which settings.
      run: how long, and when to save, evaluate and export.
      cluster: all processes of the job, and which of them this is.
      files: where everything goes; its root exists.
      environ: of the process.
      place: whose place it takes, in a synchronous job whose processes have successors.

    Attributes:
      stalls: says what it waits for; to be watching while it runs.
    """

    def __init__(
        self,
        bound: BoundProblem,
        run: RunSettings,
        cluster: Cluster,
        files: Layout,
        environ: Mapping[str, str],
        place: Place | None = None,
    ) -> None:
        self._run, self._cluster, self._files = run, cluster, files
        self._place = place
        self._started = time.monotonic()
        self._programs = compiled_programs.in_use(environ)
        self._is_trial = bool(environ.get("CLOUD_ML_TRIAL_ID") or cluster.trial)
        self._age = functools.partial(process_age.secs, environ)
        tag = run.hyperparameter_metric_tag
        tuner_file = tuner.from_environment(environ, bound.metrics, tag=tag, trial=cluster.trial)
        self._bound = metrics_check.noting(bound, tuner_file)
        self._progress = Progress(run.max_steps(bound.data.num_epochs))
        self._directories = job_directory.of_process()
        self.stalls = StallWatch(run.stall_timeout_secs, cluster)
        self._tuner = dataclasses.replace(tuner_file, directories=self._directories)

    @property
    def global_step(self) -> int | None:
        """Of the last device call; None before the first."""
        return self._progress.global_step

    def run(self, stop: StopWatch) -> int:
        """Trains, evaluates, exports and reports; returns the exit code.

        Raises:
          JobError: on data or a loss that make no sense, where they are known to be the cause.
        """
        scores = self._cluster.is_chief or self._cluster.is_evaluator
        baselines = _beside(lambda: self._bound.ask("baselines", {}) if scores else {})
        directory = self._directories.at(self._files.root, ownership.role_of(self._cluster))
        estimator = self._bound.estimator(_run_config(self._run, self._cluster, self._bound.data, directory))
        estimator.account.began(time.monotonic() - self._place.since if self._place else self._age())
        estimator.memory = StepMemory(self._place)
        self._check = MetricsCheck(self._bound, estimator, self._tuner)
        self._check.look_unless_known()
        self._profile = _profile(estimator, self._run, self._cluster, self._files)
        self._stop = EndInTime(stop, estimator, self._directories)
        if self._cluster.is_evaluator:
            self._stop.begin_to_save()
        if self._files.tensorboard is not None:
            self._directories.copy_events(self._files.root, self._files.tensorboard)
        owned = ownership.alone(estimator.directory, estimator.config)
        trackers = _trackers(self._bound, self._run, self._cluster, directory)
        with owned, self._directories.flushed_at_end(), trackers as self._trackers:
            goodput = GoodputRecord(estimator.directory, estimator.account) if self._cluster.is_chief else None
            try:
                code = self._finish(estimator, baselines, stop, goodput)
            except StopRequestedError:
                code = _saved(stop)
            if goodput is not None:
                goodput.ended(well=code == 0)
            trackers.end("finished" if code == 0 else "interrupted")
        if code == 0 and self._cluster.is_chief:
            serve_newest(self._directories, self._files, self._run, elsewhere=estimator.config.has_evaluator)
        return code

    def _finish(
        self,
        estimator: Estimator,
        baselines: Future[Mapping[str, float]],
        stop: StopWatch,
        goodput: GoodputRecord | None,
    ) -> int:
        """Trains, and reports where that is this process's part.

        Args:
          estimator: of the job.
          baselines: scores of simple models.
          stop: asked for by signals.
          goodput: where the chief records its time; None elsewhere.
        """
        metrics = self._train(estimator, baselines, goodput)
        profile = self._profile.record() if self._profile and not self._cluster.is_evaluator else None
        if stop.reason is not None or estimator.stop_reason is StopReason.INTERRUPTED:
            return _saved(stop)
        self._check.look()  # where there was nothing to train
        self._stop.begin_to_save()  # where there was nothing to train
        if metrics is None or goodput is None:  # else the listeners of this training told it
            tell_again(self._tuner, estimator, self._files)
        if goodput is None:
            for name, words in step_profile.words(profile) if profile else ():
                _log.info("%s: %s", name.strip().capitalize(), words)
            return 0
        if metrics is None and earlier_summary(self._directories, self._files) is not None:
            _log.info("Nothing to do: %s is trained. Raise --train_steps to train further.", self._files.root)
            return 0
        closing = Closing(
            bound=self._bound,
            run=self._run,
            files=self._files,
            directories=self._directories,
            is_trial=self._is_trial,
        )
        metrics = metrics or _caught_up(estimator, self._bound, self._run, self._files, self._tuner)
        speed, seconds = self._progress.speed.steps_per_sec, time.monotonic() - self._started
        summary = closing.show(estimator, metrics, baselines.result(), speed, seconds, goodput.tally(), profile)
        self._trackers.results(summary, by_others=estimator.config.has_evaluator)
        return 0

    def _train(
        self, estimator: Estimator, baselines: Future[Mapping[str, float]], goodput: GoodputRecord | None
    ) -> dict[str, Any] | None:
        """Metrics of the last evaluation; None where there was nothing to train."""

        def log_evaluation(metrics: Mapping[str, Any], checkpoint_path: str) -> None:
            line = report.evaluation_line(metrics, baselines.result(), self._bound.directions)
            _log.info("%s", line, extra={"fields": {"metrics": scalars(metrics)}})
            if early_stopping is not None:
                early_stopping.look_soon()

        early_stopping = _early_stopping(estimator, self._run, self._cluster, self._bound.score)
        extra = [TrackingHook(self._trackers), *([early_stopping] if early_stopping else [])]
        own_hooks = [self._progress, goodput, *extra] if goodput else []
        own_hooks += [*([self._profile] if self._profile else []), self._check]
        own_hooks += [SealingHook(self._programs)] if self._programs else []
        train_spec = TrainSpec(
            self._bound.input_fn("train_input_fn"),
            max_steps=self._run.max_steps(self._bound.data.num_epochs),
            hooks=[self._stop, self.stalls, *self._bound.ask("hooks", (), config=estimator.config), *own_hooks],
            saving_listeners=[self._stop.saved, *([goodput] if goodput else [])],
        )
        # The tuner's file as a mere function: what it is told is looked for by `MetricsCheck`.
        listeners: list[EvaluationListener] = [log_evaluation, self._tuner.__call__, self._trackers.evaluated]
        eval_spec = _eval_spec(self._bound, self._run, estimator.config)
        shown = self._progress.shown() if self._cluster.is_chief else contextlib.nullcontext()
        with faults_located(self._bound), self.stalls.naming_peers(), shown:
            metrics, _ = train_and_evaluate(estimator, train_spec, eval_spec, evaluation_listeners=listeners)
        return metrics


def _profile(estimator: Estimator, run: RunSettings, cluster: Cluster, files: Layout) -> Profile | None:
    """What traces some steps; None where nobody asks for it."""
    if not run.profile:
        return None
    return Profile(files.profiles, cluster, estimator.account, distribution.decide(cluster, run.strategy.value))


def _early_stopping(estimator: Estimator, run: RunSettings, cluster: Cluster, score: Score) -> EarlyStoppingHook | None:
    """What ends training when the score no longer gets better; None where nobody asks for it, or in a worker."""
    steps, delta = run.early_stopping_steps, run.early_stopping_min_delta
    if steps is None or not cluster.is_chief:
        return None
    return stop_if_not_better_hook(estimator, score.name, steps, maximizes=score.maximizes, min_delta=delta)


def _caught_up(
    estimator: Estimator, bound: BoundProblem, run: RunSettings, files: Layout, tuner_file: TunerFile
) -> dict[str, Any]:
    """Evaluates and exports what a run trained that was ended before it could; returns the metrics."""
    checkpoint = estimator.latest_checkpoint()
    if checkpoint is None:
        raise TrainingError("Training made no step", "data that hold a whole batch", "Lower --train_batch_size")
    metrics = estimator.evaluate(bound.input_fn("eval_input_fn"), steps=run.eval_steps)
    if estimator.config.has_evaluator:  # it reports and exports, even if it is late
        return metrics
    tuner_file(metrics, checkpoint)
    for exporter in bound.exporters(run.exporter, estimator.config):
        exporter.export(estimator, files.exports_of(exporter.name), checkpoint, metrics, True)
    return metrics


def _trackers(bound: BoundProblem, run: RunSettings, cluster: Cluster, directory: JobDirectory) -> Trackers:
    """Those that the chief tells of the run."""
    given = {**settings_of(bound.data), **settings_of(bound.params), "train_steps": run.train_steps}
    name = f"{directory.path.rstrip('/').rpartition('/')[2]} {model_name(bound, run)}"
    return Trackers(run.tracker if cluster.is_chief else (), directory, name, given)


def _run_config(run: RunSettings, cluster: Cluster, data: DataConfig, directory: JobDirectory) -> RunConfig:
    peers = meet(cluster, run.strategy.value, directory, run.max_steps(data.num_epochs))
    return RunConfig(
        model_dir=directory.path,
        tf_random_seed=data.seed,
        save_checkpoints_steps=run.save_checkpoints_steps,
        save_checkpoints_secs=run.save_secs,
        keep_checkpoint_max=run.keep_checkpoint_max,
        steps_per_loop=run.steps_per_loop,
        strategy=peers.strategy,
        cluster=cluster,
        train_distribute=peers.train_distribute,
        push_every=run.push_every,
        explain_nan_secs=run.explain_nan_secs,
        separate_evaluator=run.separate_evaluator,
    )


def _eval_spec(bound: BoundProblem, run: RunSettings, config: RunConfig) -> EvalSpec:
    return EvalSpec(
        bound.input_fn("eval_input_fn"),
        steps=run.eval_steps,
        exporters=bound.exporters(run.exporter, config),
        start_delay_secs=run.eval_delay_secs,
        throttle_secs=run.min_eval_frequency,
    )


def _saved(stop: StopWatch) -> int:
    why = stop.reason or "another process of the job was asked to end"
    _log.info("Saved after %s; run the same command again to continue.", why)
    return SAVED_EXIT_CODE


def _beside(work: Callable[[], Mapping[str, float]]) -> Future[Mapping[str, float]]:
    """Starts work in a thread of its own: training need not wait for the scores of simple forecasts."""
    return ThreadPoolExecutor(1, thread_name_prefix="baselines").submit(work)
