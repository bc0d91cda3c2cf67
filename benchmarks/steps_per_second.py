"""Steps per second of the course's job, ours beside its peers: interleaved rounds, a process each; prints a table.

    python -m benchmarks.steps_per_second [--reference_python=PYTHON_WITH_2.15] [--rounds=3] [--workload=small]

Every contestant reads the same CSV of generated sine waves, trains the same LSTM with SGD and shares the machine with
nobody of this benchmark. Ratios matter, not the figures.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import reference, sines

ROWS = 20_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Workload:
    units: int
    batch_size: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """A contestant under an interpreter.

    Attributes:
      title: what the table calls it.
      contestant: a key of `contestants.CONTESTANTS`.
      reference: runs under tf.estimator's interpreter.
      steps: timed steps of each workload, a few seconds' worth; as many come before them untimed, among which ours
        are compiled.
    """

    title: str
    contestant: str
    reference: bool = False
    steps: dict[str, int]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """Medians over the rounds."""

    title: str
    steps_per_second: float
    lowest: float
    highest: float
    seconds_beside_steps: float


WORKLOADS = {"small": Workload(units=3, batch_size=20), "large": Workload(units=128, batch_size=256)}
BASELINE = "tf.estimator 2.15, the course's input"
BARE = "bare `tf.function`, a call a step"
ENTRIES = (
    Entry(title=BASELINE, contestant="course_input", reference=True, steps={"small": 2_000, "large": 200}),
    Entry(
        title="tf.estimator 2.15, decoding batches",
        contestant="batched_input",
        reference=True,
        steps={"small": 3_000, "large": 200},
    ),
    Entry(title="Keras 3 `fit`", contestant="keras_fit", steps={"small": 2_000, "large": 200}),
    Entry(title=BARE, contestant="bare_call", steps={"small": 3_000, "large": 200}),
    Entry(title="bare `tf.function`, 200 steps a call", contestant="bare_loop", steps={"small": 6_000, "large": 200}),
    Entry(title="bare XLA program, 200 steps a call", contestant="bare_xla", steps={"small": 20_000, "large": 400}),
    Entry(title="`trainer`, the course's input", contestant="course_input", steps={"small": 4_000, "large": 400}),
    Entry(title="`trainer`, decoding batches", contestant="batched_input", steps={"small": 20_000, "large": 400}),
    Entry(title="`trainer`, `trainer.inputs`", contestant="trainer_inputs", steps={"small": 30_000, "large": 400}),
)


def measure(entry: Entry, python: str, csv: Path, workload: str) -> dict[str, float]:
    """One process of a contestant; its JSON.

    Raises:
      SystemExit: it failed; the end of what it wrote is shown.
    """
    size = WORKLOADS[workload]
    figures = (size.units, size.batch_size, entry.steps[workload])
    command = [python, "-m", "benchmarks.contestants", entry.contestant, str(csv), *map(str, figures)]
    root = Path(__file__).resolve().parent.parent
    environment = {**os.environ, "PYTHONPATH": str(root), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} exited {done.returncode}. Its errors end:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def median(entry: Entry, rounds: list[dict[str, float]]) -> Result:
    rates = [measured["steps_per_second"] for measured in rounds]
    return Result(
        title=entry.title,
        steps_per_second=statistics.median(rates),
        lowest=min(rates),
        highest=max(rates),
        seconds_beside_steps=statistics.median(measured["seconds_beside_steps"] for measured in rounds),
    )


def table(results: list[Result]) -> str:
    """Markdown: ratios to the baseline, microseconds a step beside the bare call, and a job's other seconds.

    A dash stands where there is nothing to compare with, and where the noise was greater than the figure.
    """
    rates = {result.title: result.steps_per_second for result in results}
    lines = [
        "| contestant | steps/s (lowest–highest) | × tf.estimator | µs a step | beside a bare call | other seconds |",
        "|---|---|---|---|---|---|",
    ]
    for result in results:
        ratio = f"{result.steps_per_second / rates[BASELINE]:.2f}" if BASELINE in rates else "—"
        beside = f"{1e6 / result.steps_per_second - 1e6 / rates[BARE]:+.0f} µs" if BARE in rates else "—"
        seconds = f"{result.seconds_beside_steps:.1f}" if result.seconds_beside_steps >= 0 else "—"
        spread = f"{result.steps_per_second:,.0f} ({result.lowest:,.0f}–{result.highest:,.0f})"
        lines.append(
            f"| {result.title} | {spread} | {ratio} | {1e6 / result.steps_per_second:,.0f} | {beside} | {seconds} |"
        )
    return "\n".join(lines)


def run_rounds(entries: list[Entry], pythons: dict[bool, str], workload: str, rounds: int) -> list[Result]:
    """Every entry once in each round, so that a slow minute of the machine falls on all of them."""
    measured: dict[str, list[dict[str, float]]] = {entry.title: [] for entry in entries}
    with tempfile.TemporaryDirectory() as directory:
        csv = Path(directory) / "sines.csv"
        sines.write_csv(csv, sines.waves(ROWS, seed=1))
        for _ in range(rounds):
            for entry in entries:
                measured[entry.title].append(measure(entry, pythons[entry.reference], csv, workload))
                print(f"{entry.title}: {measured[entry.title][-1]['steps_per_second']:,.0f} steps/s", file=sys.stderr)
    return [median(entry, measured[entry.title]) for entry in entries]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference_python", help="an interpreter that has tensorflow-cpu==2.15.1")
    parser.add_argument("--work_dir", type=Path, default=reference.HOME, help="keeps the reference's environment")
    parser.add_argument("--workload", choices=sorted(WORKLOADS), default="small")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="comma-separated parts of titles; default all contestants")
    arguments = parser.parse_args()
    parts = [part for part in arguments.only.split(",") if part]
    entries = [entry for entry in ENTRIES if not parts or any(part in entry.title for part in parts)]
    python = sys.executable
    if any(entry.reference for entry in entries):
        python = reference.interpreter(arguments.reference_python, arguments.work_dir / "reference")
    print(table(run_rounds(entries, {True: python, False: sys.executable}, arguments.workload, arguments.rounds)))


if __name__ == "__main__":
    main()
