"""The rows of a table as tensors: rows of nothing but numbers are read in a shorter way, to the same bits."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from trainer.formats.tables import reading
from trainer.formats.tables.parts import TableStream
from trainer.formats.tables.settings import TableData

ODD = [
    "0",
    "-0",
    "+3",
    "-.5",
    "7.",
    "1e3",
    "1E-3",
    "-2.5e+2",
    "1e-320",
    "0.1",
    "123456789.123456789",
    "3.4e38",
    "00012",
]


def numbers(count: int = 300) -> list[str]:
    """Rows of three numbers, some of them blank or written in unusual ways, and a label."""
    random = np.random.default_rng(5)
    fields = [[*ODD, "", *map(repr, random.normal(size=9).tolist())][n] for n in random.integers(23, size=3 * count)]
    return [f"{','.join(fields[3 * n : 3 * n + 3])},{random.normal():.9g}" for n in range(count)]


def stream(path: pathlib.Path, rows: list[str]) -> TableStream:
    path.write_text("\n".join(["a,b,c,y", *rows]) + "\n", encoding="utf-8")
    found = reading.describe(TableData(train_data_paths=(str(path),), label_column="y"), memory_limit=0).train
    assert isinstance(found, TableStream)
    return found


@pytest.mark.parametrize("other", ['"1",2,3,4', "NA,2,3,4", " 1,2,3,4", "1,-,3,4"])
def test_rows_of_numbers_are_the_same_beside_one_that_has_to_be_read_as_text(
    other: str, tmp_path: pathlib.Path
) -> None:
    rows = numbers()
    found = stream(tmp_path / "numbers.csv", [*rows, other])
    alone, labels = found.decode(tf.constant(rows))
    beside, other_labels = found.decode(tf.constant([*rows, other]))
    assert beside["numbers"].shape[0] == len(rows) + 1
    assert alone["numbers"].numpy().tobytes() == beside["numbers"][:-1].numpy().tobytes()
    assert labels.numpy().tobytes() == other_labels[:-1].numpy().tobytes()


def test_what_is_no_number_is_refused_in_rows_of_numbers_too(tmp_path: pathlib.Path) -> None:
    found = stream(tmp_path / "numbers.csv", numbers())
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"Field 1 in record 1 is not a valid double: 1\.2\.3"):
        found.decode(tf.constant(["1,2,3,4", "1,1.2.3,3,4"]))
