"""What the chief of a run leaves and says at its end: `summary.json`, and the table with the same figures."""

from __future__ import annotations

import dataclasses
import enum
import logging
import pathlib
import platform
import shlex
import sys
import tempfile
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import trainer
from trainer import run_report, storage
from trainer.bound_problem import BoundProblem
from trainer.estimator import Estimator
from trainer.estimator.saving import saved_model, served_inputs
from trainer.estimator.saving.checkpoints import step_of
from trainer.estimator.saving.coordination_files import EVALUATOR, TRAINING_DONE, read_record
from trainer.estimator.saving.job_directory import JobDirectories
from trainer.estimator.saving.tuner import TunerFile
from trainer.job import flags, json_log, records, report
from trainer.job.cluster import EVALUATOR as EVALUATOR_TASK
from trainer.job.config import DataConfig, RunSettings
from trainer.job.goodput import Tally
from trainer.job.layout import GRAPH_FILE, Layout
from trainer.job.records import DamagedRecordError
from trainer.job.report import Summary
from trainer.run_report import RunReport

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Closing:
    """The end of a run.

    Attributes:
      bound: what was trained, on which data, with which settings.
      run: how long, and what was exported.
      files: where everything lies.
      directories: through which files are read and written.
      is_trial: whether this is a trial of a study.
    """

    bound: BoundProblem
    run: RunSettings
    files: Layout
    directories: JobDirectories
    is_trial: bool = False

    def show(
        self,
        estimator: Estimator,
        metrics: Mapping[str, Any],
        baselines: Mapping[str, float],
        steps_per_sec: float | None,
        seconds: float,
        goodput: Tally,
        profile: Mapping[str, Any] | None = None,
    ) -> Summary:
        """Evaluates the test part, if there is one, writes the summary, which it returns, and prints the table.

        Args:
          estimator: after its training.
          metrics: of the last evaluation.
          baselines: scores of simple models.
          steps_per_sec: while training; None when no step was made.
          seconds: of the whole run.
          goodput: what the time of the job went into.
          profile: what a trace of some steps shows, where one was asked for.
        """
        step_examples = estimator.batches_per_step * self.bound.data.train_batch_size
        summary = Summary(
            global_step=int(metrics["global_step"]),
            reason=self._reason(),
            metrics=scalars(metrics),
            test_metrics=self._test_metrics(estimator),
            baselines=baselines,
            steps_per_sec=steps_per_sec,
            examples_per_sec=None if steps_per_sec is None else steps_per_sec * step_examples,
            seconds=seconds,
            goodput=report.goodput_figures(goodput),
            profile=profile,
            checkpoint=estimator.latest_checkpoint(),
            export_dir=newest_export(self.directories, self.files, self.run, elsewhere=estimator.config.has_evaluator),
            model=model_name(self.bound, self.run),
            params=settings_of(self.bound.params),
            versions=_versions(),
            flags=self._argv(self.run, self.bound.data),
        )
        self.directories.write(
            self.files.summary, records.text(records.sealed(records.strict(summary.record()))).encode()
        )
        self.directories.remove(self.files.failure)
        self._print(summary, self._written_report(estimator, summary))
        return summary

    def _print(self, summary: Summary, written: str) -> None:
        inputs = served_inputs.of_export(summary.export_dir) if summary.export_dir else ()
        scores = run_report.scores(self.bound, summary, self._first())
        again = self._again(summary.global_step)
        table = report.table(summary, self.files.root, scores, written=written, inputs=inputs, again=again)
        json_log.say(table, sys.stdout, {"summary": summary.record()})
        if own := self.bound.ask("report", "", summary=summary):
            print(own)

    def _written_report(self, estimator: Estimator, summary: Summary) -> str:
        """The path of report.html, or how to get one; empty where nobody asks for it. It never fails a run."""
        if self.run.report is False or (self.run.report is None and self.is_trial):
            return ""
        if not run_report.is_installed():
            return f"- ({run_report.HOW_TO_GET})"
        made = RunReport(
            bound=self.bound,
            files=self.files,
            directories=self.directories,
            eval_steps=self.run.eval_steps,
            first=self._first(),
        )
        try:
            return made.write(estimator, summary, self._again(summary.global_step))
        except Exception as error:
            _log.warning("report.html was not written (%s: %s).", type(error).__name__, error)
            return "-"

    def _first(self) -> list[str]:
        """The metrics that come first: the score, and what a tuner is told."""
        tag = self.run.hyperparameter_metric_tag
        return [self.bound.score.name, *([tag] if tag else [])]

    def _reason(self) -> str:
        """Why training ended, as `training_done.json` says; without it, it ended well and was cut off afterwards."""
        done = read_record(self.directories.at(self.files.root), TRAINING_DONE)
        return str(done.get("reason", "max_steps"))

    def _test_metrics(self, estimator: Estimator) -> dict[str, Any] | None:
        """Metrics of the last checkpoint on the test part; None without one."""
        if self.bound.dataset("test_input_fn") is None:
            return None
        return scalars(estimator.evaluate(self.bound.input_fn("test_input_fn"), name="test"))

    def _again(self, step: int) -> str:
        """The command that trains as long again."""
        longer = dataclasses.replace(self.run, train_steps=2 * step, new_data=False, new_settings=False)
        for_ever = dataclasses.replace(self.bound.data, num_epochs=None)
        return shlex.join([pathlib.Path(sys.executable).name, "-m", "trainer.task", *self._argv(longer, for_ever)])

    def _argv(self, run: RunSettings, data: DataConfig) -> list[str]:
        return flags.to_argv(run, data, self.bound.params)


