from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainer.formats import reading
from trainer.formats.pipeline import datasets
from trainer.formats.records.tfrecords import example_class
from trainer.formats.settings import ForecastData
from trainer.formats.source import Source
from trainer.formats.text import missing
from trainer.formats.text.missing import Missing
from trainer.job.errors import DataError
from trainer.storage.framing import frame

MEMORY, STREAM = 1 << 20, 1


def series(tmp_path: Path, fields: list[str], **settings: object) -> Source:
    path = tmp_path / "a.csv"
    path.write_text("date,v\n" + "".join(f"2020-01-{day:02d},{field}\n" for day, field in enumerate(fields, 1)))
    data = ForecastData(**{"train_data_paths": (str(path),), "lookback": 2, "split": (0.6, 0.4), **settings})  # type: ignore[arg-type]
    return reading.read(data)


def firsts(part: object) -> list[float]:
    batches = datasets.evaluation(part, 100)  # type: ignore[arg-type]
    return np.concatenate([features["values"][:, 0, 0] for features, _ in batches]).tolist()


@pytest.mark.parametrize("field", ["", "NA", "?", "-9999", "-9999.0", "unknown", '"NA"', " nan "])
def test_windows_that_touch_a_missing_value_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, field: str
) -> None:
    fields = [str(n) for n in range(20)]
    fields[5] = field
    source = series(tmp_path, fields, missing_values=("-9999", "Unknown"))
    assert firsts(source.train) == [0, 1, 2, 6, 7, 8, 9]
    assert firsts(source.evaluation) == list(range(10, 18))
    assert source.mean == pytest.approx((np.mean([0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]),))
    assert caplog.messages[-1] == (
        "Windows left out for a missing value or a bad row: 3 of 10 in the training part "
        "(rows 0 to 12 by --split=0.6,0.4)."
    )


def test_a_missing_value_is_an_error_by_default_and_the_way_out_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a.csv:2, column 2 \(v\): '\?', a missing value.*--missing_values=NA"):
        series(tmp_path, ["?", *map(str, range(19))])


def test_a_part_without_a_whole_window_is_refused(tmp_path: Path) -> None:
    fields = [str(n) if n % 2 else "NA" for n in range(20)]
    with pytest.raises(DataError, match="Each of the 10 windows of the training part .* holds a missing value"):
        series(tmp_path, fields, missing_values=("NA",))


def test_a_column_without_a_value_in_training_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Column v has no value in the 12 rows of training"):
        series(tmp_path, ["-1"] * 12 + ["1"] * 8, missing_values=("-1",))


@pytest.mark.parametrize("memory_limit", [MEMORY, STREAM])
def test_sequences_with_a_missing_value_are_left_out(tmp_path: Path, memory_limit: int) -> None:
    path = tmp_path / "a.csv"
    path.write_text("".join(f"{n},{'' if n == 3 else n},{-200 if n == 7 else n}\n" for n in range(10)))
    paths = (str(path),)
    data = ForecastData(train_data_paths=paths, eval_data_paths=paths, sequence_length=3, missing_values=("-200",))
    source = reading.read(data, memory_limit)
    assert firsts(source.evaluation) == [0, 1, 2, 4, 5, 6, 8, 9]
    assert source.left_out == ()


@pytest.mark.parametrize("memory_limit", [MEMORY, STREAM])
def test_examples_with_a_missing_value_are_left_out(tmp_path: Path, memory_limit: int) -> None:
    framed = []
    for n in range(10):
        made = example_class()()
        made.features.feature["values"].float_list.value.extend([n, np.nan if n == 3 else n])
        made.features.feature["labels"].float_list.value.append(-200.0 if n == 7 else n)
        framed.append(frame(made.SerializeToString()))
    path = tmp_path / "a.tfrecord"
    path.write_bytes(b"".join(framed))
    paths = (str(path),)
    data = ForecastData(train_data_paths=paths, eval_data_paths=paths, sequence_length=3, missing_values=("-200",))
    assert firsts(reading.read(data, memory_limit).evaluation) == [0, 1, 2, 4, 5, 6, 8, 9]


@pytest.mark.parametrize("separator", [",", ";", "\t", None])
def test_words_become_nan_and_parts_of_words_do_not(separator: str | None) -> None:
    found = Missing.of(("NA", "-9999"))
    assert found is not None
    mark = separator or " "
    text = mark.join(["NA", "1", "na", "NAN", "2"]) + "\n" + mark.join(["3", "BANANA", "?", "5", "NA"])
    expected = mark.join(["nan", "1", "nan", "nan", "2"]) + "\n" + mark.join(["3", "BANANA", "nan", "5", "nan"])
    assert found.blanked(text, separator) == expected


def test_blank_fields_become_nan() -> None:
    found = Missing.of(("NA",))
    assert found is not None
    assert found.blanked(",1, ,\n,,2", ",") == "nan,1,nan,nan\nnan,nan,2"


def test_a_repeated_extreme_far_from_the_rest_is_told(caplog: pytest.LogCaptureFixture) -> None:
    ordinary = np.random.default_rng(1).normal(size=(1000, 2))
    ordinary[[5, 50, 500], 0] = -9999
    ordinary[[5, 50], 1] = 9999
    missing.tell_sentinels(("wv", "t"), ordinary)
    (line,) = caplog.messages
    assert line.startswith("Column wv: its minimum -9999 occurs 3 times, ")
    assert line.endswith("if it stands for no value, set --missing_values=-9999.")


def test_a_text_column_with_blanks_is_no_column_of_numbers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.csv"
    path.write_text("date,blank,note,v\n" + "".join(f"2020-01-{n:02d},,{'x' * (n % 2)},{n}\n" for n in range(1, 29)))
    assert reading.read(ForecastData(train_data_paths=(str(path),), lookback=2)).columns == ("v",)
    assert caplog.messages == [f"Column blank of {path} is left out: its first 28 rows hold no value."]
