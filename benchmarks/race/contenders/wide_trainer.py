"""A wide table by the problem of tables that `trainer` brings."""

from __future__ import annotations

import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

from benchmarks.race.contenders.task import Figures, Task
from benchmarks.race.contenders.wide import LEARNING_RATE, SIZES


def read(task: Task) -> Figures:
    """An epoch of the training rows, as its input function gives them, shuffled and standardised.

    Before it comes the pass that checks the text, learns the columns and keeps the rows.
    """
    import tensorflow as tf

    from trainer.formats.tables import reading
    from trainer.formats.tables.settings import TableData
    from trainer.problems import table

    data = TableData(
        train_data_paths=(task["path"],),
        eval_data_paths=(task["eval_path"],),
        label_column="label",
        train_batch_size=task["batch_size"],
        num_epochs=1,
    )
    with tempfile.TemporaryDirectory(dir=pathlib.Path(task["path"]).parent) as scratch:
        began = task.clock()
        schema = reading.describe(data, scratch=scratch, memory_limit=0)
        described, squares = task.clock(), tf.constant(0.0, tf.float64)
        for _, labels in table.train_input_fn(schema, data):
            squares += tf.reduce_sum(tf.square(tf.cast(labels, tf.float64)))
        epoch = task.clock() - described
    notes = {"rows/s of the first pass": task["rows"] / (described - began)}
    notes |= {f"rows/s of it and {count} epochs": _together(task, described - began, epoch, count) for count in (1, 10)}
    notes["MB, peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Figures(rate=task["rows"] / epoch, loss=float(squares) / task["rows"], notes=notes)


def _together(task: Task, first: float, epoch: float, epochs: int) -> float:
    """Rows that are trained on in a second of a run that begins with the pass.

    Args:
      task: what is read.
      first: seconds of the pass.
      epoch: seconds of one.
      epochs: how many there are.
    """
    return task["rows"] * epochs / (first + epochs * epoch)


def whole_job(task: Task) -> Figures:
    """The command, from its start to its end."""
    units = ",".join(map(str, SIZES[:-1]))
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "trainer.task", "--data_format=table", f"--train_data_paths={task['path']}"]
        command += [f"--eval_data_paths={task['eval_path']}", "--label_column=label", f"--output_dir={folder}"]
        command += ["--model=dnn", f"--hidden_units={units}", f"--learning_rate={LEARNING_RATE}", "--seed=1"]
        command += [f"--train_batch_size={task['batch_size']}", "--num_epochs=1"]
        began = time.time()
        subprocess.run(command, check=True, capture_output=True)
        seconds = time.time() - began
        summary = json.loads(pathlib.Path(folder, "summary.json").read_text())
    if task.get("clock") == "cpu":
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = used.ru_utime + used.ru_stime
    return Figures(rate=task["rows"] / seconds, loss=summary["metrics"]["rmse"])
