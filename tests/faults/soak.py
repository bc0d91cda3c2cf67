"""Half an hour on a bucket with bad days: a kill -9 every 30 seconds, and a fault in one of twenty requests.

python -m tests.faults.soak [--minutes=30] [--every_secs=30] [--faults=0.05] [--step_secs=0.02] [--save_steps=100]

The course's job, with steps as long as those of a larger model, in the bucket server of the tests. It is started again
at once after each kill, as a fork of a process that has imported TensorFlow. At the end it has to complete, with memory
as much as at the start, nothing left of any process, and its goodput said as its steps noted it.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence

from tests.bucket.faults import Plan, Rule
from tests.bucket.process import BucketServer
from tests.faults import lives
from tests.faults.lives import Life
from tests.forks.fixtures import ROOT, forking
from trainer import storage

RUN = "gs://bucket/run"
_LIMIT_SECS, _ENDLESS = 900.0, 10_000_000


def faults(rate: float, seed: int) -> Plan:
    """Connections that break, answers that are lost or cut off, and a server that is not available."""
    kinds = ("reset", "lost_response", "truncation", "503")
    return Plan(rules=tuple(Rule(kind=kind, rate=rate / len(kinds)) for kind in kinds), seed=seed)


def run(
    python: pathlib.Path,
    server: BucketServer,
    folder: pathlib.Path,
    options: argparse.Namespace,
    steps: int = sys.maxsize,
) -> tuple[list[Life], list[int]]:
    """Trains for some minutes, killed again and again, then for a few steps to the end.

    Args:
      python: that processes are started with.
      server: of the bucket.
      folder: new, for all that is local.
      options: of the campaign.
      steps: after which a process is killed, where these come sooner than the time.

    Returns:
      The processes, and the memory of the bucket's server after each, in bytes.
    """
    flags = [f"--output_dir={RUN}", f"--save_checkpoints_steps={options.save_steps}", "--min_eval_frequency=60"]
    flags.append(f"--model={options.model}")
    scratch = str(folder / "scratch")
    job = lives.job(python, folder, options.step_secs, flags, **server.environ, TRAINER_SCRATCH=scratch)
    deadline, made, memory = time.time() + 60 * options.minutes, [], []
    while time.time() < deadline and len(made) < options.kills:
        made.append(lives.live(job, _ENDLESS, min(options.every_secs, max(deadline - time.time(), 1.0)), steps))
        lives.require_killed(made[-1], job)
        memory.append(lives.resident_bytes(str(server.pid)))
    made.append(lives.live(job, lives.last_step(job.stamps) + options.last_steps, _LIMIT_SECS))
    return made, memory


def growth(values: Sequence[float]) -> float:
    """How much more the last third is than the first, as a share; 0.0 where they are few."""
    third = len(values) // 3
    if not third:
        return 0.0
    return statistics.median(values[-third:]) / statistics.median(values[:third]) - 1


def report(made: Sequence[Life], memory: Sequence[int], noted: lives.Truth, figures: Mapping[str, float]) -> str:
    """What was seen, in Markdown.

    Args:
      made: the processes.
      memory: of the bucket's server after each, in bytes.
      noted: by the steps.
      figures: what the job said of its goodput.
    """
    peaks = [life.peak_bytes for life in made if life.peak_bytes]
    lines = [
        f"{len(made) - 1} kills; the job ended with {made[-1].code} at step {figures['global_step']:,.0f}",
        f"memory of a process: {statistics.median(peaks) / 2**20:.0f} MiB, {100 * growth(peaks):+.1f} % from the first "
        f"third to the last; of the bucket's server {100 * growth(memory):+.1f} %",
        f"processes left after their end: {sum(life.left for life in made)}",
        "",
        lives.table(made, noted, figures),
    ]
    return "\n".join(lines)


def parsed(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--kills", type=int, default=sys.maxsize, help="at the most")
    parser.add_argument("--every_secs", type=float, default=30.0)
    parser.add_argument("--faults", type=float, default=0.05)
    parser.add_argument("--step_secs", type=float, default=0.02)
    parser.add_argument("--save_steps", type=int, default=100)
    parser.add_argument("--last_steps", type=int, default=100, help="after the last kill")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", default="lstm")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    options = parsed(argv)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="trainer-soak-"))
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with forking(sys.executable, environ) as python, BucketServer(folder / "buckets") as server:
        lives.wait_for(python, environ)
        server.set_plan(faults(options.faults, options.seed))
        made, memory = run(python, server, folder, options)
        server.set_faults()
        os.environ.update(server.environ)
        content = storage.read(f"{RUN}/summary.json")
    figures = lives.said(content)
    print(report(made, memory, lives.truth(folder / "stamps", int(figures["global_step"])), figures))
    print(f"all is in {folder}")
    return made[-1].code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
