from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainer import inputs
from trainer.formats import baselines, reading
from trainer.formats.pipeline import datasets
from trainer.formats.records.tfrecords import example_class
from trainer.formats.settings import BadRowsPolicy, ForecastData
from trainer.formats.source import Source
from trainer.formats.text import bad_rows
from trainer.formats.text.bad_rows import BadRow
from trainer.job.errors import DataError, UsageError
from trainer.storage.framing import frame

MEMORY, STREAM = 1 << 20, 1


def sequences(folder: Path, bad: dict[int, str]) -> str:
    """Forty rows n, -n, n + 0.5, some of which are written as given."""
    rows = [bad.get(n, f"{n},{-n},{n + 0.5}") for n in range(40)]
    path = folder / "a.csv"
    path.write_text("\n".join(rows) + "\n")
    return str(path)


def example(n: float, **features: list[float]) -> bytes:
    made = example_class()()
    for name, values in {"values": [n, -n], "labels": [n + 0.5], **features}.items():
        made.features.feature[name].float_list.value.extend(values)
    return bytes(made.SerializeToString())


def records(folder: Path, framed: list[bytes]) -> str:
    path = folder / "a.tfrecord"
    path.write_bytes(b"".join(framed))
    return str(path)


def read(path: str, memory_limit: int = MEMORY, **settings: object) -> Source:
    chosen = {"bad_rows": BadRowsPolicy.SKIP, "max_bad_fraction": 0.2, "sequence_length": 3, **settings}
    return reading.read(ForecastData(train_data_paths=(path,), eval_data_paths=(path,), **chosen), memory_limit)  # type: ignore[arg-type]


def firsts(source: Source) -> list[float]:
    """The first value of each example that a pipeline evaluates on."""
    batches = datasets.evaluation(source.evaluation, 100)
    return np.concatenate([features["values"][:, 0, 0] for features, _ in batches]).tolist()


@pytest.mark.parametrize("memory_limit", [MEMORY, STREAM])
def test_bad_rows_of_sequences_are_left_out_of_training_and_evaluation(tmp_path: Path, memory_limit: int) -> None:
    source = read(sequences(tmp_path, {3: "1,2", 20: "1,x,3", 21: "1,2,"}), memory_limit)
    assert firsts(source) == [n for n in range(40) if n not in (3, 20, 21)]
    assert [(row.line, row.reason) for row in source.left_out[:3]] == [
        (4, "a row of 2 values"),
        (21, "column 2: 'x' where a number belongs"),
        (22, "column 3: no value"),
    ]
    assert baselines.score(source)["rmse_same_as_last"] > 0
    data = ForecastData(train_data_paths=("a.csv",), train_batch_size=37, num_epochs=1)
    ((features, _),) = datasets.training(source.train, data)
    assert sorted(np.asarray(features["values"])[:, 0, 0].tolist()) == firsts(source)


def test_the_first_bad_row_is_an_error_unless_they_are_skipped(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a.csv:4: a row of 2 values"):
        read(sequences(tmp_path, {3: "1,2"}), bad_rows=BadRowsPolicy.ERROR)


def test_more_bad_rows_than_allowed_are_an_error_with_their_count(tmp_path: Path) -> None:
    path = sequences(tmp_path, {3: "1,2", 4: "x,1,2"})
    with pytest.raises(DataError, match=r"Bad rows: 4 of 80, the first .*a.csv:4: a row of 2.*--max_bad_fraction"):
        read(path, max_bad_fraction=0.04)
    with pytest.raises(UsageError, match="--max_bad_fraction=1. Accepted: a fraction from 0 up, below 1"):
        read(path, max_bad_fraction=1.0)


def test_bad_rows_are_told_in_a_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = sequences(tmp_path, {3: "1,2"})
    read(path)
    assert caplog.messages == [f"Bad rows left out: 2 of 80 (2.5 %), the first {path}:4: a row of 2 values."]


def test_a_bad_row_of_a_series_takes_the_windows_that_touch_it(tmp_path: Path) -> None:
    path = tmp_path / "series.csv"
    rows = [f"2020-01-{n + 1:02d},{'oops' if n == 10 else n}" for n in range(20)]
    path.write_text("date,v\n" + "\n".join(rows) + "\n")
    data = ForecastData(train_data_paths=(str(path),), lookback=2, split=(0.8, 0.2), bad_rows=BadRowsPolicy.SKIP)
    with pytest.raises(DataError, match="Bad rows: 1 of 20"):
        reading.read(data)
    source = read(str(path), lookback=2)
    assert firsts(source) == [n for n in range(18) if n not in (8, 9, 10)]


@pytest.mark.parametrize("memory_limit", [MEMORY, STREAM])
def test_bad_records_are_left_out(tmp_path: Path, memory_limit: int) -> None:
    framed = [frame(example(n)) for n in range(40)]
    framed[5] = frame(b"no example")
    framed[6] = frame(example(6, labels=[1.0, 2.0]))
    framed[7] = frame(example(7).replace(b"values", b"volues"))
    source = read(records(tmp_path, framed), memory_limit)
    assert firsts(source) == [n for n in range(40) if n not in (5, 6, 7)]
    assert [row.line for row in source.left_out] == [6, 7, 8] * 2
    assert source.left_out[0].reason == "is not a tf.train.Example"


def test_a_damaged_record_is_left_out_and_what_is_behind_a_damaged_length_too(tmp_path: Path) -> None:
    framed = [frame(example(n)) for n in range(40)]
    framed[5] = framed[5][:-6] + b"\0" + framed[5][-5:]
    framed[37] = b"\xff" + framed[37][1:]
    source = read(records(tmp_path, framed))
    assert firsts(source) == [n for n in range(37) if n != 5]
    assert [(row.line, row.reason) for row in source.left_out[:2]] == [
        (6, "the checksum of its data is wrong"),
        (38, "the checksum of its length is wrong"),
    ]
    with pytest.raises(DataError, match="Bad rows: 8 of 80, the first .*: the checksum of its data is wrong"):
        read(records(tmp_path, framed), max_bad_fraction=0.09)


def test_a_damaged_record_that_would_be_streamed_is_an_error(tmp_path: Path) -> None:
    framed = [frame(example(n)) for n in range(40)]
    framed[5] = framed[5][:-6] + b"\0" + framed[5][-5:]
    with pytest.raises(
        DataError, match=r"a.tfrecord, record 6: the checksum of its data is wrong, in a file that is st"
    ):
        read(records(tmp_path, framed), STREAM)


def test_what_was_left_out_is_written_beside_the_run(tmp_path: Path) -> None:
    path = sequences(tmp_path, {3: "1,2"})
    data = ForecastData(
        train_data_paths=(path,),
        eval_data_paths=(path,),
        sequence_length=3,
        bad_rows=BadRowsPolicy.SKIP,
        max_bad_fraction=0.1,
    )
    for _ in range(2):
        inputs.describe(data, str(tmp_path / "run"))
        written = (tmp_path / "run" / bad_rows.FILE).read_text()
        assert written == f"source,line,reason\n{path},4,a row of 2 values\n" + f"{path},4,a row of 2 values\n"


def test_without_bad_rows_nothing_is_written(tmp_path: Path) -> None:
    bad_rows.write(str(tmp_path), ())
    assert not list(tmp_path.iterdir())
    bad_rows.write(str(tmp_path), (BadRow("a.csv", 1, 'a "word"'),))
    assert (tmp_path / bad_rows.FILE).read_text() == 'source,line,reason\na.csv,1,"a ""word"""\n'
