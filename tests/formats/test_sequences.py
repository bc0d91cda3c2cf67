from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainer.formats import sequences
from trainer.formats.pipeline.windows import Windows
from trainer.formats.sequences import LineStream
from trainer.formats.settings import ForecastData
from trainer.job.errors import DataError, UsageError

ROWS = "1,2,3\n4,5,6\n"


def config(**changes: object) -> ForecastData:
    return ForecastData(**{"sequence_length": 3, **changes})  # type: ignore[arg-type]


def written(tmp_path: Path, text: str, name: str = "a.csv") -> str:
    path = tmp_path / name
    path.write_bytes(text.encode())
    return str(path)


def test_the_last_values_of_a_row_are_the_label(tmp_path: Path) -> None:
    paths = (written(tmp_path, ROWS),)
    source = sequences.source(config(horizon=2), paths, paths, 1 << 20)
    assert (source.steps, source.horizon, source.columns, source.targets) == (
        1,
        2,
        ("value",),
        ("value",),
    )
    assert isinstance(source.train, Windows)
    values, labels = source.train.take(0, 2)
    np.testing.assert_array_equal(values, [[[1]], [[4]]])
    np.testing.assert_array_equal(labels, [[[2], [3]], [[5], [6]]])
    assert source.test is None


def test_standardising_takes_mean_and_deviation_of_the_training_rows(tmp_path: Path) -> None:
    train, evaluation = (written(tmp_path, ROWS),), (written(tmp_path, "9,9,9\n", "b.csv"),)
    schema = sequences.source(config(standardize=True), train, evaluation, 1 << 20)
    assert schema.mean == (3.5,)
    assert schema.scale == pytest.approx((np.std([1, 2, 3, 4, 5, 6]),))
    assert not sequences.source(config(), train, evaluation, 1 << 20).standardized


def test_a_header_above_sequences_is_named(tmp_path: Path) -> None:
    paths = (written(tmp_path, "a,b,c\n" + ROWS),)
    with pytest.raises(
        DataError, match=r"a.csv:1: a header \('a, b, c'\) in a file of sequences.*--data_format=series"
    ):
        sequences.source(config(), paths, paths, 1 << 20)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lookback": 5}, "--lookback=5 with sequences of 3 values. Accepted: --lookback=2"),
        ({"target_columns": ("a",)}, "--target_columns=a with sequences, which have no named columns"),
        ({"feature_columns": ("a", "b")}, "--feature_columns=a,b with sequences"),
        ({"lookback": 1, "horizon": 4}, "--horizon=4 of --sequence_length=3 leaves no history"),
    ],
)
def test_settings_of_other_formats_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        sequences.check_settings(config(**settings))


def test_a_part_above_the_limit_is_streamed_and_its_head_is_checked(tmp_path: Path) -> None:
    paths = (written(tmp_path, ROWS),)
    source = sequences.source(config(), paths, paths, memory_limit=1)
    assert isinstance(source.train, LineStream)
    bad = (written(tmp_path, ROWS + "7,x,9\n", "bad.csv"),)
    with pytest.raises(DataError, match="bad.csv:3, column 2: 'x' where a number belongs"):
        sequences.source(config(), bad, paths, memory_limit=1)


@pytest.mark.parametrize("text", ["\ufeff" + ROWS, ROWS.replace(",", ";"), "1,5;2,5;3,5\n"])
def test_what_a_stream_cannot_read_is_refused_before_training(tmp_path: Path, text: str) -> None:
    paths = (written(tmp_path, text),)
    sequences.source(config(), paths, paths, 1 << 20)
    with pytest.raises(DataError, match="a.csv is streamed, and has a byte order mark or.*Accepted: plain CSV"):
        sequences.source(config(), paths, paths, memory_limit=1)


def test_standardising_a_stream_is_refused(tmp_path: Path) -> None:
    paths = (written(tmp_path, ROWS),)
    with pytest.raises(UsageError, match="--standardize with data larger than memory"):
        sequences.source(config(standardize=True), paths, paths, memory_limit=1)
