from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from trainer.formats import reading
from trainer.formats.pipeline.windows import Windows
from trainer.formats.records.tfrecords import example_class
from trainer.formats.settings import DataFormat, ForecastData
from trainer.job.errors import DataError, JobError, UsageError
from trainer.storage.framing import frame

ROWS = "1,2,3\n" * 4
TABLE = "date,a\n" + "2020-01-01,3\n" * 30


def written(path: Path, content: str | bytes) -> str:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def records(count: int = 3) -> bytes:
    made = example_class()()
    made.features.feature["values"].float_list.value.extend([1, 2])
    made.features.feature["labels"].float_list.value.append(3)
    return frame(made.SerializeToString()) * count


def config(path: str, **changes: object) -> ForecastData:
    settings = {"train_data_paths": (path,), "eval_data_paths": (path,), "sequence_length": 3}
    return ForecastData(**{**settings, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "data_format"),
    [
        (ROWS, DataFormat.SEQUENCES),
        (TABLE, DataFormat.SERIES),
        ("date,0,1\n" + "2020-01-01,3,4\n" * 30, DataFormat.SERIES),
        (records(), DataFormat.EXAMPLES),
    ],
)
def test_the_format_is_seen_in_the_content(tmp_path: Path, content: str | bytes, data_format: DataFormat) -> None:
    assert reading.read(config(written(tmp_path / "data", content))).format is data_format


@pytest.mark.parametrize(
    ("content", "changes", "error", "message"),
    [
        ("1,x,3\n1,2,3\n", {}, DataError, "data:1, column 2: 'x' where a number belongs"),
        ("2020-01-01,3\n", {}, DataError, "data:1: no header, the first row is data"),
        (TABLE, {"data_format": DataFormat.SEQUENCES}, DataError, "data:1: a header .*in a file of sequences"),
        (ROWS, {"data_format": DataFormat.SERIES}, DataError, "data:1: no header, the first row is data"),
        (ROWS, {"data_format": DataFormat.EXAMPLES}, DataError, "data, record 1: .*Accepted: TFRecord files"),
        (records(), {"data_format": DataFormat.SERIES}, DataError, "is a TFRecord file, and --data_format=series"),
        (records(), {"data_format": DataFormat.SEQUENCES}, DataError, "TFRecord file, and --data_format=sequences"),
        (ROWS, {"eval_data_paths": ()}, UsageError, "names sequences, and there is no --eval_data_paths"),
        (records(), {"eval_data_paths": ()}, UsageError, "names examples, and there is no --eval_data_paths"),
        (
            ROWS,
            {"num_epochs": 2},
            DataError,
            "--num_epochs=2 of 4 examples fill no batch of 100.*--train_batch_size=8",
        ),
        (ROWS, {"eval_data_paths": ("gone.csv",)}, DataError, "--eval_data_paths: there is no file 'gone.csv'"),
    ],
)
def test_data_that_do_not_fit_the_settings_end_with_exit_code_2(
    tmp_path: Path, content: str | bytes, changes: dict[str, object], error: type[JobError], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        reading.read(config(written(tmp_path / "data", content), **changes))
    assert caught.value.exit_code == 2


def test_without_paths_the_course_s_waves_are_the_data() -> None:
    source = reading.read(ForecastData(sequence_length=12, horizon=2))
    assert (source.steps, source.horizon) == (10, 2)
    assert isinstance(source.train, Windows) and source.train.count == 1000
    with pytest.raises(UsageError, match="--data_format=series without --train_data_paths"):
        reading.read(ForecastData(data_format=DataFormat.SERIES))


def test_the_place_of_a_fault_in_a_stream_is_found(tmp_path: Path) -> None:
    good = written(tmp_path / "good.csv", ROWS)
    far = "1.0000000000,2.0000000000,3.0000000000\n" * 40_000
    bad = written(tmp_path / "bad.csv", far + "1,nan,3\n")
    data = config(good, train_data_paths=(good, bad))
    assert "bad.csv:40001, column 2: 'nan'" in str(reading.locate_fault(reading.read(data, memory_limit=1), ""))
    assert reading.locate_fault(reading.read(config(good), memory_limit=1), "") is None
    assert reading.locate_fault(reading.read(config(good)), "") is None


@pytest.mark.process
def test_reading_does_not_import_tensorflow(tmp_path: Path) -> None:
    paths = [written(tmp_path / name, content) for name, content in (("a", ROWS), ("b", TABLE), ("c", records()))]
    code = (
        "import sys; from trainer import inputs; from trainer.formats.settings import ForecastData\n"
        f"for path in {paths!r}:\n"
        "    inputs.describe(ForecastData(train_data_paths=(path,), eval_data_paths=(path,), sequence_length=3))\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    repository = Path(__file__).resolve().parents[2]
    ran = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
