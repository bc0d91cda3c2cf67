"""Numbers that stop being finite, planted late in a training: what is named, and how long it takes.

    python -m tests.faults.nans [--steps=3000] [--rows=1000000] [--batch=50]

The last checkpoint is that of step 0, so that all steps are made again. Prints a table: the op that was named, whether
its line and the row are the planted ones, the seconds that the steps took, and those of explaining them.
"""

from __future__ import annotations

import dataclasses
import inspect
import logging
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tests.estimator import planted_nans
from tests.estimator.planted_nans import COLUMNS, PLANTED, Planted
from tests.faults import nan_job
from trainer.estimator import Estimator, EstimatorSpec, RunConfig, TrainingHook
from trainer.job import flags
from trainer.job.config import Checked, setting

ROOT = pathlib.Path(__file__).parents[2]
V1 = tf.compat.v1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(Checked):
    """How large the campaign is."""

    steps: int = setting(3000, "steps before the planted one, in one process")
    rows: int = setting(1_000_000, "rows of the file with a bad one")
    batch: int = setting(50, "examples in a batch, in one process")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What was found.

    Attributes:
      case: what was planted.
      text: of the error.
      op: that has to be named.
      line: that has to be named, as `path:number`.
      rows: a text about rows that has to be there.
      steps_secs: that the steps took; nan where it was not measured.
      explaining_secs: beyond those; nan likewise.
    """

    case: str
    text: str
    op: str
    line: str
    rows: str
    steps_secs: float = float("nan")
    explaining_secs: float = float("nan")

    @property
    def named(self) -> tuple[bool, bool, bool]:
        """Whether op, line and rows are the planted ones."""
        return bool(re.search(rf"of {self.op}\b", self.text)), self.line in self.text, self.rows in self.text

    def __str__(self) -> str:
        op, line, rows = ("yes" if right else "NO" for right in self.named)
        ratio = self.explaining_secs / self.steps_secs
        times = f"{self.steps_secs:8.1f} {self.explaining_secs:10.1f} {ratio:6.2f}"
        return f"{self.case:<34} {self.op:<24} {op:<4} {line:<4} {rows:<4} {times}"


class Watch(TrainingHook, logging.Handler):
    """When the first step began, and when the last one was known to be broken."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)
        self.first = self.broken = float("nan")

    def begin(self) -> None:
        self.first = time.time()

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith("Looking for the operation"):
            self.broken = record.created


def exploding(features: dict[str, tf.Tensor], labels: tf.Tensor, mode: str) -> EstimatorSpec:
    weights = V1.get_variable("w", [COLUMNS, 1], initializer=V1.ones_initializer())
    loss = tf.reduce_mean(tf.square(features["x"] @ weights - labels))  # planted
    rate = tf.where(V1.train.get_global_step() < features["late"][0], 1e-4, 1e7)
    train_op = V1.train.GradientDescentOptimizer(rate).minimize(loss, V1.train.get_global_step())
    return EstimatorSpec(mode, loss=loss, train_op=train_op)


def planted_line(function: Any) -> str:
    """Where a function has its planted line."""
    lines, first = inspect.getsourcelines(function)
    return f"{inspect.getsourcefile(function)}:{first + next(n for n, text in enumerate(lines) if '# planted' in text)}"


def in_this_process(settings: Settings) -> Iterator[Outcome]:
    """Each loss of `planted_nans`, and a rate that explodes."""
    for planted in PLANTED:
        yield _local(planted, settings)
    text, steps_secs, secs = _trained(exploding, settings, bad=False)
    rows = "No single row of the batch is to blame: the largest weights are w [5, 1] up to"
    yield Outcome("a rate that explodes", text, "Square", planted_line(exploding), rows, steps_secs, secs)


def _local(planted: Planted, settings: Settings) -> Outcome:
    text, steps_secs, secs = _trained(planted.model_fn, settings, bad=True)
    rows = f"It comes from row 3 of batch {settings.steps} (counted from 0)"
    return Outcome(planted.name, text, planted.op, planted_line(planted.loss), rows, steps_secs, secs)


def _trained(model_fn: Any, settings: Settings, *, bad: bool) -> tuple[str, float, float]:
    """The error of a training, the seconds of its steps, and those of the explanation."""
    watch, log = Watch(), logging.getLogger("trainer")
    log.addHandler(watch)
    log.setLevel(logging.INFO)
    with tempfile.TemporaryDirectory() as directory:
        config = RunConfig(save_checkpoints_steps=10**9, tf_random_seed=1)
        estimator = Estimator(model_fn, directory, config)
        try:
            estimator.train(_batches(settings, bad), hooks=[watch], max_steps=settings.steps + 1000)
        except V1.train.NanLossDuringTrainingError as error:
            return str(error), watch.broken - watch.first, time.time() - watch.broken
        finally:
            log.removeHandler(watch)
    return "nothing was raised", float("nan"), float("nan")


