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
import sys
import tempfile
import time
from collections.abc import Sequence

from tests.faults import lives
from tests.faults.lives import Life
from tests.forks.fixtures import ROOT, forking

_LIMIT_SECS, _ENDLESS = 600.0, 10_000_000


def run(
    python: str | pathlib.Path, folder: pathlib.Path, options: argparse.Namespace, steps: int = sys.maxsize
) -> list[Life]:
    """Trains for some minutes, killed again and again, then for a few steps to the end; returns the processes.

    Args:
      python: that processes are started with.
      folder: new, for all that the job writes.
      options: of the campaign.
      steps: after which a process is killed, where these come sooner than the time.
    """
    flags = [f"--output_dir={folder}/run", f"--save_checkpoints_secs={options.save_secs}"]
    flags += [f"--min_eval_frequency={options.eval_secs}", f"--exporter={options.exporter}", f"--model={options.model}"]
    job, made = lives.job(python, folder, options.step_secs, flags), []
    lives.wait_for(python, job.environ)
    deadline = time.time() + 60 * options.minutes
    while time.time() < deadline and len(made) < options.kills:
        made.append(lives.live(job, _ENDLESS, options.every_secs, steps))
        lives.require_killed(made[-1], job)
    made.append(lives.live(job, lives.last_step(job.stamps) + options.last_steps, _LIMIT_SECS))
    return made


def parsed(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--kills", type=int, default=sys.maxsize, help="at the most")
    parser.add_argument("--every_secs", type=float, default=120.0)
    parser.add_argument("--step_secs", type=float, default=0.05)
    parser.add_argument("--save_secs", type=float, default=4.0)
    parser.add_argument("--eval_secs", type=float, default=600.0)
    parser.add_argument("--exporter", default="final")
    parser.add_argument("--model", default="lstm")
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
