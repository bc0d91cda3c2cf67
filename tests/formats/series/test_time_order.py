from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainer.formats import reading
from trainer.formats.pipeline.windows import Windows
from trainer.formats.settings import BadRowsPolicy, ForecastData
from trainer.formats.source import Source
from trainer.job.errors import DataError

HOURS = [f"2020-01-{1 + hour // 24:02d} {hour % 24:02d}:00" for hour in range(60)]


def read(tmp_path: Path, times: list[str], **settings: object) -> Source:
    """A column of times and beside it 0, 1, 2, …"""
    path = tmp_path / "a.csv"
    path.write_text("time,v\n" + "".join(f"{time},{value}\n" for value, time in enumerate(times)))
    data = ForecastData(**{"train_data_paths": (str(path),), "lookback": 3, "split": (0.7, 0.3), **settings})  # type: ignore[arg-type]
    return reading.read(data)


def values(source: Source) -> list[float]:
    assert isinstance(source.train, Windows)
    return np.asarray(source.train.values[:, 0]).tolist()


def test_the_newest_row_first_is_refused_and_sorted_on_request(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(DataError, match=r"a.csv:2 to .*a.csv:61: the newest row comes first.*Set --sort=time"):
        read(tmp_path, HOURS[::-1])
    with caplog.at_level("INFO"):
        assert values(read(tmp_path, HOURS[::-1], sort="time")) == list(range(59, -1, -1))
    assert caplog.messages == ["Sorted by time; rows that were at another place: 60."]
    assert values(read(tmp_path, HOURS[::-1], sort="none")) == list(range(60))


def test_a_row_out_of_order_is_named(tmp_path: Path) -> None:
    shuffled = [*HOURS[:10], HOURS[20], *HOURS[10:20], *HOURS[21:]]
    with pytest.raises(
        DataError, match=r"a.csv:13: its time is before that of .*a.csv:12. Accepted: rows from the old"
    ):
        read(tmp_path, shuffled)
    assert values(read(tmp_path, shuffled, sort="time"))[10:21] == [*range(11, 21), 10]


def test_another_spelling_of_the_column_to_sort_by_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--sort: .* has no column 'Time'. Accepted: time, v"):
        read(tmp_path, HOURS, sort="Time")


def test_repeated_times_and_gaps_are_told_with_the_first_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    read(tmp_path, [*HOURS[:10], *HOURS[13:20], HOURS[19], *HOURS[20:]])
    repeated, gap = caplog.messages
    assert repeated.startswith("Rows with the same time as the row before: 1, first ") and repeated.endswith(
        "a.csv:19."
    )
    assert "Gaps in time: 1 (missing rows: 3), the first before " in gap and "a.csv:12;" in gap


def test_steps_that_often_are_longer_are_irregular_and_not_gaps(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    workdays = np.busday_offset("2020-01-06", np.arange(60)).astype(str).tolist()
    with caplog.at_level("INFO"):
        read(tmp_path, workdays)
    (line,) = caplog.messages
    assert line.startswith("The steps of time are irregular: 11 of 60 are longer than usual, the first before ")


def test_a_clock_that_is_set_back_in_autumn_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    quarters = [f"2020-10-25 {minute // 60:02d}:{minute % 60:02d}" for minute in range(0, 600, 15)]
    read(tmp_path, [*quarters[:12], *quarters[8:]])
    assert caplog.messages[0].startswith("time goes back by an hour, first at ")
    assert caplog.messages[0].endswith("a.csv:14: a clock was set back.")


def test_a_total_at_the_end_is_a_bad_row(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(DataError, match=r"a.csv:62: 'Total' where a date belongs.*Remove the row \(a total\?\)"):
        read(tmp_path, [*HOURS, "Total"])
    source = read(tmp_path, [*HOURS, "Total"], bad_rows=BadRowsPolicy.SKIP, max_bad_fraction=0.02)
    assert values(source) == list(range(60))
    assert [(row.line, row.reason) for row in source.left_out] == [(62, "'Total' where a date belongs")]


def test_several_series_in_one_table_are_seen_by_their_times(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"a.csv:3: the same time again; 120 rows have 30 different.*--series_id=COLUMN"
    ):
        read(tmp_path, [time for time in HOURS[:30] for _ in range(4)])


def test_an_epoch_column_is_time_and_not_a_feature(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("unix_time,v\n" + "".join(f"{1580000000 + 60 * (99 - row)},{row}\n" for row in range(100)))
    data = ForecastData(train_data_paths=(str(path),), lookback=3)
    with pytest.raises(DataError, match="the newest row comes first.*--sort=unix_time"):
        reading.read(data)
    assert reading.read(ForecastData(train_data_paths=(str(path),), lookback=3, sort="unix_time")).columns == ("v",)


def test_evaluation_files_from_the_time_of_training_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    paths = []
    for name, times in (("a.csv", HOURS[:40]), ("b.csv", HOURS[30:])):
        (tmp_path / name).write_text("time,v\n" + "".join(f"{time},1\n" for time in times))
        paths.append(str(tmp_path / name))
    reading.read(ForecastData(train_data_paths=(paths[0],), eval_data_paths=(paths[1],), lookback=3))
    (line,) = caplog.messages
    assert line.startswith("The evaluation files begin before the training files end (") and "b.csv:2, by time" in line
