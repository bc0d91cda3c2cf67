"""The course's LSTM as numbers: data and initial weights that every contender has.

The cell is that of TensorFlow 1: gates in the order enter, candidate, forget, leave, and 1 added to the forget gate.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from benchmarks.initial_values import initial
from benchmarks.race.contenders.task import Task
from benchmarks.sines import N_OUTPUTS

LEARNING_RATE = 0.01
ENTER, CANDIDATE, FORGET, LEAVE = range(4)


@dataclasses.dataclass(frozen=True)
class Weights:
    """kernel float32 [1 + units, 4 * units], bias [4 * units], weight [units, 1], shift [1]."""

    kernel: np.ndarray
    bias: np.ndarray
    weight: np.ndarray
    shift: np.ndarray

    def in_order(self, gates: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """The kernel and the bias with the gates in another order, and with forget's 1 in the bias."""
        units = len(self.weight)
        bias = self.bias.copy()
        bias[FORGET * units : (FORGET + 1) * units] += 1
        columns = np.concatenate([np.arange(gate * units, (gate + 1) * units) for gate in gates])
        return self.kernel[:, columns], bias[columns]


def begin(units: int) -> Weights:
    """Where all contenders begin."""
    return Weights(
        initial(1, (1 + units, 4 * units)),
        np.zeros(4 * units, np.float32),
        initial(2, (units, N_OUTPUTS)),
        initial(3, (N_OUTPUTS,)),
    )


def sequences(task: Task) -> np.ndarray:
    """The rows of the CSV, float32 [rows, 10], as programs read a file that fits into memory: at once."""
    return np.loadtxt(task["csv"], np.float32, delimiter=",")


def batches(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """An epoch: histories float32 [batches, batch, 9] and labels [batches, batch, 1], in the order of the file."""
    rows = sequences(task)
    rows = rows.reshape(-1, task["batch_size"], rows.shape[1])
    return rows[..., :-N_OUTPUTS], rows[..., -N_OUTPUTS:]
