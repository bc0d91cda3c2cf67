"""A table in parts on two parameter servers trains as a whole one does, and only the rows that are used travel."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.cluster import embedding_job
from tests.cluster.conftest import Start

pytestmark = pytest.mark.process

ROWS, WIDTH, IDS = 200_000, 16, 50
SHAPE = [f"--rows={ROWS}", f"--width={WIDTH}", f"--ids={IDS}"]


def losses(directory: Path, name: str) -> list[float]:
    return list(json.loads((directory / f"losses-{name}.json").read_text()))


def values(directory: Path) -> dict[str, np.ndarray]:
    """All that the last checkpoint holds, whole."""
    reader = tf.train.load_checkpoint(str(directory))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map() if "_trainer" not in name}


def bytes_a_step(directory: Path) -> float:
    """The median of the calls: what is sent once, such as a function before its first call, belongs to no step."""
    # A call that has ended when the one before it is noted finds the step of both.
    carried = {step: num_bytes for step, _, num_bytes in json.loads((directory / "traffic.json").read_text())}
    return float(np.median(np.diff(list(carried.values())) / np.diff(list(carried))))


@pytest.mark.parametrize(
    ("table", "optimizer", "push_every"),
    [("variable", "adagrad", 1), ("keras", "sgd", 5), ("partitioned", "adam", 1), ("variable", "ftrl", 5)],
)
def test_the_path_is_that_of_one_process_and_only_rows_that_are_used_travel(
    start: Start, tmp_path: Path, table: str, optimizer: str, push_every: int
) -> None:
    task = [*SHAPE, f"--table={table}", f"--optimizer={optimizer}"]
    apart = [*task, "--steps=60", f"--push_every={push_every}", "--parts=2", f"--output_dir={tmp_path}/apart"]
    apart.append("--steps_per_call=5")
    start("--worker=1", "--ps=2", module="tests.cluster.embedding_job", task=apart).completes()
    embedding_job.main([*task, "--steps=60", f"--output_dir={tmp_path}/whole"])
    expected, found = values(tmp_path / "whole"), values(tmp_path / "apart")
    assert losses(tmp_path / "apart", "chief-0") == pytest.approx(losses(tmp_path / "whole", "worker-0"), rel=1e-5)
    assert sorted(found) == sorted(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-6, atol=1e-5, err_msg=name)
    used = IDS * WIDTH * 4
    assert used / 4 < bytes_a_step(tmp_path / "apart") < 20 * used < ROWS * WIDTH * 4 / 100


def first_loss(directory: Path) -> float:
    """Of the first batch, under the last checkpoint."""
    held = values(directory)
    chosen = embedding_job.options([*SHAPE, f"--output_dir={directory}"])
    ids, labels = next(embedding_job.batches(chosen).as_numpy_iterator())
    return float(np.mean((np.mean(held["table"][ids] * held["scale"], 1) - labels) ** 2))


def test_a_table_goes_from_one_process_to_two_servers_and_back(start: Start, tmp_path: Path) -> None:
    task = [*SHAPE, "--optimizer=adam", f"--output_dir={tmp_path}"]
    embedding_job.main([*task, "--steps=10"])
    expected = first_loss(tmp_path)
    apart = [*task, "--steps=20", "--parts=2"]
    start("--worker=1", "--ps=2", module="tests.cluster.embedding_job", task=apart).completes()
    assert losses(tmp_path, "chief-0")[0] == pytest.approx(expected, rel=1e-6)
    expected = first_loss(tmp_path)
    embedding_job.main([*task, "--steps=21"])
    assert losses(tmp_path, "worker-0")[0] == pytest.approx(expected, rel=1e-6)
