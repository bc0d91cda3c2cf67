"""DLinear on ETTh1: windows of a series, two linear maps, Adam."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.race.contest import Contender, Role, Workload
from benchmarks.race.workloads.course import steps

ETTH1 = Path(__file__).resolve().parents[4] / "shared" / "data" / "ett" / "ETTh1.csv"
ROWS, COLUMNS, TRAIN_ROWS = 17_420, 7, 8_640


def prepare(folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """ETTh1 where it lies beside the repository; a series of its shape where it does not."""
    if ETTH1.exists():
        return {"csv": str(ETTH1)}
    print(f"No {ETTH1}: a generated series of the same shape stands for it.", file=sys.stderr)
    path = folder / "series.csv"
    hours, random = np.arange(ROWS)[:, None], np.random.default_rng(0)
    periods = random.choice([12.0, 24.0, 168.0], COLUMNS)
    values = np.sin(hours * 2 * np.pi / periods) + random.normal(scale=0.3, size=(ROWS, COLUMNS))
    header = "hour," + ",".join(f"c{number}" for number in range(COLUMNS))
    np.savetxt(path, np.hstack([hours, values]), "%.6g", ",", header=header, comments="")
    return {"csv": str(path)}


WORKLOADS = (
    Workload(
        key="d",
        title="DLinear, ETTh1, 336 → 96, batch 32, Adam",
        unit="steps/s",
        contenders=(
            Contender(title="trainer", program="windows_estimator:train", role=Role.OURS, options=steps(8_000)),
            Contender(
                title="tf.estimator",
                program="windows_estimator:train",
                environment="reference",
                options=steps(1_500),
            ),
            Contender(title="Keras `fit`", program="windows_keras:train", options=steps(2_000, 500)),
            Contender(
                title="PyTorch, eager", program="windows_torch:eager", environment="torch", options=steps(2_000, 200)
            ),
            Contender(
                title="PyTorch, compiled",
                program="windows_torch:compiled",
                environment="torch",
                options=steps(2_000, 200),
                quick=False,
            ),
            Contender(title="JAX `scan`", program="windows_jax:scan", environment="jax", options=steps(2_560, 512)),
        ),
        options={"batch_size": 32, "train_rows": TRAIN_ROWS, "check_steps": 500, "threads": 0, "steps_per_call": 50},
        prepare=prepare,
        targets={"tf.estimator": 1, "PyTorch, eager": 2, "Keras `fit`": 2, "JAX `scan`": 1},
    ),
)
