"""Evaluation and predictions of a network of three dense layers, as numbers that every contender has."""

from __future__ import annotations

import numpy as np

from benchmarks.initial_values import initial
from benchmarks.race.contenders.task import Task

COLUMNS, SIZES = 9, (64, 32, 1)


def weights() -> list[tuple[np.ndarray, np.ndarray]]:
    """Kernel float32 [inputs, outputs] and bias [outputs] of each layer."""
    inputs = (COLUMNS, *SIZES)
    return [(initial(index, (inputs[index], size)), np.zeros(size, np.float32)) for index, size in enumerate(SIZES)]


def rows(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Whole batches: features float32 [batches, batch, 9] and labels [batches, batch, 1]."""
    shape = task["rows"] // task["batch_size"], task["batch_size"]
    features = np.random.default_rng(0).random((*shape, COLUMNS), np.float32)
    return features, features.sum(-1, keepdims=True)


def mean_square(predictions: np.ndarray) -> float:
    """What tells whether predictions are the same."""
    return float(np.square(predictions, dtype=np.float64).mean())
