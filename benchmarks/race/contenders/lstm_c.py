"""The course's LSTM as a loop in C (`lstm_loop.c`), compiled by the machine's `cc`."""

from __future__ import annotations

import ctypes
import pathlib
import shutil
import subprocess
import tempfile

import numpy as np

from benchmarks.race.contenders import lstm_values
from benchmarks.race.contenders.task import Figures, Task, steps_per_second

_FLAGS = ["-O3", "-march=native", "-ffast-math", "-shared", "-fPIC"]


def loop(task: Task) -> Figures:
    """Steps of the C loop over rows that the file was read into."""
    program = compiled(task["units"], task["batch_size"])
    rows = np.ascontiguousarray(lstm_values.sequences(task))
    batches = ctypes.c_long(len(rows) // task["batch_size"])

    def train(steps: int) -> None:
        program.train(pointer(rows), batches, ctypes.c_long(steps), ctypes.c_float(lstm_values.LEARNING_RATE))

    loss = None
    if task["check"]:
        begin(program, task["units"])
        train(task["check_steps"])
        loss = program.loss(pointer(rows), batches)
    begin(program, task["units"])
    return Figures(rate=steps_per_second(task, train), loss=loss)


def begin(program: ctypes.CDLL, units: int) -> None:
    """Sets the weights."""
    start = lstm_values.begin(units)
    values = (pointer(np.ascontiguousarray(value)) for value in (start.kernel, start.bias, start.weight))
    program.begin(*values, ctypes.c_float(start.shift[0]))


def pointer(values: np.ndarray) -> ctypes.c_void_p:
    """Where the numbers are."""
    return ctypes.c_void_p(values.ctypes.data)


def compiled(units: int, batch_size: int) -> ctypes.CDLL:
    """The program for a size.

    Raises:
      SystemExit: there is no C compiler.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        raise SystemExit("No cc on the path, so there is no loop in C to stand beside. Install gcc or clang.")
    source, target = pathlib.Path(__file__).with_name("lstm_loop.c"), pathlib.Path(tempfile.mkdtemp(), "loop.so")
    sizes = [f"-DUNITS={units}", f"-DBATCH={batch_size}"]
    subprocess.run([compiler, *_FLAGS, *sizes, str(source), "-o", str(target), "-lm"], check=True)
    program = ctypes.CDLL(str(target))
    program.loss.restype = ctypes.c_double
    return program
