from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainer.formats.pipeline.windows import Windows
from trainer.formats.series import long, parts
from trainer.formats.settings import ForecastData
from trainer.formats.source import Source
from trainer.job.errors import DataError

LIMIT = 1 << 20


def table(first: int = 0, last: int = 20) -> str:
    """Columns a = row number and b = its square, beside a date and a word."""
    rows = "".join(f"2020-01-{1 + i % 28:02d} 00:00:00,{i},{i * i},NE\n" for i in range(first, last))
    return "date,a,b,wind\n" + rows


def written(tmp_path: Path, text: str, name: str = "a.csv") -> str:
    path = tmp_path / name
    path.write_bytes(text.encode())
    return str(path)


def read(*paths: str, evaluation: tuple[str, ...] = (), **settings: object) -> Source:
    data = ForecastData(**{"lookback": 3, **settings})  # type: ignore[arg-type]
    return long.source(data, paths, evaluation, LIMIT)


def span(part: object) -> tuple[float, float, int]:
    """First value of the first window, last label of the last window, windows."""
    assert isinstance(part, Windows)
    values, labels = part.take(0, part.count)
    return float(values[0, 0, 0]), float(labels[-1, -1, 0]), len(values)


def test_dates_and_words_are_left_out_and_targets_default_to_all_columns(tmp_path: Path) -> None:
    schema = read(written(tmp_path, table()))
    assert schema.columns == schema.targets == ("a", "b")
    assert (schema.steps, schema.horizon) == (3, 1)


def test_evaluation_and_test_windows_reach_back_for_their_history(tmp_path: Path) -> None:
    source = read(written(tmp_path, table()), split=(10.0, 5.0, 5.0), horizon=2)
    assert span(source.train) == (0, 9, 6)
    assert span(source.evaluation) == (7, 14, 4)
    assert span(source.test) == (12, 19, 4)


def test_rows_after_the_last_count_are_left_out(tmp_path: Path) -> None:
    assert span(read(written(tmp_path, table()), split=(10.0, 5.0)).evaluation) == (7, 14, 5)


def test_rows_that_a_split_leaves_out_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = written(
        tmp_path, "date,a\n" + "".join(f"2020-01-01 {row // 60:02d}:{row % 60:02d},{row}\n" for row in range(120))
    )
    with caplog.at_level("INFO"):
        read(path, split=(0.7, 0.3))
        read(path, split=(100.0, 20.0))
        assert not caplog.messages
        read(path, split=(70.0, 20.0, 10.0))
        read(path, split=(80.0, 30.0))
    assert caplog.messages == [
        "--split=70,20,10 leaves out the last 20 of 120 rows; for percentages write 0.7,0.2,0.1.",
        "--split=80,30 leaves out the last 10 of 120 rows.",
    ]


def test_a_split_in_two_has_no_test_part(tmp_path: Path) -> None:
    source = read(written(tmp_path, table()), split=(0.7, 0.3))
    assert source.test is None
    assert span(source.evaluation) == (11, 19, 6)


@pytest.mark.parametrize(
    ("count", "split", "ends"),
    [
        (17420, (8640.0, 2880.0, 2880.0), (8640, 11520, 14400)),
        (17420, (0.7, 0.1, 0.2), (12194, 13936, 17420)),
        (11, (0.7, 0.1, 0.2), (7, 9, 11)),
        (10320, (0.7, 0.3), (7223, 10320)),
    ],
)
def test_boundaries_follow_the_protocol_of_ltsf(count: int, split: tuple[float, ...], ends: tuple[int, ...]) -> None:
    assert parts.boundaries(count, split) == ends


def test_mean_and_deviation_are_those_of_the_training_rows(tmp_path: Path) -> None:
    text = "x,constant\n" + "".join(f"{i},0.1\n" for i in range(20))
    schema = read(written(tmp_path, text), split=(10.0, 10.0))
    assert schema.mean == pytest.approx((4.5, 0.1))
    assert schema.scale == pytest.approx((np.std(np.arange(10)), 1.0))
    assert not read(written(tmp_path, text), standardize=False).standardized


def test_targets_are_features_too(tmp_path: Path) -> None:
    source = read(written(tmp_path, table()), feature_columns=("b",), target_columns=("a",))
    assert source.columns == ("b", "a")
    assert source.targets == ("a",)
    assert source.target_indices == (1,)
    assert isinstance(source.train, Windows)
    np.testing.assert_array_equal(source.train.take(0, 1)[1], [[[3]]])


def test_several_files_are_one_series_in_the_order_given(tmp_path: Path) -> None:
    paths = [written(tmp_path, table(0, 8), "a.csv"), written(tmp_path, table(8, 20), "b.csv")]
    assert span(read(*paths, split=(19.0, 1.0)).train) == (0, 18, 16)


