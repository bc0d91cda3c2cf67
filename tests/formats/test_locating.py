"""The rows of a batch of training are found again in the files: what stands there is what the batch held."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer.formats import locating, reading
from trainer.formats.locating import BatchRows
from trainer.formats.pipeline import datasets
from trainer.formats.settings import BadRowsPolicy, DataFormat, ForecastData
from trainer.formats.source import Source

_STREAMED = 1
_ROWS = (3, 0, 7)


def numbers(rows: int, columns: int, seed: int) -> np.ndarray:
    return np.random.RandomState(seed).uniform(-1, 1, size=[rows, columns]).round(4)


def write_csv(path: Path, table: np.ndarray, header: str = "") -> None:
    lines = [",".join(map(str, row)) for row in table]
    lines.insert(11, "")  # a blank line is no example, and counts as a line
    path.write_text("\n".join(([header] if header else []) + lines) + "\n")


def sequences(folder: Path, **settings: Any) -> ForecastData:
    for name, rows in (("a", 60), ("b", 45), ("c", 50)):
        write_csv(folder / f"{name}.csv", numbers(rows, 6, ord(name)))
    bad = (folder / "b.csv").read_text().splitlines()
    bad[20] = "1,2,nonsense,4,5,6"
    (folder / "b.csv").write_text("\n".join(bad))
    return settings_of(
        folder, "*.csv", sequence_length=6, bad_rows=BadRowsPolicy.SKIP, max_bad_fraction=0.1, **settings
    )


def settings_of(folder: Path, files: str, **settings: Any) -> ForecastData:
    paths = (str(folder / files),)
    return ForecastData(train_data_paths=paths, eval_data_paths=paths, train_batch_size=8, seed=5, **settings)


def batch(source: Source, data: ForecastData, wanted: BatchRows) -> np.ndarray:
    """The history in the rows of a batch, [rows, steps, columns]."""
    features, _ = next(iter(datasets.training(source.train, data).skip(wanted.batch)))
    return features["values"].numpy()[list(wanted.rows)]


def line(place: str) -> np.ndarray:
    path, _, number = place.rpartition(":")
    return np.array(Path(path).read_text().splitlines()[int(number) - 1].split(","), float)


@pytest.mark.parametrize("memory_limit", [1 << 30, _STREAMED], ids=["in memory", "streamed"])
@pytest.mark.parametrize(("pipeline", "pipelines_"), [(0, 1), (1, 2), (4, 5)])
def test_rows_of_sequences_are_found_with_their_lines(
    memory_limit: int, pipeline: int, pipelines_: int, tmp_path: Path
) -> None:
    data = sequences(tmp_path)
    source = reading.read(data, memory_limit)
    context = tf.distribute.InputContext(pipelines_, pipeline, pipelines_)
    trained_on = [*datasets.training(source.train, data, context).take(31).as_numpy_iterator()]
    for number in (0, 30):
        wanted = BatchRows(batch=number, rows=_ROWS, pipeline=pipeline, pipelines=pipelines_)
        found = locating.places(source, data, wanted)
        expected = trained_on[number][0]["values"][list(_ROWS), :, 0]
        assert [line(place)[:5] for place in found] == [pytest.approx(row, rel=1e-5) for row in expected]


def test_windows_of_a_series_are_found_with_their_lines(tmp_path: Path) -> None:
    write_csv(tmp_path / "series.csv", numbers(200, 2, 0), header="one,two")
    data = dataclasses.replace(
        settings_of(tmp_path, "series.csv", lookback=4, data_format=DataFormat.SERIES), eval_data_paths=()
    )
    source = reading.read(data)
    wanted = BatchRows(batch=40, rows=_ROWS)
    expected = batch(source, data, wanted)
    for place, values in zip(locating.places(source, data, wanted), expected, strict=True):
        path, _, lines = place.rpartition(":")
        first, last = map(int, lines.split("-"))
        inside = [text for text in Path(path).read_text().splitlines()[first - 1 : last] if text]
        read = np.array([text.split(",") for text in inside], float)
        assert read[:4] == pytest.approx(values, rel=1e-5) and len(read) == 5


@pytest.mark.parametrize("memory_limit", [1 << 30, _STREAMED], ids=["in memory", "streamed"])
def test_records_are_found_with_their_numbers(memory_limit: int, tmp_path: Path) -> None:
    table = numbers(90, 6, 0)
    path = tmp_path / "data.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for row in table:
            lists = {"values": row[:5], "labels": row[5:]}
            features = {
                name: tf.train.Feature(float_list=tf.train.FloatList(value=each)) for name, each in lists.items()
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
    data = settings_of(tmp_path, "data.tfrecord", sequence_length=6)
    source = reading.read(data, memory_limit)
    wanted = BatchRows(batch=20, rows=_ROWS)
    for place, values in zip(locating.places(source, data, wanted), batch(source, data, wanted), strict=True):
        named, _, number = place.rpartition(", record ")
        assert named == str(path) and table[int(number) - 1, :5] == pytest.approx(values[:, 0], rel=1e-5)


def test_rows_of_the_courses_waves_stand_in_no_file() -> None:
    data = ForecastData()
    assert locating.places(reading.read(data), data, BatchRows(batch=0, rows=(1,))) == ()
