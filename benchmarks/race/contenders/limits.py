"""What bounds a step, and nothing else of it: products of matrices, and passes over memory, by numpy."""

from __future__ import annotations

import numpy as np

from benchmarks.race.contenders.task import Figures, Task, steps_per_second
from benchmarks.sines import SEQUENCE_LENGTH


def lstm_products(task: Task) -> Figures:
    """Those of an LSTM's step: forward, by the inputs, and by the kernel, once for each value of a history."""
    units, batch = task["units"], task["batch_size"]
    inputs = np.ones((batch, 1 + units), np.float32)
    kernel, gates = np.ones((1 + units, 4 * units), np.float32), np.ones((batch, 4 * units), np.float32)

    def train(steps: int) -> None:
        for _ in range(steps * (SEQUENCE_LENGTH - 1)):
            inputs @ kernel, gates @ kernel.T, inputs.T @ gates

    rate = steps_per_second(task, train)
    multiplied = 3 * 2 * (SEQUENCE_LENGTH - 1) * inputs.size * kernel.shape[1]
    return Figures(rate=rate, notes={"GFLOP/s": 1e-9 * rate * multiplied})


def adam_averages(task: Task) -> Figures:
    """Both averages that Adam keeps of a table, each read and written, as at every step of its dense form."""
    averages = [np.ones((task["rows"], task["width"]), np.float32) for _ in range(2)]

    def train(steps: int) -> None:
        for _ in range(steps):
            for average in averages:
                np.multiply(average, np.float32(0.99), out=average)

    rate = steps_per_second(task, train)
    return Figures(rate=rate, notes={"GB/s": 1e-9 * rate * 2 * sum(average.nbytes for average in averages)})
