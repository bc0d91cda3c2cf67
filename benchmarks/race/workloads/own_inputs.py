"""Other people's input functions, which change the package and nothing else; and trainings that save often."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import sines
from benchmarks.race.contest import Contender, Role, Workload
from benchmarks.race.workloads import course
from benchmarks.race.workloads.course import steps
from trainer.formats.records import tfrecords
from trainer.storage import framing

OPTIONS = {"units": 3, "batch_size": 20, "check_steps": 2_000}


def prepare(folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """The CSV of sine waves, and the same rows as TFRecord."""
    found, path = course.prepare(folder, options), folder / "sines.tfrecord"
    if not path.exists():
        rows = sines.waves(course.ROWS, seed=1)
        path.write_bytes(b"".join(framing.frame(example(row)) for row in rows))
    return {**found, "records": str(path)}


def example(row: np.ndarray) -> bytes:
    """A tf.train.Example of a row float32 [10]."""
    made = tfrecords.example_class()()
    for name, values in ((sines.FEATURE, row[: -sines.N_OUTPUTS]), ("label", row[-sines.N_OUTPUTS :])):
        made.features.feature[name].float_list.value.extend(values.tolist())
    return bytes(made.SerializeToString())


def both(program: str, ours: Mapping[str, int], theirs: Mapping[str, int]) -> tuple[Contender, ...]:
    """`trainer` and tf.estimator on the same program."""
    return (
        Contender(title="trainer", program=program, role=Role.OURS, options=ours),
        Contender(title="tf.estimator", program=program, environment="reference", options=theirs),
    )


def foreign(key: str, title: str, program: str) -> Workload:
    """Steps of the small LSTM on batches of another's input function."""
    return Workload(
        key=key,
        title=title,
        unit="steps/s",
        contenders=both(f"own_inputs:{program}", steps(20_000), steps(2_000)),
        options=OPTIONS,
        quick={"check_steps": 500},
        prepare=prepare,
        targets={"tf.estimator": 5},
        long=key != "k1",
    )


OF_SAVES: dict[str, Any] = {"unit": "ms", "tolerance": None, "less_is_better": True, "targets": {"tf.estimator": 1}}
WORKLOADS = (
    Workload(
        key="j1",
        title="what a save costs a training",
        contenders=both("saves:small", steps(40_000, 4_000), steps(4_000, 400)),
        options={**OPTIONS, "saves": 100},
        prepare=course.prepare,
        **OF_SAVES,
    ),
    Workload(
        key="j2",
        title="what a save of 100 MB costs a training",
        contenders=both("saves:large", steps(160, 20), steps(160, 20)),
        options={"saves": 8},
        long=True,
        **OF_SAVES,
    ),
    foreign("k1", "own input: a line decoded at a time, shuffled, batched", "course"),
    foreign("k2", "own input: `parse_single_example` in a map", "single_examples"),
    foreign("k3", "own input: a Python generator", "generator"),
)
