"""How much of a job's time makes steps that count although it is killed every two minutes, and whether it says so.

python -m tests.faults.goodput [--minutes=20] [--every_secs=120] [--step_secs=0.05] [--save_secs=4] [--warm]

The course's job, with steps as long as those of a larger model. It is started again at once after each kill -9; with
`--warm` as a fork of a process that has imported TensorFlow, as a runner might that keeps one.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import re
import sys
import tempfile
import time
from collections.abc import Sequence

from tests.faults import lives, slow_problem
from tests.faults.lives import Life
from tests.forks.fixtures import ROOT, forking

_LIMIT_SECS = 600.0


def run(python: str | pathlib.Path, folder: pathlib.Path, options: argparse.Namespace) -> list[Life]:
    """Trains for some minutes, killed again and again, then for a few steps to the end; returns the processes.

    Args:
      python: that processes are started with.
      folder: new, for all that the job writes.
      options: of the campaign.
    """
    (folder / "stamps").mkdir()
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "STEP_SECS": str(options.step_secs)}
    environ |= {"STEP_STAMPS": str(folder / "stamps"), "CLOUD_ML_HP_METRIC_FILE": str(folder / "metrics")}
    command = [python, "-m", "trainer.task", f"--problem={slow_problem.__file__}", f"--output_dir={folder}/run"]
    command += [f"--save_checkpoints_secs={options.save_secs}", f"--min_eval_frequency={options.eval_secs}", "--seed=1"]
    command += [f"--exporter={options.exporter}"]
    lives.wait_for(python, environ)
    deadline, made = time.time() + 60 * options.minutes, []
    while time.time() < deadline:
        made.append(
            lives.live(
                [*command, "--train_steps=10000000"], environ, folder / "log", folder / "stamps", options.every_secs
            )
        )
        if made[-1].code >= 0:
            raise RuntimeError(f"the job ended by itself with {made[-1].code}: {(folder / 'log').read_text()}")
    saved = [int(path.stem.rpartition("-")[2]) for path in (folder / "run").glob("model.ckpt-*.index")]
    last = max(saved, default=0) + options.last_steps
    made.append(
        lives.live([*command, f"--train_steps={last}"], environ, folder / "log", folder / "stamps", _LIMIT_SECS)
    )
    return made


def parsed(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--every_secs", type=float, default=120.0)
    parser.add_argument("--step_secs", type=float, default=0.05)
    parser.add_argument("--save_secs", type=float, default=4.0)
    parser.add_argument("--eval_secs", type=float, default=600.0)
    parser.add_argument("--exporter", default="final")
    parser.add_argument("--last_steps", type=int, default=50, help="after the last kill")
    parser.add_argument("--warm", action="store_true")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    options = parsed(argv)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="trainer-goodput-"))
    with contextlib.ExitStack() as stack:
        python: str | pathlib.Path = sys.executable
        if options.warm:
            python = stack.enter_context(forking(sys.executable, {**os.environ, "PYTHONPATH": str(ROOT)}))
        made = run(python, folder, options)
    figures = lives.said((folder / "run" / "summary.json").read_bytes())
    print(lives.table(made, lives.truth(folder / "stamps", int(figures["global_step"])), figures))
    print(f"all is in {folder}")
    return made[-1].code


def goodput_line(text: str) -> str | None:
    """What the closing table says of it; None where it says nothing."""
    found = re.search(r"^  goodput +(.*)$", text, re.MULTILINE)
    return found[1] if found else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
