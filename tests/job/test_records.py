"""JSON files are strict and appear whole."""

from __future__ import annotations

import json
import math
import os
import pathlib

import numpy as np
import pytest

from trainer.job import records


def test_what_json_cannot_say_becomes_null(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "summary.json"
    records.write(str(path), {"rmse": math.nan, "best": [math.inf, 1.5], "n": {"deep": -math.inf}, 3: None})
    text = path.read_text()
    assert json.loads(text, parse_constant=pytest.fail) == {
        "rmse": None,
        "best": [None, 1.5],
        "n": {"deep": None},
        "3": None,
    }


def test_numpy_numbers_and_arrays_are_plain(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "summary.json"
    record = {"f": np.float32(0.5), "nan": np.float64("nan"), "i": np.int64(3), "a": np.array([1.0, np.nan])}
    records.write(str(path), record)
    assert json.loads(path.read_text()) == {"f": 0.5, "nan": None, "i": 3, "a": [1.0, None]}


def test_bytes_tuples_and_other_objects_are_written_as_text(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "summary.json"
    records.write(str(path), {"dir": b"/export/1", "split": (1, 2), "path": pathlib.PurePosixPath("a/b")})
    assert json.loads(path.read_text()) == {"dir": "/export/1", "split": [1, 2], "path": "a/b"}


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "summary.json"
    records.write(str(path), {"a": 1})
    circular: dict[str, object] = {}
    circular["self"] = circular
    with pytest.raises(RecursionError):
        records.write(str(path), circular)
    assert json.loads(path.read_text()) == {"a": 1}
    assert os.listdir(tmp_path) == ["summary.json"]
