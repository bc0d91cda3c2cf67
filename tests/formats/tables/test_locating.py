"""The rows of a batch of a table are found again in the files: what stands there is what the batch held."""

from __future__ import annotations

import dataclasses
import pathlib

import pytest
import tensorflow as tf

from trainer.formats.locating import BatchRows
from trainer.formats.pipeline import datasets
from trainer.formats.settings import BadRowsPolicy
from trainer.formats.tables import locating, reading
from trainer.formats.tables.settings import TableData


@pytest.fixture
def data(tmp_path: pathlib.Path) -> TableData:
    """Two files, with a blank line and a bad row in the second, whose label says the row."""
    for name, start, count in (("a", 0, 70), ("b", 1000, 50)):
        lines = [f"c{n % 3},{n},{n}.5" for n in range(start, start + count)]
        lines[7] = "" if name == "b" else lines[7]
        lines[20] = "c0,nonsense,1.5" if name == "b" else lines[20]
        (tmp_path / f"{name}.csv").write_text("\n".join(["kind,number,label", *lines]) + "\n")
    return TableData(
        train_data_paths=(str(tmp_path / "*.csv"),),
        label_column="label",
        train_batch_size=8,
        seed=5,
        bad_rows=BadRowsPolicy.SKIP,
        max_bad_fraction=0.1,
    )


def label(place: str) -> float:
    path, _, number = place.rpartition(":")
    return float(pathlib.Path(path).read_text().splitlines()[int(number) - 1].rpartition(",")[2])


@pytest.mark.parametrize("memory_limit", [1 << 30, 0], ids=["in memory", "streamed"])
def test_rows_are_found_with_their_lines(memory_limit: int, data: TableData) -> None:
    table = reading.describe(data, memory_limit=memory_limit)
    for numbers, pipeline, of in (((0, 30), 0, 1), ((3,), 1, 2), ((20,), 4, 5)):
        context = tf.distribute.InputContext(of, pipeline, of)
        trained_on = [*datasets.training(table.train, data, context).take(31).as_numpy_iterator()]
        for number in numbers:
            wanted = BatchRows(batch=number, rows=(3, 0, 7), pipeline=pipeline, pipelines=of)
            places = locating.places(table, data, wanted)
            assert [label(place) for place in places] == trained_on[number][1][[3, 0, 7]].tolist()


def test_a_table_with_files_for_evaluation_is_trained_on_all_lines_of_the_others(
    data: TableData, tmp_path: pathlib.Path
) -> None:
    paths = {"train_data_paths": (str(tmp_path / "a.csv"),), "eval_data_paths": (str(tmp_path / "b.csv"),)}
    table = reading.describe(dataclasses.replace(data, **paths))
    every = BatchRows(batch=0, rows=tuple(range(8)))
    _, labels = next(iter(datasets.training(table.train, data)))
    assert [label(place) for place in locating.places(table, data, every)] == labels.numpy().tolist()
