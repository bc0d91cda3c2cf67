"""The path of numbers on ETTh1 that every strategy has to show: full-batch gradient descent from zero, rate 0.05."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

FILE = Path(__file__).parents[1] / ".." / "shared" / "data" / "ett" / "ETTh1.csv"
LOOKBACK, HORIZON, WINDOWS = 96, 24, 256
LOSSES = {
    0: 1.096443,
    1: 0.585574,
    2: 0.398568,
    5: 0.293939,
    10: 0.284094,
    20: 0.275831,
    50: 0.258127,
    100: 0.242116,
    200: 0.228971,
}


def rows() -> tuple[np.ndarray, np.ndarray]:
    """Histories [1792, 96] and what follows [1792, 24]: each column of the first windows a row, standardised."""
    if not FILE.exists():
        pytest.skip("../shared/data/ett/ETTh1.csv is not here: its licence keeps it out of the project")
    values = np.genfromtxt(FILE, delimiter=",", skip_header=1)[:, 1:]
    values = (values - values[:8640].mean(0)) / values[:8640].std(0)
    cut = np.stack([values[at : at + LOOKBACK + HORIZON].T for at in range(WINDOWS)]).reshape(-1, LOOKBACK + HORIZON)
    return cut[:, :LOOKBACK], cut[:, LOOKBACK:]
