"""A hyperparameter study on this machine: trials as processes, a few at a time, and a journal to resume from."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pathlib
import secrets
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from trainer.job.errors import UsageError
from trainer.job.signals import listening
from trainer.launch import machine, task_flags
from trainer.launch.cluster import tasks
from trainer.launch.study import search_space, study_file
from trainer.launch.study.study import Study
from trainer.launch.sweep import best_report
from trainer.launch.sweep import options as sweep_options
from trainer.launch.sweep.options import SweepOptions

if TYPE_CHECKING:
    from trainer.launch.sweep.journal import Journal
    from trainer.launch.sweep.trial_records import TrialRecord


def main(argv: Sequence[str]) -> int:
    """Runs or continues the study that `argv` describes; 0 done, 1 too many trials failed, 143 state saved.

    Raises:
      flags.HelpRequested, UsageError: before anything is started.
    """
    chosen, task_argv = sweep_options.parse(argv)
    study = read_study(chosen, task_argv)
    if importlib.util.find_spec("optuna") is None:
        raise UsageError("Optuna, on which sweeps run, is not installed", None, 'pip install ".[launch]"')
    return _run(chosen, task_argv, study)


def _run(options: SweepOptions, task_argv: Sequence[str], study: Study) -> int:
    from trainer.launch.sweep.journal import Journal  # this and those below need Optuna and rich
    from trainer.launch.sweep.warm_pool import TrialProcesses

    directory = create_directory(options.directory)
    threads = max(machine.cores() // study.max_parallel_trials, 1)
    environ = tasks.environment(os.environ, threads=threads)
    with contextlib.ExitStack() as stack:
        journal = stack.enter_context(Journal(directory, study, task_argv, options.seed, lambda: secrets.randbits(31)))
        stop = stack.enter_context(listening())

        def open_processes() -> TrialProcesses:
            return TrialProcesses(
                options.module, environ, directory / "warm.log", fresh=not options.warm, keep=[journal.lock]
            )

        ended = _has_ended(study, journal.trials())
        early = [] if ended else [stack.enter_context(open_processes())]  # it imports while this process does

        from trainer.launch.sweep import results as sweep_results
        from trainer.launch.sweep.console import Lines, LiveTable, View
        from trainer.launch.sweep.loop import Sweep

        view: View = LiveTable(sys.stdout) if sys.stdout.isatty() else Lines(sys.stdout)
        stack.callback(view.close)

        def next_processes() -> TrialProcesses:
            return early.pop() if early else open_processes()

        sweep = Sweep(options, study, task_argv, journal, next_processes, view, environ)
        with contextlib.closing(view), contextlib.closing(sweep):
            code = sweep.run(stop)
        if code == 0:
            _draw_best(options, study, journal, directory, environ)
        closing = sweep_results.write(study, task_argv, journal, directory, module=options.module)
        if not view.closed:
            print(closing, flush=True)
    return code


def _has_ended(study: Study, records: Sequence[TrialRecord]) -> bool:
    return len(records) >= study.max_trials and all(record.outcome is not None for record in records)


def _draw_best(
    options: SweepOptions, study: Study, journal: Journal, directory: pathlib.Path, environ: Mapping[str, str]
) -> None:
    """The report of the best trial, where it is wanted; a warning where it cannot be drawn.

    Args:
      options: of the sweep.
      study: what was searched.
      journal: with all trials.
      directory: of the study.
      environ: of trials.
    """
    from trainer.launch.sweep.progress import best

    leader = best(study, journal.trials()) if options.module == task_flags.TASK_MODULE else None
    if leader is None or not best_report.is_due(directory / str(leader.number), options.report):
        return
    trouble = best_report.draw(directory / str(leader.number), environ, directory / "report.log")
    if trouble is not None:
        print(f"Trial {leader.number} has no report: {trouble}", file=sys.stderr)


def read_study(chosen: SweepOptions, task_argv: Sequence[str] = ()) -> Study:
    """The study of the file; notes on it go to stderr. Raises UsageError with every fault of the file."""
    of_task = search_space.of_task(task_argv) if chosen.module == task_flags.TASK_MODULE else None
    examined = study_file.examine(chosen.config, of_task)
    study = study_file.require(examined)
    for note in examined.findings:
        print(note, file=sys.stderr)
    return study


def create_directory(path: str) -> pathlib.Path:
    """The directory, created where it does not exist. Raises UsageError where that fails."""
    directory = pathlib.Path(path).expanduser()
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        got = f"--output_dir={path}: {error.strerror or error}"
        raise UsageError(got, "a directory, or a path for a new one", "Change it") from error
    if not os.access(directory, os.W_OK | os.X_OK):
        raise UsageError(f"--output_dir={path} is not writable", None, "Change its permissions, or the directory")
    return directory
