"""What is saved in parts is read in other parts, or whole, and the other way round."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator.graph import row_sharding
from trainer.estimator.graph.inside.slices import set_info
from trainer.estimator.graph.row_sharded_variable import RowShardedVariable
from trainer.estimator.graph.row_sharding import Rows
from trainer.estimator.saving import checkpoints, slices

CPU = "/job:localhost/replica:0/task:0/device:CPU:0"
VALUES = np.arange(33, dtype=np.float32).reshape(11, 3)
Variables = dict[str, Any]


def parts(values: np.ndarray, bounds: list[int]) -> Variables:
    """As `get_variable` with a partitioner makes them."""
    variables = {}
    for number, (start, stop) in enumerate(zip(bounds, bounds[1:], strict=False)):
        part = tf.Variable(values[start:stop], name=f"table/part_{number}")
        set_info(part, tf.Variable.SaveSliceInfo("table", [11, 3], [start, 0], [stop - start, 3]))
        variables[f"table/part_{number}"] = part
    return variables


def row_sharded(values: np.ndarray, servers: int) -> Variables:
    rows = Rows.evenly(len(values), [CPU] * servers)
    table = RowShardedVariable(tf.Variable(tf.zeros(values.shape)), "table", rows)
    table.create(rows, None, lambda block, number: values[block.start : block.stop])
    return {"table": table}


KINDS = {
    "whole": lambda values: {"table": tf.Variable(values)},
    "2 parts": lambda values: parts(values, [0, 6, 11]),
    "3 parts": lambda values: parts(values, [0, 4, 8, 11]),
    "on 2 servers": lambda values: row_sharded(values, 2),
    "on 3 servers": lambda values: row_sharded(values, 3),
}


@pytest.fixture(params=[10**9, 24], ids=["one block", "many blocks"])
def block_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "BLOCK_BYTES", request.param)
    monkeypatch.setattr(row_sharding.blocks, "__defaults__", (request.param,))


@pytest.mark.usefixtures("block_bytes")
@pytest.mark.parametrize("read_as", list(KINDS))
@pytest.mark.parametrize("saved_as", list(KINDS))
def test_however_it_was_saved_it_is_restored(tmp_path: Path, saved_as: str, read_as: str) -> None:
    prefix = str(tmp_path / "model.ckpt-1")
    slices.write(prefix, {**KINDS[saved_as](VALUES), "bias": tf.Variable(2.0), "position": tf.constant(b"here")})
    assert dict(tf.train.list_variables(prefix)) == {"table": [11, 3], "bias": [], "position": []}
    assert np.array_equal(tf.train.load_variable(prefix, "table"), VALUES)
    restored = KINDS[read_as](np.zeros_like(VALUES))
    checkpoints.restore(restored, checkpoints.read(prefix))
    assert np.array_equal(np.concatenate([variable.read_value() for variable in restored.values()]), VALUES)


@pytest.mark.usefixtures("block_bytes")
def test_the_files_of_many_blocks_are_those_of_one_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "model.ckpt-1.part-0-of-9.index").write_text("left by a process that was killed")
    slices.write(str(tmp_path / "model.ckpt-2"), row_sharded(VALUES, 2))
    names = sorted(os.listdir(tmp_path))
    assert [name for name in names if ".part-" in name and "ckpt-2" in name] == []
    assert {name.partition(".data-")[0] for name in names if "ckpt-2" in name} == {"model.ckpt-2", "model.ckpt-2.index"}


def test_another_shape_of_the_whole_is_refused(tmp_path: Path) -> None:
    prefix = str(tmp_path / "model.ckpt-1")
    slices.write(prefix, {"table": tf.Variable(tf.zeros([12, 3]))})
    message = r"has table of shape \[12, 3\]; the model function makes table\S* of shape \[11, 3\]"
    for kind in ("2 parts", "on 2 servers"):
        with pytest.raises(ValueError, match=message):
            checkpoints.restore(KINDS[kind](VALUES), checkpoints.read(prefix))


def test_a_part_takes_the_name_that_its_whole_had(tmp_path: Path) -> None:
    prefix = str(tmp_path / "model.ckpt-1")
    slices.write(prefix, {"old": tf.Variable(VALUES)})
    restored = parts(np.zeros_like(VALUES), [0, 6, 11])
    checkpoints.restore(restored, checkpoints.read(prefix), {"table": "old"})
    assert np.array_equal(np.concatenate([part.read_value() for part in restored.values()]), VALUES)
