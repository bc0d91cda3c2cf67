"""A study of the shipped YAML beside the same trials as processes of their own: time, and what the search is worth.

    python -m benchmarks.sweep [--train_steps=500] [--trials=20] [--rounds=1]

The sweep goes first; its trials are then run again, with the same flags, as separate processes of `trainer.task`: one
after another, as a loop in a shell would, and two at a time. Processor seconds are of all processes together: on a
machine with other work they are what can be compared.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import yaml

ROOT = pathlib.Path(__file__).parent.parent
SEED = 1
ONE_BY_ONE = "processes, one after another"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cost:
    """Seconds on the wall, and of processors."""

    wall: float
    processors: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Round:
    """One measurement: cost by way, the rmse of each trial, and that of the defaults."""

    costs: dict[str, Cost]
    scores: list[float]
    default: float


def main() -> None:
    asked = _arguments()
    flags = [f"--train_steps={asked.train_steps}", f"--seed={SEED}"]
    rounds = []
    for _ in range(asked.rounds):
        with tempfile.TemporaryDirectory() as name:
            rounds.append(_measured(pathlib.Path(name), flags, asked.trials))
    print(table(asked.trials, [one.costs for one in rounds]))
    last = rounds[-1]
    best, median = min(last.scores), statistics.median(last.scores)
    print(f"\nBest rmse {best:.5f}, median trial {median:.5f}, defaults {last.default:.5f}.")


def _measured(directory: pathlib.Path, flags: Sequence[str], trials: int) -> Round:
    costs = {"a sweep, two at a time": _timed(lambda: _sweep(directory, flags, trials))}
    rows = _rows(directory / "study" / "sweep.csv")
    argvs = [[*flags, *(f"--{key}={value}" for key, value in row.items())] for row in rows]
    costs["processes, two at a time"] = _timed(lambda: _separate(directory / "two", argvs, 2))
    costs[ONE_BY_ONE] = _timed(lambda: _separate(directory / "one", argvs, 1))
    scores = [_rmse(directory / "study" / str(number)) for number in range(1, len(rows) + 1)]
    return Round(costs=costs, scores=scores, default=_default(directory / "default", flags))


def table(trials: int, rounds: Sequence[dict[str, Cost]]) -> str:
    """Markdown, medians of the rounds."""
    medians = {
        title: Cost(
            wall=statistics.median(costs[title].wall for costs in rounds),
            processors=statistics.median(costs[title].processors for costs in rounds),
        )
        for title in rounds[0]
    }
    slowest = medians[ONE_BY_ONE]
    lines = [f"| {trials} trials as | seconds | × | processor seconds | × |", "|---|---|---|---|---|"]
    for title, cost in sorted(medians.items(), key=lambda pair: -pair[1].wall):
        ratios = slowest.wall / cost.wall, slowest.processors / cost.processors
        lines.append(f"| {title} | {cost.wall:.0f} | {ratios[0]:.1f} | {cost.processors:.0f} | {ratios[1]:.1f} |")
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train_steps", type=int, default=500)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=1)
    return parser.parse_args()


def _timed(work: Callable[[], None]) -> Cost:
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall=time.monotonic() - started, processors=used)


def _sweep(directory: pathlib.Path, flags: Sequence[str], trials: int) -> None:
    document = yaml.safe_load((ROOT / "hptuning_config.yaml").read_text())
    document["trainingInput"]["hyperparameters"]["maxTrials"] = trials
    study = directory / "study.yaml"
    study.write_text(yaml.safe_dump(document))
    command = [
        "-m",
        "trainer.launch",
        "sweep",
        f"--config={study}",
        f"--output_dir={directory / 'study'}",
        "--noreport",
    ]
    _run([*command, f"--seed={SEED}", "--", *flags], threads=None)


def _separate(directory: pathlib.Path, argvs: Sequence[Sequence[str]], at_once: int) -> None:
    threads = max((os.cpu_count() or 1) // at_once, 1)
    with ThreadPoolExecutor(at_once) as pool:
        commands = [
            ["-m", "trainer.task", f"--output_dir={directory / str(number)}", *argv]
            for number, argv in enumerate(argvs, start=1)
        ]
        list(pool.map(lambda command: _run(command, threads=threads), commands))


def _default(directory: pathlib.Path, flags: Sequence[str]) -> float:
    _run(["-m", "trainer.task", f"--output_dir={directory}", *flags], threads=None)
    return _rmse(directory)


def _run(command: Sequence[str], *, threads: int | None) -> None:
    shared = {} if threads is None else dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS"), str(threads))
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env={**os.environ, **shared}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def _rows(path: pathlib.Path) -> list[dict[str, str]]:
    """Parameters by trial; what a trial does not have is left out."""
    around = {"trial", "state", "rmse", "step", "evaluations", "seconds", "reason"}
    with path.open() as stream:
        return [
            {key: value for key, value in row.items() if key not in around and value} for row in csv.DictReader(stream)
        ]


def _rmse(directory: pathlib.Path) -> float:
    return float(json.loads((directory / "summary.json").read_text())["metrics"]["rmse"])


if __name__ == "__main__":
    main()
