from __future__ import annotations

import dataclasses
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer import storage
from trainer.formats import reading
from trainer.formats.pipeline import datasets
from trainer.formats.records.tfrecords import example_class
from trainer.formats.settings import BadRowsPolicy, ForecastData
from trainer.formats.source import Part
from trainer.storage.framing import frame

BATCH = 8


def lines(numbers: range) -> bytes:
    """Sequences n, -n → n + 0.5."""
    return "".join(f"{n},{-n},{n + 0.5}\n" for n in numbers).encode()


def records(numbers: range) -> bytes:
    framed = []
    for n in numbers:
        made = example_class()()
        made.features.feature["values"].float_list.value.extend([n, -n])
        made.features.feature["labels"].float_list.value.append(n + 0.5)
        framed.append(frame(made.SerializeToString()))
    return b"".join(framed)


_BUCKET, _GZIP_IN_A_BUCKET = (pytest.param(name, marks=pytest.mark.process) for name in ("bucket", "gzip in a bucket"))
KINDS_TO_SHARE = ["memory", "gzip", "records", "bad lines", _BUCKET]
"""Bad records are left out where bad lines are, and compressed files of a bucket opened where others are: by file."""


@pytest.fixture(params=["memory", "gzip", "records", "bad lines", "bad records", _BUCKET, _GZIP_IN_A_BUCKET])
def data(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[ForecastData, int]:
    """Sixty examples in three files, and the memory limit to read them with."""
    folder = str(tmp_path)
    if "bucket" in request.param:
        request.getfixturevalue("bucket")
        request.getfixturevalue("cache")
        folder = f"gs://bucket/{tmp_path.name}"  # another one for each test: what was read is kept
    write = records if "records" in request.param else lines
    pack = gzip.compress if "gzip" in request.param else bytes
    bad = {"bad lines": b"1,2\n\n,x,\n", "bad records": frame(b"no example")}.get(request.param, b"")
    for number in range(3):
        storage.write(f"{folder}/part-{number}", pack(write(range(20 * number, 20 * number + 20)) + bad * number))
    config = ForecastData(
        train_data_paths=(f"{folder}/part-*",),
        eval_data_paths=(f"{folder}/part-*",),
        sequence_length=3,
        train_batch_size=BATCH,
        bad_rows=BadRowsPolicy.SKIP if bad else BadRowsPolicy.ERROR,
        max_bad_fraction=0.2,
    )
    return config, 1 << 20 if request.param == "memory" else 1


def part_of(data: tuple[ForecastData, int]) -> Part:
    return reading.read(*data).train


def numbers(batches: tf.data.Dataset | list[Any]) -> list[int]:
    """The examples of a dataset or of its batches, known by their first value; checks that each is whole."""
    found = []
    for features, labels in batches.as_numpy_iterator() if isinstance(batches, tf.data.Dataset) else batches:
        values = features["values"][:, :, 0]
        np.testing.assert_array_equal(values[:, 1], -values[:, 0])
        np.testing.assert_array_equal(labels[:, 0, 0], values[:, 0] + 0.5)
        found.extend(values[:, 0].astype(int).tolist())
    return found


def with_settings(data: tuple[ForecastData, int], **changes: Any) -> ForecastData:
    return dataclasses.replace(data[0], **changes)


def test_every_epoch_holds_every_example_once_and_what_fills_no_batch_at_the_end_is_dropped(
    data: tuple[ForecastData, int],
) -> None:
    config = with_settings(data, num_epochs=5)  # of 7.5 batches, which run across epochs
    dataset = datasets.training(part_of(data), config)
    assert dataset.element_spec[0]["values"].shape == (BATCH, 2, 1)
    assert dataset.element_spec[1].shape == (BATCH, 1, 1)
    found = numbers(dataset)
    *epochs, last = [found[i : i + 60] for i in range(0, len(found), 60)]
    assert all(sorted(epoch) == list(range(60)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4
    assert len(last) == len(set(last)) == 56


def test_without_epochs_training_goes_on_and_depends_on_the_seed_alone(data: tuple[ForecastData, int]) -> None:
    def order(seed: int | None, read_anew: Part) -> list[int]:
        return numbers(datasets.training(read_anew, with_settings(data, seed=seed)).take(30))

    part = part_of(data)
    first = order(None, part)
    assert len(first) == 240
    assert order(0, part_of(data)) == first != order(1, part)


def test_a_restored_iterator_goes_on_with_the_next_batch(data: tuple[ForecastData, int], tmp_path: Path) -> None:
    dataset = datasets.training(part_of(data), data[0])
    unbroken = numbers(dataset.take(40))
    iterator = iter(dataset)
    for _ in range(13):
        next(iterator)
    saved = tf.train.Checkpoint(iterator=iterator).write(str(tmp_path / "saved"))
    fresh = iter(datasets.training(part_of(data), data[0]))
    tf.train.Checkpoint(iterator=fresh).read(saved).assert_consumed()
    rest = [int(n) for _ in range(27) for n in next(fresh)[0]["values"][:, 0, 0].numpy()]
    assert rest == unbroken[13 * BATCH :]


@pytest.mark.parametrize("pipelines_in_all", [2, 4])  # fewer than files, and more
@pytest.mark.parametrize("data", KINDS_TO_SHARE, indirect=True)
def test_pipelines_share_the_examples_of_an_epoch(data: tuple[ForecastData, int], pipelines_in_all: int) -> None:
    config, part = with_settings(data, train_batch_size=1, num_epochs=1), part_of(data)
    shares = []
    for own in range(pipelines_in_all):
        context = tf.distribute.InputContext(pipelines_in_all, own, pipelines_in_all)
        shares.append(numbers(datasets.training(part, config, context)))
    assert sorted(sum(shares, [])) == list(range(60))
    assert all(shares)


@pytest.mark.parametrize(("batch_size", "lengths"), [(25, [25, 25, 10]), (20, [20, 20, 20]), (1000, [60])])
def test_evaluation_goes_in_order_and_keeps_the_last_batch(
    data: tuple[ForecastData, int], batch_size: int, lengths: list[int]
) -> None:
    batches = list(datasets.evaluation(part_of(data), batch_size).as_numpy_iterator())
    assert numbers(batches) == list(range(60))
    assert [len(labels) for _, labels in batches] == lengths


def test_batches_of_even_size_have_a_static_shape() -> None:
    part = reading.read(ForecastData()).evaluation
    assert datasets.evaluation(part, 25).element_spec[1].shape == (25, 1, 1)
    for size in (30, 1000):  # of which the second would be static too, and parts of other sizes traced by themselves
        assert datasets.evaluation(part, size).element_spec[1].shape.as_list() == [None, 1, 1]


@pytest.mark.parametrize("line", ["1,x,3", "1,nan,3", "1,2", "1,inf,3"])
def test_a_fault_far_into_a_stream_stops_the_pipeline(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"1.0000000000,2.0000000000,3.0000000000\n" * 30_000 + line.encode() + b"\n")
    data = ForecastData(train_data_paths=(str(path),), eval_data_paths=(str(path),), sequence_length=3)
    dataset = datasets.evaluation(reading.read(data, 1).evaluation, 10_000)
    with pytest.raises(tf.errors.InvalidArgumentError):
        for _ in dataset:
            pass


def test_blank_lines_and_line_ends_of_windows_do_no_harm_to_a_stream(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(lines(range(5)).replace(b"\n", b"\r\n") + b"\r\n  \r\n" + lines(range(5, 9)) + b"\n")
    data = ForecastData(train_data_paths=(str(path),), eval_data_paths=(str(path),), sequence_length=3)
    assert numbers(datasets.evaluation(reading.read(data, 1).evaluation, 4)) == list(range(9))


def test_windows_of_a_series_hold_the_rows_before_and_after(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n" + "".join(f"{n},{-n}\n" for n in range(50)))
    data = ForecastData(train_data_paths=(str(path),), lookback=4, horizon=3, split=(0.5, 0.5), train_batch_size=5)
    source = reading.read(data)
    for features, labels in datasets.training(source.train, data).take(20).as_numpy_iterator():
        assert features["values"].shape == (5, 4, 2)
        rows = np.concatenate([features["values"], labels], axis=1)
        np.testing.assert_array_equal(rows[:, :, 0], rows[:, :1, 0] + np.arange(7))
        np.testing.assert_array_equal(rows[:, :, 1], -rows[:, :, 0])
        assert rows.max() < 25


@pytest.mark.parametrize("memory_limit", [1 << 20, 1])
def test_values_far_from_zero_keep_their_digits_on_the_way(tmp_path: Path, memory_limit: int) -> None:
    path = tmp_path / "far.csv"
    path.write_text("".join(f"{1e9 + n},{1e9 + n / 8},{1e9 - n / 16}\n" for n in range(10)))
    data = ForecastData(train_data_paths=(str(path),), eval_data_paths=(str(path),), sequence_length=3)
    source = reading.read(data, memory_limit)
    assert source.dtype == "float64"
    ((features, labels),) = datasets.evaluation(source.evaluation, 10)
    np.testing.assert_array_equal(features["values"][:, 1, 0] - 1e9, np.arange(10) / 8)
    np.testing.assert_array_equal(labels[:, 0, 0] - 1e9, -np.arange(10) / 16)
