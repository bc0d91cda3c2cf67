"""What a sweep leaves when it ends: sweep.csv, sweep.html, and a summary on the terminal."""

from __future__ import annotations

import csv
import io
import json
import os
import pathlib
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from trainer.job.score_table import figure
from trainer.launch.study.study import Study
from trainer.launch.sweep import best_report
from trainer.launch.sweep import page as sweep_page
from trainer.launch.sweep.console import settings
from trainer.launch.sweep.journal import FILE, Journal
from trainer.launch.sweep.progress import Progress, best
from trainer.launch.sweep.trial_records import Outcome, TrialRecord

CSV, PAGE = "sweep.csv", "sweep.html"
_BEST = "best"


def write(study: Study, task_argv: Sequence[str], journal: Journal, directory: pathlib.Path, *, module: str) -> str:
    """Writes the table and the page, and returns the summary for the terminal.

    Args:
      study: what was searched.
      task_argv: flags of every trial.
      journal: with all trials.
      directory: of the study.
      module: that trials run.
    """
    trials = journal.trials()
    leader = best(study, trials)
    command = None if leader is None else train_command(study, leader, task_argv, directory, module)
    _publish(directory / CSV, table(study, trials))
    page = sweep_page.page(
        study, trials, best=leader, importance=journal.importance(), command=command, directory=directory
    )
    _publish(directory / PAGE, page)
    return closing(study, trials, directory, command)


def train_command(
    study: Study, trial: TrialRecord, task_argv: Sequence[str], directory: pathlib.Path, module: str
) -> str:
    """The command line that trains a trial again, into a folder of its own.

    Args:
      study: for the spelling of its parameters.
      trial: which one.
      task_argv: flags of every trial.
      directory: of the study.
      module: that trials run.
    """
    argv = [f"--output_dir={directory / _BEST}", *task_argv, *study.flags(trial.assignment)]
    return shlex.join([pathlib.Path(sys.executable).name, "-m", module, *argv])


def table(study: Study, trials: Sequence[TrialRecord]) -> str:
    """A row for each trial, as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [parameter.name for parameter in study.parameters]
    writer.writerow(["trial", "state", study.metric, *names, "step", "evaluations", "seconds", "reason"])
    for trial in trials:
        last = trial.evaluations[-1].step if trial.evaluations else ""
        writer.writerow(
            [
                trial.number,
                trial.outcome.value if trial.outcome else "under way",
                "" if trial.value is None else trial.value,
                *(trial.assignment.get(name, "") for name in names),
                last,
                len(trial.evaluations),
                "" if trial.secs is None else f"{trial.secs:.3f}",
                trial.reason,
            ]
        )
    return text.getvalue()


def closing(study: Study, trials: Sequence[TrialRecord], directory: pathlib.Path, command: str | None) -> str:
    """The summary for the terminal: counts, the best trial, where things are, and what to do next.

    Args:
      study: what was searched.
      trials: all, by number.
      directory: of the study.
      command: that trains the best trial; None without one.
    """
    leader = best(study, trials)
    progress = Progress(study=study, trials=trials, now=0.0)
    counts = ", ".join(
        f"{progress.count(outcome)} {outcome.value if outcome else 'under way'}"
        for outcome in (*Outcome, None)
        if progress.count(outcome)
    )
    lines = ["", f"  {'trials':<12}{counts or 'none'}", *_places(study, leader, directory)]
    lines += [f"  {'all trials':<12}{directory / PAGE}", f"  {'table':<12}{directory / CSV}"]
    lines += ["", "Next"] + ([f"  {command}"] if command else [])
    if leader is not None and not (directory / str(leader.number) / best_report.PAGE).is_file():
        lines += [f"  python -m trainer.report --model_dir={shlex.quote(str(directory / str(leader.number)))}"]
    lines += [f"  tensorboard --logdir {shlex.quote(str(directory))}"]
    lines += [f"  optuna-dashboard {shlex.quote(str(directory / FILE))}    (pip install optuna-dashboard)"]
    return "\n".join(lines)


def _places(study: Study, leader: TrialRecord | None, directory: pathlib.Path) -> list[str]:
    """Lines of what the best trial is, and where it lies; none without one."""
    if leader is None:
        return []
    folder = directory / str(leader.number)
    lines = [
        f"  {'best':<12}trial {leader.number}: {study.metric} {figure(leader.value)}",
        f"  {'':<12}{settings(leader)}",
        f"  {'export':<12}{_export_of(folder) or '-'}",
        f"  {'its folder':<12}{folder}",
    ]
    report = folder / best_report.PAGE
    return [*lines, f"  {'its report':<12}{report}"] if report.is_file() else lines


def _export_of(folder: pathlib.Path) -> str | None:
    """As the trial's summary.json names it; None where it has none."""
    try:
        summary: Any = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        return summary["export_dir"] or None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _publish(path: pathlib.Path, text: str) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
