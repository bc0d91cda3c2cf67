from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainer.formats import reading
from trainer.formats.pipeline import datasets
from trainer.formats.pipeline.windows import Windows
from trainer.formats.settings import ForecastData
from trainer.formats.source import Source
from trainer.job.errors import DataError, UsageError


def read(tmp_path: Path, lengths: dict[str, int], *, by_day: bool, **settings: object) -> Source:
    """Series whose values are 100 · (which series) + day; rows series after series, or day after day."""
    rows = [(day, name, 100 * number + day) for number, (name, n) in enumerate(lengths.items()) for day in range(n)]
    path = tmp_path / "a.csv"
    lines = [f"2020-{1 + day // 28:02d}-{1 + day % 28:02d},{name},{value}" for day, name, value in rows]
    path.write_text("\n".join(["date,shop,v", *(sorted(lines) if by_day else lines)]) + "\n")
    chosen = {"train_data_paths": (str(path),), "series_id": "shop", "lookback": 3, **settings}
    return reading.read(ForecastData(**chosen))  # type: ignore[arg-type]


def examples(part: object) -> np.ndarray:
    """float [n, steps + horizon], as a pipeline gives them."""
    batches = datasets.evaluation(part, 100)  # type: ignore[arg-type]
    rows = [np.concatenate([features["values"], labels], axis=1)[:, :, 0] for features, labels in batches]
    return np.concatenate(rows)


@pytest.mark.parametrize("by_day", [False, True])
def test_each_series_is_split_by_itself_and_no_window_crosses(tmp_path: Path, by_day: bool) -> None:
    source = read(tmp_path, {"b": 20, "a": 10}, by_day=by_day)
    assert source.columns == ("v",)
    found = examples(source.train)
    assert sorted(found[:, 0].tolist()) == [*range(11), *range(100, 104)]
    assert (np.diff(found, axis=1) == 1).all()
    assert sorted(examples(source.evaluation)[:, -1].tolist()) == [14, 15, 107]
    assert source.test is not None
    assert sorted(examples(source.test)[:, -1].tolist()) == [16, 17, 18, 19, 108, 109]
    assert source.mean == pytest.approx((np.mean([*range(14), *range(100, 107)]),))


def test_batches_of_training_hold_every_window_of_each_series_once(tmp_path: Path) -> None:
    source = read(tmp_path, {"b": 20, "a": 10}, by_day=False)
    data = ForecastData(train_data_paths=("a.csv",), train_batch_size=5, num_epochs=1)
    batches = [np.asarray(features["values"])[:, :, 0] for features, _ in datasets.training(source.train, data)]
    assert sorted(np.concatenate(batches)[:, 0].tolist()) == [*range(11), *range(100, 104)]


def test_numbers_may_name_a_series_and_are_no_feature(tmp_path: Path) -> None:
    assert read(tmp_path, {"7": 20, "8": 20}, by_day=True).columns == ("v",)


def test_series_shorter_than_a_window_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = read(tmp_path, {"a": 20, "b": 4}, by_day=False, split=(0.5, 0.5))
    assert len(examples(source.train)) == 7
    assert caplog.messages[0] == (
        "Series too short for a window: 1 of 2 in the training part (of 2 series, by --split=0.5,0.5)."
    )


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--series_id: .* has no column 'Shop'. Accepted: date, shop, v"):
        read(tmp_path, {"a": 20}, by_day=False, series_id="Shop")


def test_sequences_have_no_series_to_name() -> None:
    with pytest.raises(UsageError, match="--series_id=shop with sequences, each of which is by itself"):
        reading.read(ForecastData(series_id="shop"))


def test_windows_that_begin_anywhere_are_taken_by_their_starts() -> None:
    table = np.arange(10.0)[:, np.newaxis]
    windows = Windows(values=table, labels=table, count=2, steps=2, horizon=1, starts=np.array([1, 6]))
    values, labels = windows.take(0, 9)
    np.testing.assert_array_equal(values[:, :, 0], [[1, 2], [6, 7]])
    np.testing.assert_array_equal(labels[:, :, 0], [[3], [8]])


def test_percentages_written_as_counts_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("v\n" + "".join(f"{n}\n" for n in range(1442)))
    data = ForecastData(train_data_paths=(str(path),), split=(70.0, 20.0, 10.0))
    with pytest.raises(
        DataError, match="--split=70,20,10 asks for 100 of 1,442 rows.*Set --split=0.7,0.2,0.1 for perc"
    ):
        reading.read(data)