def earlier_summary(directories: JobDirectories, files: Layout) -> dict[str, Any] | None:
    """The summary of a run that has ended before; None where there is none, or none that can be believed.

    Args:
      directories: of this process.
      files: of the job.
    """
    content = directories.read(files.summary)
    if content is None:
        return None
    try:
        kinds = {"metrics": dict, "global_step": int}
        return records.parsed(content, files.summary, kinds, {"checkpoint": (str, type(None))})
    except DamagedRecordError as error:
        _log.warning("%s. It is written anew.", error.got)
        return None


def tell_again(tuner_file: TunerFile, estimator: Estimator, files: Layout) -> None:
    """Tells a tuner of the last evaluation of a run that had ended: the file may be gone with the pod that wrote it.

    Whoever does not evaluate tells nothing.

    Args:
      tuner_file: where one evaluation is reported once.
      estimator: of the run, whose last checkpoint was evaluated.
      files: of the job.
    """
    config = estimator.config
    if config.task_type == EVALUATOR_TASK:  # it leaves no summary
        record = read_record(estimator.directory, EVALUATOR)
    elif not config.is_chief or config.has_evaluator:
        return
    else:
        record = earlier_summary(estimator.directories, files) or {}
    checkpoint = estimator.latest_checkpoint()
    if checkpoint is not None and record.get("metrics") and record.get("global_step") == step_of(checkpoint):
        tuner_file({**record["metrics"], "global_step": record["global_step"]}, checkpoint)


def serve_newest(directories: JobDirectories, files: Layout, run: RunSettings, *, elsewhere: bool) -> None:
    """Copies the newest export to where Vertex AI takes the model of a job from, if it runs there.

    Args:
      directories: of this process.
      files: of the job.
      run: names the exporters.
      elsewhere: whether another process exports.
    """
    if files.served_model is None:
        return
    export = newest_export(directories, files, run, elsewhere=elsewhere)
    if export is not None:
        with tempfile.TemporaryDirectory(prefix="trainer-export-") as folder:
            storage.copy_in(export, folder)
            storage.copy_out(folder, files.served_model, last=GRAPH_FILE)
        _log.info("The model of %s is in %s.", export, files.served_model)


def newest_export(directories: JobDirectories, files: Layout, run: RunSettings, *, elsewhere: bool) -> str | None:
    """The newest export of the first exporter that has one.

    Args:
      directories: of this process.
      files: of the job.
      run: names the exporters.
      elsewhere: whether another process exports.
    """
    for kind in run.exporter:
        folder = files.exports_of(kind.value)
        exports = set(saved_model.exports(directories, folder))
        if elsewhere:
            marks = storage.entries(storage.join(storage.escaped(folder), "[0-9]" * 10, f"{GRAPH_FILE}*"))
            exports |= {entry.path.rpartition("/")[0] for entry in marks}
        if exports:
            return max(exports)
    return None


def scalars(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The metrics that are one number."""
    return {name: value for name, value in metrics.items() if isinstance(value, int | float | np.number)}


def model_name(bound: BoundProblem, run: RunSettings) -> str:
    """What `--model` names, where the problem has such a flag; else the problem itself.

    Args:
      bound: the problem with its settings.
      run: names the problem.
    """
    file_or_module = pathlib.PurePath(run.problem.removesuffix(".py")).name
    model = getattr(bound.params, "model", file_or_module.rpartition(".")[2])
    return str(model.value if isinstance(model, enum.Enum) else model)


def settings_of(settings: Any) -> dict[str, Any]:
    """The fields that are flags, as JSON has them.

    Args:
      settings: a dataclass.
    """
    fields = [field.name for field in dataclasses.fields(settings) if field.metadata.get("flag", True)]
    values = {name: getattr(settings, name) for name in fields}
    return {name: value.value if isinstance(value, enum.Enum) else value for name, value in values.items()}


def _versions() -> dict[str, str]:
    return {
        "trainer": trainer.__version__,
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
    }
