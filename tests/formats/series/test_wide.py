from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainer.formats import reading
from trainer.formats.pipeline import datasets
from trainer.formats.settings import DataFormat, ForecastData
from trainer.formats.source import Source
from trainer.job.errors import UsageError

M4 = ",".join(f'"V{n}"' for n in range(1, 14))
DATES = "Page," + ",".join(f"2015-07-{day:02d}" for day in range(1, 13))


def read(tmp_path: Path, header: str, rows: list[str], **settings: object) -> Source:
    path = tmp_path / "a.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    chosen = {"train_data_paths": (str(path),), "lookback": 2, "split": (0.5, 0.5), **settings}
    return reading.read(ForecastData(**chosen))  # type: ignore[arg-type]


def examples(part: object) -> list[list[float]]:
    batches = datasets.evaluation(part, 100)  # type: ignore[arg-type]
    rows = [np.concatenate([features["values"], labels], axis=1)[:, :, 0] for features, labels in batches]
    return np.concatenate(rows).tolist()


def test_a_series_a_row_of_m4_is_read_without_windows_across_series(tmp_path: Path) -> None:
    long = '"Y1",' + ",".join(f'"{n}"' for n in range(12))
    short = '"Y2",' + ",".join([f'"{n}"' for n in range(100, 108)] + ['""'] * 4)
    source = read(tmp_path, M4, [long, short], data_format=DataFormat.SERIES)
    assert source.columns == ("value",)
    assert examples(source.train) == [[n, n + 1, n + 2] for n in (0, 1, 2, 3, 100, 101)]
    assert examples(source.evaluation) == [[n, n + 1, n + 2] for n in (4, 5, 6, 7, 8, 9, 102, 103, 104, 105)]


def test_columns_named_by_dates_are_the_values_of_a_row(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = ["a," + ",".join(map(str, range(12))), "b,,," + ",".join("" if n == 4 else str(n) for n in range(10))]
    source = read(tmp_path, DATES, rows)
    assert examples(source.train) == [[n, n + 1, n + 2] for n in (0, 1, 2, 3, 0, 1)]
    assert examples(source.evaluation)[-3:] == [[5, 6, 7], [6, 7, 8], [7, 8, 9]]
    assert any("Windows left out for a missing value" in line for line in caplog.messages)


def test_a_table_whose_rows_are_times_is_none_of_them(tmp_path: Path) -> None:
    header = "date," + ",".join(map(str, range(10)))
    rows = [f"2020-01-{day:02d}," + ",".join([str(day)] * 10) for day in range(1, 21)]
    assert read(tmp_path, header, rows).columns == tuple(map(str, range(10)))


def test_settings_about_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--series_id=V1, and each row of .*a.csv is a series"):
        read(tmp_path, M4, ["Y1," + ",".join(map(str, range(12)))], series_id="V1")
