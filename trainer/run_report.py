"""report.html of a run: what its events, its summary and its problem give to the page."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import logging
import pathlib
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from trainer import continuing
from trainer.bound_problem import BoundProblem
from trainer.continuing import FACT
from trainer.estimator import Estimator, RunConfig
from trainer.estimator.saving import events, job_directory, manifest
from trainer.estimator.saving.job_directory import JobDirectories
from trainer.job import score_table
from trainer.job.config import RunSettings
from trainer.job.errors import UsageError
from trainer.job.layout import Layout
from trainer.job.report import Summary, commands
from trainer.job.score_table import Figures, ScoreTable
from trainer.problem import argument_names

_log = logging.getLogger(__name__)

HOW_TO_GET = "pip install '.[report]' where setup.py is"
LOSS_NOTE = (
    "The loss is the mean of what the model function returned for the batches; other metrics are of all examples."
)
_MOST_FILES = 6


def is_installed() -> bool:
    """Whether there is what draws the report."""
    return importlib.util.find_spec("matplotlib") is not None


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunReport:
    """A report that can be written.

    Attributes:
      bound: what was trained.
      files: where everything lies.
      directories: through which files are read and written.
      eval_steps: batches in an evaluation; None for all.
      first: the metrics that come first: the score, and what a tuner is told.
    """

    bound: BoundProblem
    files: Layout
    directories: JobDirectories
    eval_steps: int | None
    first: Sequence[str]

    def write(self, estimator: Estimator, summary: Summary, again: str) -> str:
        """Writes the page and returns its path.

        Args:
          estimator: of the run, which predicts what is drawn.
          summary: the figures of the run.
          again: the command that trains further.
        """
        from trainer.reporting import curves
        from trainer.reporting.page import Content, page

        bound, stored = self.bound, self.directories.at(self.files.root).events
        training, evaluations = (events.read_scalars(stored.refresh(folder)) for folder in ("", "eval"))
        own = bound.ask("report", "", summary=summary).strip()
        content = Content(
            summary=summary,
            score=bound.score,
            scores=scores(bound, summary, self.first),
            root=self.files.root,
            notes=[*([own] if own else []), *([LOSS_NOTE] if "loss" in summary.metrics else [])],
            sections={
                "Training": curves.plots(training, evaluations, summary.baselines, bound.score),
                "Evaluation": self._drawn(estimator, summary),
            },
            data=_data(bound),
            commands=commands(summary, self.files.root, again=again),
        )
        self.directories.write(self.files.report, page(content).encode())
        return self.files.report

    def _drawn(self, estimator: Estimator, summary: Summary) -> list[Any]:
        """The problem's own plots; where it fails, a warning and none."""
        from trainer.reporting import evaluated

        plots = self.bound.problem.plots
        if plots is None:
            return []
        try:
            examples = None
            if "examples" in argument_names(plots):
                input_fn = functools.partial(self.bound.dataset, "eval_input_fn")
                examples = evaluated.examples(estimator, input_fn, self.eval_steps)
            return list(self.bound.ask("plots", (), examples=examples, summary=summary, config=estimator.config))
        except Exception as error:  # a person's function, after all is trained
            _log.warning("report.html has no plots of the problem (%s: %s).", type(error).__name__, error)
            return []


def of_ended_run(bound: BoundProblem, run: RunSettings, files: Layout, summary: Summary) -> str:
    """Writes the report of a run that an earlier process ended, whose directory is read only but for that.

    Args:
      bound: as the flags of the run say.
      run: likewise.
      files: of the run.
      summary: that it left.

    Raises:
      UsageError: nothing that draws is installed, or the run has no checkpoint any more.
    """
    if not is_installed():
        raise UsageError("matplotlib, which draws report.html, is not installed", None, HOW_TO_GET)
    directories = job_directory.of_process()
    newest = directories.at(files.root, "report").checkpoints.latest()
    if newest is None:
        raise UsageError(f"{files.root} has no checkpoint", "a run's directory", "Name another one")
    prefix = directories.at(files.root).checkpoints.fetch(newest.rpartition("/")[2])
    bound = dataclasses.replace(continuing.as_trained(bound, prefix), facts=manifest.facts(prefix))
    tag = run.hyperparameter_metric_tag
    made = RunReport(
        bound=bound,
        files=files,
        directories=directories,
        eval_steps=run.eval_steps,
        first=[bound.score.name, *([tag] if tag else [])],
    )
    again = shlex.join([pathlib.Path(sys.executable).name, "-m", "trainer.task", *summary.flags])
    with directories.flushed_at_end():
        return made.write(bound.estimator(RunConfig(model_dir=files.root)), summary, again)


def scores(bound: BoundProblem, summary: Summary, first: Sequence[str]) -> ScoreTable:
    """The run beside simple models.

    Args:
      bound: the problem, which says what is better.
      summary: the figures of the run.
      first: the metrics that come first.
    """
    figures = Figures(
        model=summary.model,
        metrics=summary.metrics,
        baselines=summary.baselines,
        test_metrics=summary.test_metrics,
        directions=bound.directions,
    )
    return score_table.of(figures, first)


def _data(bound: BoundProblem) -> dict[str, str]:
    """The settings of data that are no defaults, and the files as a checkpoint remembers them."""
    defaults = {field.name: field.default for field in dataclasses.fields(bound.data)}
    values = {name: getattr(bound.data, name) for name in (*defaults, "train_batch_size")}
    shown = {
        name: ", ".join(map(str, value)) if isinstance(value, tuple) else str(getattr(value, "value", value))
        for name, value in values.items()
        if value != defaults[name] or name == "train_batch_size"
    }
    files: Mapping[str, Any] = (bound.facts.get(FACT) or {}).get("files") or {}
    for name, records in files.items():
        listed = [f"{record[0]} ({record[1]:,} bytes)" for record in records[:_MOST_FILES]]
        more = [f"and {len(records) - _MOST_FILES} more"] if len(records) > _MOST_FILES else []
        shown[f"files of {name}"] = ", ".join([*listed, *more])
    return shown
