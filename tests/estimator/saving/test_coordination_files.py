"""The small files by which the processes of a job coordinate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.estimator.one_weight import batches, make
from trainer.estimator.saving import coordination_files
from trainer.estimator.saving.coordination_files import EVALUATOR, LEASE_SECS
from trainer.estimator.saving.job_directory import on_disk


def write(directory: Path, record: dict[str, Any]) -> None:
    (directory / EVALUATOR).write_text(json.dumps(record))


def test_a_record_that_was_never_written_is_empty(tmp_path: Path) -> None:
    assert coordination_files.read_record(on_disk(str(tmp_path)), EVALUATOR) == {}
    assert coordination_files.read_record(on_disk(str(tmp_path / "nowhere")), EVALUATOR) == {}


@pytest.mark.parametrize(
    ("record", "age", "kept"),
    [
        ({"reading": "model.ckpt-10", "at": 1000.0}, 0.0, True),
        ({"reading": "model.ckpt-10", "at": 1000.0}, LEASE_SECS, True),
        ({"reading": "model.ckpt-10", "at": 1000.0}, LEASE_SECS + 1, False),
        ({"reading": None, "at": 1000.0}, 0.0, False),
        ({}, 0.0, False),
    ],
)
def test_a_checkpoint_is_being_read_while_its_reader_is_taken_to_be_alive(
    tmp_path: Path, record: dict[str, Any], age: float, kept: bool
) -> None:
    write(tmp_path, record)
    assert coordination_files.being_read(on_disk(str(tmp_path)), now=1000.0 + age) == (
        ("model.ckpt-10",) if kept else ()
    )


def test_a_checkpoint_that_an_evaluator_reads_is_not_deleted(tmp_path: Path) -> None:
    estimator = make(tmp_path, keep_checkpoint_max=1)
    estimator.train(batches(), max_steps=10)
    write(tmp_path, {"reading": "model.ckpt-10", "at": 1e12})
    estimator.train(batches(), max_steps=40)
    assert {file.name for file in tmp_path.glob("*.index")} == {"model.ckpt-10.index", "model.ckpt-40.index"}
    write(tmp_path, {"reading": None, "at": 1e12})
    estimator.train(batches(), max_steps=50)
    assert {file.name for file in tmp_path.glob("*.index")} == {"model.ckpt-50.index"}
