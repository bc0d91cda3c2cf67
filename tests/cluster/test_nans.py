"""A number that is not finite in a job of several processes: the chief says which op, line and row it came from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cluster.conftest import Start
from tests.estimator import planted_nans
from tests.faults import nan_job

pytestmark = pytest.mark.process


@pytest.mark.parametrize(
    ("processes", "who"),
    [(["--worker=1"], "process 1"), (["--worker=2", "--ps=1"], "worker 1")],
    ids=["in step", "parameter server"],
)
def test_the_chief_names_the_op_and_the_row_that_another_process_met(
    processes: list[str], who: str, start: Start, tmp_path: Path
) -> None:
    task = ["--plant=zero_by_zero", "--train_batch_size=20", "--seed=1", "--save_checkpoints_steps=1000", "--exporter="]
    flags = [f"--output_dir={tmp_path}/run", "--problem=tests/faults/nan_job.py", "--train_steps=2000", *task]
    job = start("--max_restarts=0", *processes, task=flags)
    assert job.end() == 1, job.text
    record = json.loads((tmp_path / "run" / "failure.json").read_text())
    assert (record["role"], record["exit_code"]) == ("chief", 1), record
    error = record["error"]
    assert f" of {who} that is not finite is NaN in 1 of 20, of RealDiv (truediv) at {planted_nans.__file__}:" in error
    assert "(share = y / tf.reduce_sum(y, axis=1, keepdims=True)  # planted)." in error
    # Of the two pipelines the second one has the odd batches.
    batch, row = divmod(nan_job.BAD_ROW, 20)
    assert f"It comes from row {row} of batch {batch // 2} (counted from 0): features['x'] is [0 0 0 0 0]" in error
    assert "model.ckpt-0 in" in error and "made again with the weights of the last checkpoint" in error