def test_evaluation_files_are_all_evaluation(tmp_path: Path) -> None:
    train, evaluation = written(tmp_path, table()), written(tmp_path, table(30, 40), "b.csv")
    source = read(train, evaluation=(evaluation,))
    assert span(source.train) == (0, 19, 17)
    assert span(source.evaluation) == (30, 39, 7)
    assert source.test is None
    assert source.mean[0] == 9.5


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("date,0,1,OT\n" + "2016-01-01 00:00:00,1,2,3\n" * 20, ("0", "1", "OT")),
        ("Date;Time;Power\n" + "16/12/2006;17:24:00;4.216\n" * 20, ("Power",)),
        ("Datum;Wert\n" + "01.02.2020;1,5\n" * 20, ("Wert",)),
        (",value\n" + "".join(f"{i},3\n" for i in range(20)), ("value",)),
        ("a,b,\n" + "1,2,\n" * 20, ("a", "b")),
        ('"Month","Passengers"\r\n' + '"1949-01",112\r\n' * 20, ("Passengers",)),
        ("timestamp,v\n" + "1580000000,3\n" * 20, ("v",)),
        ("date v\n" + "2020-01-01 3\n" * 20, ("v",)),
        ("day,v\n" + '"Jan 2, 2020",3\n' * 20, ("v",)),
        ("\ufeffdate,v\n" + "2020-01-01,3\n" * 20 + "\n\n", ("v",)),
    ],
)
def test_tables_of_many_hands_are_read_as_they_are(tmp_path: Path, text: str, columns: tuple[str, ...]) -> None:
    source = read(written(tmp_path, text))
    assert source.columns == columns
    assert isinstance(source.train, Windows) and len(source.train.values) == 20


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("1,2\n" * 9, {}, "a.csv:1: no header, the first row is data.*Add a first line of names"),
        ("2020-01-01,2\n" * 9, {}, "a.csv:1: no header, the first row is data"),
        ("date,a\n", {}, "a.csv:1: taken as the header, and no row below it has 2 fields"),
        ("# notes\ndate,a\n2020-01-01,3\n", {}, "a.csv:1: a comment, not a row.*Remove the lines that begin with #"),
        ("a,a\n1,2\n", {}, "a.csv:1: the column name 'a' occurs twice"),
        ("date,w\n2020-01-01,x\n", {}, "a.csv has no numeric column"),
        (
            table(),
            {"target_columns": ("A",)},
            "--target_columns: .*a.csv has no column 'A'. Accepted: date, a, b, wind",
        ),
        (
            table(),
            {"feature_columns": ("date",)},
            "--feature_columns: column 'date' .* holds no numbers. Accepted: a, b",
        ),
        (table() + "x,1,2\n", {}, "a.csv:22: a row of 3 values. Accepted: 4 values a row, as many as the header"),
        (table() + "x,1,?,NE\n", {}, r"a.csv:22, column 3 \(b\): '\?', a missing value.*--feature_columns"),
        (table() + "x,oops,2,NE\n", {}, r"a.csv:22, column 2 \(a\): 'oops' where a number belongs"),
        (table() + "x,inf,2,NE\n", {}, r"a.csv:22, column 2 \(a\): 'inf' where a number belongs"),
        ("date,v\n" + '2020-01-01,"1,234.5"\n' * 9, {}, r"a.csv:2, column 2 \(v\): '1,234.5' where a number"),
        (table(), {"lookback": 40}, r"No window of 40 \+ 1 rows fits in the training part"),
        (
            table(),
            {"split": (18.0, 1.0, 1.0), "horizon": 2},
            "fits in the evaluation part .rows 18 to 19.*another --split",
        ),
        (table(), {"split": (100.0, 20.0)}, "--split=100,20 asks for 120 rows, and the series has 20"),
    ],
)
def test_a_fault_of_a_series_is_named_with_its_place(
    tmp_path: Path, text: str, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(written(tmp_path, text), **settings)


def test_a_missing_value_in_a_column_that_is_not_used_does_no_harm(tmp_path: Path) -> None:
    path = written(tmp_path, table() + "2020-01-21,1,?,NE\n")
    assert read(path, feature_columns=("a",)).columns == ("a",)


def test_another_header_in_a_later_file_is_named(tmp_path: Path) -> None:
    paths = written(tmp_path, table()), written(tmp_path, table().replace("b,", "B,", 1), "b.csv")
    with pytest.raises(DataError, match="b.csv:1: its header is not that of .*a.csv .'B' instead of 'b'."):
        read(*paths)


def test_a_series_larger_than_memory_is_refused_with_the_formats_that_stream(tmp_path: Path) -> None:
    path = written(tmp_path, table())
    with pytest.raises(DataError, match="A series of .* in 1 files. Accepted: .*fits in memory.*TFRecord"):
        long.source(ForecastData(lookback=3), (path,), (), memory_limit=10)
