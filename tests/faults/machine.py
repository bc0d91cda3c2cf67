"""Troubles of the machine in the middle of a training: what a person reads, what is left, and the exit code.

python -m tests.faults.machine
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from typing import Any

from tests.faults import machine_problem

PROBLEM = pathlib.Path(machine_problem.__file__)
ROOT = PROBLEM.parent.parent.parent
FLAGS = (
    "--train_steps=60",
    "--save_checkpoints_steps=10",
    "--steps_per_loop=5",
    "--eval_steps=1",
    "--exporter=",
    "--noreport",
)
LIMIT_SECS = 300


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a training ended.

    Attributes:
      code: its exit code; negative after a signal.
      words: what it wrote to the standard error.
      steps: of the checkpoints that it left.
      record: its `failure.json`; None where there is none.
    """

    code: int
    words: str
    steps: tuple[int, ...]
    record: dict[str, Any] | None


def run(trouble: str, directory: pathlib.Path, python: str | pathlib.Path = sys.executable) -> Outcome:
    """Trains 60 steps in a new directory, in a process of its own.

    Args:
      trouble: that it meets.
      directory: to train in.
      python: runs it.
    """
    environ = {**os.environ, "TROUBLE": trouble, "CLOUD_ML_HP_METRIC_FILE": f"{directory}.metrics"}
    command = [python, "-m", "trainer.task", f"--problem={PROBLEM}", f"--output_dir={directory}", *FLAGS]
    done = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=LIMIT_SECS
    )
    steps = sorted(int(path.stem.rpartition("-")[2]) for path in directory.glob("model.ckpt-*.index"))
    failure = directory / "failure.json"
    record = json.loads(failure.read_text()) if failure.exists() else None
    return Outcome(code=done.returncode, words=done.stderr, steps=tuple(steps), record=record)


def main() -> int:
    """Prints a table of all troubles."""
    print(f"{'trouble':<20} {'exit':>4}  {'newest checkpoint':>17}  {'failure.json':<12}  last line of ours")
    for trouble in machine_problem.troubles(""):
        with tempfile.TemporaryDirectory() as folder:
            outcome = run(trouble, pathlib.Path(folder, "run"))
        ours = [line for line in outcome.words.splitlines() if "trainer.task: " in line or " E " in line]
        newest = outcome.steps[-1] if outcome.steps else "none"
        print(
            f"{trouble:<20} {outcome.code:>4}  {newest:>17}  {outcome.record is not None!s:<12}  {(ours or [''])[-1]}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
