"""DLinear on windows of a series, as numbers that every contender has (Zeng et al., AAAI 2023, arXiv 2205.13504)."""

from __future__ import annotations

import numpy as np

from benchmarks.race.contenders.task import Task

LOOKBACK, HORIZON, TREND_WIDTH = 336, 96, 25
LEARNING_RATE = 5e-4
CHECKED_BATCHES = 16
START = 1 / LOOKBACK
"""Of every weight, as in the paper's program; biases begin at 0."""


def series(task: Task) -> np.ndarray:
    """The rows of the training part, standardised: float32 [rows, columns]."""
    values = np.genfromtxt(task["csv"], np.float32, delimiter=",", skip_header=1)[: task["train_rows"], 1:]
    return (values - values.mean(0)) / values.std(0)


def order(task: Task) -> np.ndarray:
    """The first rows of the windows of an epoch, shuffled: int32 [batches, batch]."""
    starts = np.random.RandomState(0).permutation(task["train_rows"] - LOOKBACK - HORIZON + 1).astype(np.int32)
    whole = len(starts) // task["batch_size"]
    return starts[: whole * task["batch_size"]].reshape(whole, task["batch_size"])
