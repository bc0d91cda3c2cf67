from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainer.formats.pipeline.windows import Windows
from trainer.formats.records import examples
from trainer.formats.records.examples import RecordStream
from trainer.formats.records.tfrecords import example_class
from trainer.formats.settings import ForecastData
from trainer.job.errors import DataError, UsageError
from trainer.storage.framing import frame


def written(path: Path, rows: list[dict[str, list[float]]]) -> str:
    records = []
    for row in rows:
        made = example_class()()
        for name, values in row.items():
            made.features.feature[name].float_list.value.extend(values)
        records.append(frame(made.SerializeToString()))
    path.write_bytes(b"".join(records))
    return str(path)


def numbered(count: int) -> list[dict[str, list[float]]]:
    return [{"values": [i, i + 0.5], "other": [-i, -i - 0.5], "labels": [10 * i]} for i in range(count)]


CONFIG = ForecastData(sequence_length=3)


def test_features_are_columns_and_labels_are_targets(tmp_path: Path) -> None:
    paths = (written(tmp_path / "a.tfrecord", numbered(5)),)
    data = ForecastData(sequence_length=3, feature_columns=("other", "values"))
    source = examples.source(data, paths, paths, 1 << 20)
    assert source.columns == ("other", "values")
    assert source.targets == ("labels",)
    assert source.target_indices is None
    assert isinstance(source.train, Windows)
    values, labels = source.train.take(2, 4)
    np.testing.assert_array_equal(values, [[[-2, 2], [-2.5, 2.5]], [[-3, 3], [-3.5, 3.5]]])
    np.testing.assert_array_equal(labels, [[[20]], [[30]]])


def test_standardising_scales_each_column(tmp_path: Path) -> None:
    paths = (written(tmp_path / "a.tfrecord", numbered(3)),)
    schema = examples.source(ForecastData(sequence_length=3, standardize=True), paths, paths, 1 << 20)
    assert schema.mean == (1.25,)
    assert schema.scale == pytest.approx((np.std([0, 0.5, 1, 1.5, 2, 2.5]),))


@pytest.mark.parametrize("limit", [1 << 20, 1])
def test_a_faulty_record_is_named_in_memory_and_in_the_head_of_a_stream(tmp_path: Path, limit: int) -> None:
    rows = [*numbered(3), {"values": [1.0], "labels": [2.0]}]
    paths = (written(tmp_path / "a.tfrecord", rows),)
    with pytest.raises(DataError, match="a.tfrecord, record 4: feature 'values' has 1 values. Accepted: 2 values"):
        examples.source(CONFIG, paths, paths, limit)


def test_a_record_of_infinity_is_named(tmp_path: Path) -> None:
    rows = [*numbered(3), {"values": [1.0, float("inf")], "labels": [2.0]}]
    paths = (written(tmp_path / "a.tfrecord", rows),)
    with pytest.raises(DataError, match="record 4: feature 'values' holds inf at position 2"):
        examples.source(CONFIG, paths, paths, 1 << 20)


def test_bytes_that_are_no_example_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecord"
    path.write_bytes(frame(b"\xff\xff"))
    with pytest.raises(DataError, match="a.tfrecord, record 1 is not a tf.train.Example"):
        examples.source(CONFIG, (str(path),), (str(path),), 1 << 20)


def test_a_stream_reads_the_same_examples(tmp_path: Path) -> None:
    paths = (written(tmp_path / "a.tfrecord", numbered(5)), written(tmp_path / "b.tfrecord", numbered(2)))
    source = examples.source(CONFIG, paths, paths, memory_limit=1)
    assert isinstance(source.train, RecordStream)
    labels = np.concatenate([labels for _, labels in source.train.blocks(3)])
    np.testing.assert_array_equal(labels[:, 0, 0], [0, 10, 20, 30, 40, 0, 10])


def test_settings_that_examples_do_not_have_are_refused(tmp_path: Path) -> None:
    paths = (written(tmp_path / "a.tfrecord", numbered(5)),)
    with pytest.raises(UsageError, match="--lookback=7 with examples of 3 values"):
        examples.source(ForecastData(sequence_length=3, lookback=7), paths, paths, 1 << 20)
    with pytest.raises(UsageError, match="--standardize with data larger than memory"):
        examples.source(ForecastData(sequence_length=3, standardize=True), paths, paths, memory_limit=1)
