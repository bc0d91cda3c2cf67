"""JSON files are strict and appear whole."""

from __future__ import annotations

import json
import math
import os
import pathlib
import random
from collections.abc import Iterator

import numpy as np
import pytest

from trainer.job import records
from trainer.job.errors import UsageError
from trainer.job.records import DamagedRecordError


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


# Sealed records

RECORD = {"reason": "max_steps", "global_step": 100, "metrics": {"rmse": 0.1, "nan": None}, "on": True}
KINDS = {"reason": str, "global_step": int, "metrics": dict, "on": bool}


def mutations(content: bytes, seed: int, count: int) -> Iterator[bytes]:
    """The content with one byte changed, left out or doubled, or cut off."""
    rng = random.Random(seed)
    for _ in range(count):
        place, kind = rng.randrange(len(content)), rng.randrange(4)
        changed = bytes([content[place] ^ 1 << rng.randrange(8)])
        between = {0: changed, 1: b"", 2: content[place : place + 1] * 2, 3: b""}[kind]
        yield content[:place] + between + (b"" if kind == 3 else content[place + 1 :])


def test_a_sealed_record_is_read_as_it_was_written() -> None:
    content = records.text(records.sealed(records.strict(RECORD))).encode()
    assert records.parsed(content, "a.json", KINDS) == RECORD
    assert records.parsed(json.dumps(RECORD).encode(), "a.json", KINDS) == RECORD  # as earlier versions wrote it


def test_a_sealed_record_may_hold_what_json_cannot_say() -> None:
    content = json.dumps(records.sealed({"loss": math.inf, "path": "a/ü"})).encode()
    assert records.parsed(content, "a.json", {"loss": float}) == {"loss": math.inf, "path": "a/ü"}


def test_no_mutation_of_a_sealed_record_is_believed() -> None:
    content = records.text(records.sealed(RECORD)).encode()
    believed = 0
    for mutated in mutations(content, seed=0, count=500):
        try:
            read = records.parsed(mutated, "a.json", KINDS)
            assert {name: read[name] for name in RECORD} == RECORD
            believed += 1  # a blank more or less between two fields, or another name for the seal, changes nothing
        except DamagedRecordError as error:
            assert str(error).startswith("a.json is damaged: ")
    assert believed < 200


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "it is not JSON"),
        (b"\xff", "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (b"9" * 5000, "it is not JSON"),
        (b"[]", "it is not a JSON object"),
        (b"{}", "it has no reason"),
        (b'{"reason": 3}', "its reason cannot be int"),
        (b'{"reason": "x", "step": true}', "its step cannot be bool"),
        (b'{"reason": "x", "crc32": "00000000"}', "it has another checksum than was written"),
    ],
)
def test_a_damaged_record_says_what_is_wrong(content: bytes, what: str) -> None:
    with pytest.raises(UsageError) as raised:
        records.parsed(content, "dir/a.json", {"reason": str}, {"step": int})
    assert str(raised.value) == (
        f"dir/a.json is damaged: {what}. Accepted: the file as it was written. Restore it from a copy, or delete it."
    )
