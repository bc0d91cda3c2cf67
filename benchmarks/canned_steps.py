"""Steps per second of canned Estimators, ours beside tf.estimator's: interleaved rounds, a process each; a table.

    python -m benchmarks.canned_steps [--reference_python=PYTHON_WITH_2.15] [--rounds=3] [--steps=2000]

Sine waves in batches of 20, the categories of `canned_models` among their columns; ratios matter, not the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import environments

MODELS = {"dnn_v1": "Adagrad", "dnn_v2": "Adagrad", "linear_v1": "Ftrl", "linear_v2": "Ftrl"} | {
    "wide_and_deep_v1": "usual",
    "wide_and_deep_v2": "usual",
}
ROWS = 2000


def steps_per_second(model: str, steps: int) -> float:
    """Of the second half of `2 * steps`, between two checkpoints, in this process and its package."""
    import tensorflow as tf

    from benchmarks import sines
    from benchmarks.canned_models import CANNED, with_categories
    from benchmarks.model_functions import tf_estimator

    batches = with_categories(sines.in_order(sines.waves(ROWS, seed=1), 20, 1)())
    times: dict[int, tuple[float, float]] = {}

    class Clock(tf.compat.v1.train.CheckpointSaverListener):
        def before_save(self, session: Any, step: int) -> None:
            times[int(step)] = time.perf_counter(), 0.0

        def after_save(self, session: Any, step: int) -> None:
            times[int(step)] = times[int(step)][0], time.perf_counter()

    with tempfile.TemporaryDirectory() as home:
        rows = home + "/rows"
        batches.save(rows)
        config = tf_estimator.RunConfig(tf_random_seed=1, save_checkpoints_steps=steps)
        made = CANNED[model](home + "/model", config, {"optimizer": MODELS[model]})
        made.train(
            lambda: tf.data.Dataset.load(rows).cache().repeat().prefetch(2), steps=2 * steps, saving_listeners=[Clock()]
        )
    return steps / (times[2 * steps][0] - times[steps][1])


def measured(python: str, model: str, steps: int) -> float:
    """The same in a process of its own."""
    root = Path(__file__).resolve().parent.parent
    environment = {**os.environ, "PYTHONPATH": str(root), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    command = [python, "-m", "benchmarks.canned_steps", f"--model={model}", f"--steps={steps}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} exited {done.returncode}. Its errors end:\n{done.stderr[-3000:]}")
    return float(json.loads(done.stdout.splitlines()[-1]))


def table(theirs: dict[str, list[float]], ours: dict[str, list[float]]) -> str:
    """Markdown: the medians of the rounds, and their ratio."""
    lines = ["| model | tf.estimator 2.15, steps/s | `trainer`, steps/s | × |", "|---|---|---|---|"]
    for model in MODELS:
        slow, fast = statistics.median(theirs[model]), statistics.median(ours[model])
        lines.append(f"| {model} | {slow:,.0f} | {fast:,.0f} | {fast / slow:.1f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference_python", help="an interpreter that has tensorflow-cpu==2.15.1")
    parser.add_argument("--work_dir", type=Path, default=environments.HOME, help="keeps the reference's environment")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=2000, help="that are timed, after as many that are not")
    parser.add_argument("--model", choices=sorted(MODELS), help="time one in this process, and print its figure alone")
    arguments = parser.parse_args()
    if arguments.model:
        print(json.dumps(steps_per_second(arguments.model, arguments.steps)))
        return
    python = environments.interpreter("reference", arguments.reference_python, arguments.work_dir)
    theirs: dict[str, list[float]] = {model: [] for model in MODELS}
    ours: dict[str, list[float]] = {model: [] for model in MODELS}
    for _ in range(arguments.rounds):
        for model in MODELS:
            theirs[model].append(measured(python, model, arguments.steps))
            ours[model].append(measured(sys.executable, model, arguments.steps))
    print(table(theirs, ours))


if __name__ == "__main__":
    main()
