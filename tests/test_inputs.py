from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from trainer import inputs
from trainer.formats.schema import Schema
from trainer.formats.settings import ForecastData
from trainer.job.errors import DataError
from trainer.problems import forecasting

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
needs_shared_data = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data are not beside this repository")


def test_without_data_the_course_s_waves_are_written_and_trained_on(tmp_path: Path) -> None:
    data = ForecastData(train_batch_size=20)
    source = inputs.describe(data, str(tmp_path))
    assert (source.steps, source.horizon, source.standardized) == (9, 1, False)
    written = np.loadtxt(tmp_path / "data" / "valid.csv", delimiter=",", dtype=np.float32)
    ((features, labels),) = inputs.eval_input_fn(source, data).as_numpy_iterator()
    np.testing.assert_array_equal(np.concatenate([features["values"], labels], axis=1)[:, :, 0], written)
    assert inputs.train_input_fn(source, data).element_spec[0]["values"].shape == (20, 9, 1)
    assert inputs.test_input_fn(source, data) is None
    assert forecasting.baselines(source)["rmse_least_squares"] < 1e-8


def test_the_same_files_named_by_flags_are_the_same_data(tmp_path: Path) -> None:
    generated = ForecastData()
    sines = inputs.describe(generated, str(tmp_path))
    folder = tmp_path / "data"
    named = ForecastData(train_data_paths=(f"{folder}/train.csv",), eval_data_paths=(f"{folder}/valid.csv",))
    files = inputs.describe(named)
    assert all(getattr(files, field.name) == getattr(sines, field.name) for field in dataclasses.fields(Schema))
    first = next(inputs.train_input_fn(sines, generated).as_numpy_iterator())
    second = next(inputs.train_input_fn(files, named).as_numpy_iterator())
    np.testing.assert_array_equal(first[0]["values"], second[0]["values"])


def test_a_series_split_in_three_has_a_test_part(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("date,a\n" + "".join(f"2020-01-01,{n}\n" for n in range(100)))
    data = ForecastData(train_data_paths=(str(path),), lookback=5, eval_batch_size=7)
    test = inputs.test_input_fn(inputs.describe(data), data)
    assert test is not None
    assert [int(label) for _, labels in test.as_numpy_iterator() for label in labels[:, 0, 0]] == list(range(80, 100))


def test_a_fault_in_a_stream_is_located(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("1.0000000000,2.0000000000\n" * 50_000 + "1,x\n")
    data = ForecastData(train_data_paths=(str(path),), eval_data_paths=(str(path),), sequence_length=2)
    fault = forecasting.locate_fault(inputs.describe(data, memory_limit=1), "")
    assert isinstance(fault, DataError)
    assert "a.csv:50001, column 2: 'x' where a number belongs" in str(fault)


def test_a_served_model_is_asked_by_values_or_by_rows() -> None:
    import tensorflow as tf

    with tf.Graph().as_default():
        receiver = inputs.serving_input_receiver_fn(inputs.describe(ForecastData()))
    assert receiver.features["values"].shape.as_list() == [None, 9, 1]
    assert list(receiver.receiver_tensors) == ["values"]
    assert receiver.receiver_tensors_alternatives is not None
    assert receiver.receiver_tensors_alternatives["csv"]["rows"].dtype == tf.string


@needs_shared_data
@pytest.mark.parametrize(
    ("settings", "windows", "shape"),
    [
        ({"train_data_paths": ("ett/ETTh1.csv",), "lookback": 336, "horizon": 96,
          "split": (8640.0, 2880.0, 2880.0)}, 2785, (96, 7)),
        ({"train_data_paths": ("nab/nyc_taxi.csv",), "sequence_length": 50}, 2064, (1, 1)),
        ({"train_data_paths": ("household_power_daily/*.csv",), "lookback": 14, "horizon": 7,
          "target_columns": ("Global_active_power",)}, 282, (7, 1)),
        ({"train_data_paths": ("small_series/*.csv",), "lookback": 1}, 28, (1, 1)),
    ],
)  # fmt: skip
def test_real_series_are_read_by_flags_alone(
    settings: dict[str, tuple[str, ...]], windows: int, shape: tuple[int, int]
) -> None:
    paths = tuple(str(SHARED / path) for path in settings["train_data_paths"])
    data = ForecastData(**{**settings, "train_data_paths": paths})  # type: ignore[arg-type]
    source = inputs.describe(data)
    assert source.standardized
    test = inputs.test_input_fn(source, data)
    assert test is not None
    labels = [labels for _, labels in test.as_numpy_iterator()]
    assert sum(map(len, labels)) == windows
    assert labels[0].shape[1:] == shape