def _batches(settings: Settings, bad: bool) -> Any:
    """An input function whose batch number `steps` has a row of zeros, if `bad`."""
    size, late = settings.batch, settings.steps
    values = planted_nans.table(size * 200, 0)
    values[0] = values[1]
    broken = values[:size].copy()
    broken[3] = 0.0

    def with_bad(number: tf.Tensor, x: tf.Tensor) -> Any:
        seen = tf.where(tf.logical_and(tf.equal(number, late), bad), broken, tf.ensure_shape(x, [size, COLUMNS]))
        return {"x": seen, "late": tf.fill([size], tf.constant(late, tf.int64))}, seen[:, :1]

    def input_fn() -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices(values).batch(size).cache().repeat().enumerate().map(with_bad)

    return input_fn


def in_a_file(settings: Settings) -> Outcome:
    """A row of a file whose numbers overflow when they are squared."""
    bad = settings.rows * 2 // 3
    with tempfile.TemporaryDirectory() as directory:
        train, evaluation = (pathlib.Path(directory, name) for name in ("train.csv", "evaluation.csv"))
        _write(train, settings.rows, bad)
        _write(evaluation, 100, None)
        paths = [f"--train_data_paths={train}", f"--eval_data_paths={evaluation}"]
        task = ["--model=linear", "--train_steps=100000", "--save_checkpoints_steps=1000000", "--seed=1", "--exporter="]
        text = _run("trainer.task", *paths, *task, f"--output_dir={directory}/run")
        line = f"{ROOT}/trainer/networks/network.py:"
        return Outcome(f"a row in a file of {settings.rows:,}", text, "Square", line, f"{train}:{bad + 1}.")


def _write(path: pathlib.Path, rows: int, bad: int | None) -> None:
    random = np.random.RandomState(0)
    with path.open("w") as file:
        for first in range(0, rows, 100_000):
            block = random.uniform(-1, 1, size=[min(100_000, rows - first), 10])
            lines = [",".join(f"{value:.3f}" for value in row) for row in block]
            if bad is not None and first <= bad < first + len(lines):
                lines[bad - first] = ",".join(["1e30"] * 10)
            file.write("\n".join([*lines, ""]))


def in_a_job(name: str, *launched: str) -> Outcome:
    """A row that one of several processes meets.

    Args:
      name: of the case.
      launched: flags of the launcher and of the task.
    """
    planted = next(one for one in PLANTED if one.name == "zero_by_zero")
    problem = ["--problem=tests/faults/nan_job.py", f"--plant={planted.name}", "--train_batch_size=20", "--seed=1"]
    task = [*problem, "--train_steps=4000", "--save_checkpoints_steps=1000", "--exporter="]
    jobs = [flag for flag in launched if not flag.startswith("--push_every")]
    with tempfile.TemporaryDirectory() as directory:
        own = [*(flag for flag in launched if flag not in jobs), f"--output_dir={directory}/run"]
        _run("trainer.launch", "cluster", "--max_restarts=0", *jobs, "--", *task, *own)
        failure = pathlib.Path(directory, "run", "failure.json").read_text()
    row = nan_job.BAD_ROW % 20
    return Outcome(name, failure, planted.op, planted_line(planted.loss), f"It comes from row {row} of batch 58 ")


def _run(module: str, *argv: str) -> str:
    """What a program says until it ends."""
    command = [sys.executable, "-m", module, *argv]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=900, check=False)
    return ended.stdout + ended.stderr


def main(argv: Sequence[str]) -> int:
    settings = flags.parse(argv, Settings)[Settings]
    print(
        f"{'planted':<34} {'op':<24} {'op':<4} {'line':<4} {'rows':<4} {'steps s':>8} {'explained s':>10} {'ratio':>6}"
    )
    wrong = 0
    for outcome in _outcomes(settings):
        print(outcome, flush=True)
        wrong += not all(outcome.named)
    print(f"{wrong} not named in full")
    return min(wrong, 1)


def _outcomes(settings: Settings) -> Iterator[Outcome]:
    yield from in_this_process(settings)
    yield in_a_file(settings)
    yield in_a_job("two processes in step", "--worker=1")
    yield in_a_job("parameter server, push every step", "--worker=2", "--ps=1")
    yield in_a_job("parameter server, every 5 steps", "--worker=2", "--ps=1", "--push_every=5")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
