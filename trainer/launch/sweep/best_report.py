"""report.html of the best trial, drawn once a study has ended: of each trial it would cost more than many a trial."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import subprocess
import sys
from collections.abc import Mapping

from trainer.job import signals
from trainer.launch.sweep import tails

PAGE = "report.html"
_MODULE = "trainer.report"


def is_due(folder: pathlib.Path, asked: bool | None) -> bool:
    """Whether the report of a trial is to be drawn.

    Args:
      folder: of the trial.
      asked: what `--report` says; None where it was not given.
    """
    is_there, has_ended = (folder / PAGE).is_file(), (folder / "summary.json").is_file()
    wanted = importlib.util.find_spec("matplotlib") is not None if asked is None else asked
    return wanted and has_ended and not is_there


def draw(folder: pathlib.Path, environ: Mapping[str, str], log: pathlib.Path) -> str | None:
    """Draws it in a process of its own, as this one has no TensorFlow.

    Args:
      folder: of the trial.
      environ: of the process.
      log: file that its output is added to.

    Returns:
      Why there is none; None where it is there.
    """
    with log.open("ab") as output:
        done = subprocess.run(
            [sys.executable, "-m", _MODULE, f"--model_dir={folder}"],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=signals.bound_to(os.getpid()),
            check=False,
        )
    return None if done.returncode == 0 else f"{' / '.join(tails.last_lines(log, 1))} (see {log})"
