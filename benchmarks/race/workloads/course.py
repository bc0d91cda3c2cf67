"""The course's LSTM: small from CSV and from memory, and large.

Every contender reads the rows in the order of the file, so that all see the same batches and must come to the same
loss. Files are generated in random order, which makes shuffling superfluous.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import sines
from benchmarks.race.contest import Contender, Role, Workload

ROWS = 25_600
"""Whole batches of 20 and of 256."""


def prepare(folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """The CSV of sine waves."""
    path = folder / "sines.csv"
    if not path.exists():
        sines.write_csv(path, sines.waves(ROWS, seed=1))
    return {"csv": str(path)}


def steps(steps: int, warm: int | None = None) -> dict[str, int]:
    """Timed steps, a few seconds' worth, after `warm` ones; as many where None.

    Ours begin as a graph, beside which XLA compiles, for up to 3,400 steps where these are short: half as many as
    `steps`, which are the untimed ones of a quick race, have to be more than that.
    """
    return {"steps": steps, "warm": warm or steps}


SMALL = (
    Contender(
        title="trainer",
        program="lstm_estimator:from_csv",
        role=Role.OURS,
        options=steps(40_000),
    ),
    Contender(title="tf.estimator", program="lstm_estimator:from_csv", environment="reference", options=steps(3_000)),
    Contender(title="Keras `fit`", program="lstm_keras:from_csv", options=steps(6_000, 1_000)),
    Contender(
        title="Keras `fit`, a step a call",
        program="lstm_keras:from_csv",
        options={**steps(3_000, 1_000), "steps_per_call": 1},
        quick=False,
    ),
    Contender(
        title="`tf.function`, a call a step",
        program="lstm_function:call_a_step",
        options=steps(3_000, 500),
        quick=False,
    ),
    Contender(
        title="bare XLA loop",
        program="lstm_function:xla_loop",
        role=Role.LIMIT,
        quick=False,
        options=steps(40_000, 4_000),
    ),
    Contender(title="PyTorch, eager", program="lstm_torch:eager", environment="torch", options=steps(2_000, 200)),
    Contender(
        title="PyTorch, compiled",
        program="lstm_torch:compiled",
        environment="torch",
        options=steps(5_000, 1_000),
        quick=False,
    ),
    Contender(title="JAX `scan`", program="lstm_jax:scan", environment="jax", options=steps(38_400, 6_400)),
    Contender(title="a loop in C", program="lstm_c:loop", role=Role.LIMIT, options=steps(100_000, 10_000)),
)
LARGE_STEPS = {
    "trainer": steps(1_200),  # XLA takes over after some 450
    "tf.estimator": steps(200),
    "bare XLA loop": steps(400, 200),
    "JAX `scan`": steps(400, 100),
}


def from_memory(contender: Contender) -> Contender:
    """The same, with the rows in arrays."""
    program = contender.program.replace("from_csv", "from_memory")
    quick = contender.title in ("trainer", "JAX `scan`")
    return dataclasses.replace(contender, program=program, options={**contender.options, "memory": True}, quick=quick)


def large(contender: Contender) -> Contender:
    """The same with fewer steps, each of which is much longer."""
    options = {**contender.options, **LARGE_STEPS.get(contender.title, steps(200, 50))}
    if contender.options.get("steps_per_call") != 1:
        options |= {"steps_per_call": 50}
    return dataclasses.replace(contender, options=options)


PRODUCTS = Contender(
    title="its products alone, numpy",
    program="limits:lstm_products",
    role=Role.LIMIT,
    options=steps(200, 20),
    same_loss=False,
)
IN_MEMORY = ("trainer", "tf.estimator", "Keras `fit`", "bare XLA loop", "JAX `scan`", "a loop in C")
OPTIONS = {"units": 3, "batch_size": 20, "check_steps": 5_000, "threads": 1, "steps_per_call": 200}
KERAS = {"unroll": True, "jit": True}
TARGETS = {"tf.estimator": 30, "Keras `fit`": 8, "PyTorch, eager": 15, "JAX `scan`": 1.2}
WORKLOADS = (
    Workload(
        key="a",
        title="LSTM(3), batch 20, SGD, from CSV",
        unit="steps/s",
        contenders=SMALL,
        options={**OPTIONS, **KERAS},
        quick={"check_steps": 1_000},
        prepare=prepare,
        targets=TARGETS,
    ),
    Workload(
        key="b",
        title="LSTM(3), batch 20, SGD, from memory",
        unit="steps/s",
        contenders=tuple(from_memory(each) for each in SMALL if each.title in IN_MEMORY),
        options={**OPTIONS, **KERAS},
        quick={"check_steps": 1_000},
        prepare=prepare,
        targets={"JAX `scan`": 1.2},
    ),
    Workload(
        key="c",
        title="LSTM(128), batch 256, SGD, from CSV",
        unit="steps/s",
        contenders=(*(large(each) for each in SMALL if each.title != "a loop in C"), PRODUCTS),
        options={**OPTIONS, **KERAS, "units": 128, "batch_size": 256, "check_steps": 200, "threads": 0},
        quick={"check_steps": 100},
        prepare=prepare,
        targets={"tf.estimator": 1, "Keras `fit`": 1, "PyTorch, eager": 1, "JAX `scan`": 1},
    ),
)
