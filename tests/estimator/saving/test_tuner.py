"""The tuner's file: the library's lines, without the library's defects."""

from __future__ import annotations

import json
import logging
import os
import pathlib
from typing import Any

import hypertune
import pytest

from trainer.estimator.saving import tuner
from trainer.estimator.saving.tuner import TunerFile
from trainer.job.errors import UsageError

METRICS = ("rmse", "mae", "loss")


def lines(path: pathlib.Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def evaluation(rmse: float, step: int) -> dict[str, float]:
    return {"rmse": rmse, "mae": rmse, "loss": rmse * rmse, "global_step": step}


def reporter(tag: str = "rmse", metric: str | None = None, **settings: Any) -> TunerFile:
    return TunerFile(tag=tag, metric=metric or tag, **settings)


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "hypertune" / "output.metrics"


def test_a_line_is_what_the_library_writes(path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reporter(path=str(path), trial="3", tag="rmse")(evaluation(0.25, 100), "")
    (ours,) = lines(path)
    monkeypatch.setenv("CLOUD_ML_HP_METRIC_FILE", str(path))
    monkeypatch.setenv("CLOUD_ML_TRIAL_ID", "3")
    hypertune.HyperTune().report_hyperparameter_tuning_metric("rmse", 0.25, 100)
    (theirs,) = lines(path)
    timestamp = ours.pop("timestamp")
    assert isinstance(timestamp, float) and timestamp <= theirs.pop("timestamp")
    assert ours == theirs == {"rmse": "0.25", "checkpoint_path": "", "global_step": "100", "trial": "3"}


def test_earlier_lines_stay_across_restarts_and_beyond_a_hundred(path: pathlib.Path) -> None:
    for step in range(1, 131):
        reporter(path=str(path))(evaluation(1 / step, step), f"model.ckpt-{step}")
    assert [line["global_step"] for line in lines(path)] == [str(step) for step in range(1, 131)]


def test_a_reader_that_holds_the_file_open_sees_every_line(path: pathlib.Path) -> None:
    file = reporter(path=str(path))
    file(evaluation(0.5, 1), "model.ckpt-1")
    with path.open() as reader:  # as Katib's collector does, which decides on early stopping
        file(evaluation(0.4, 2), "model.ckpt-2")
        assert [json.loads(line)["rmse"] for line in reader] == ["0.5", "0.4"]
        file(evaluation(0.3, 3), "model.ckpt-3")
        assert [json.loads(line)["rmse"] for line in reader] == ["0.3"]


def test_lines_of_others_stay_as_they_are(path: pathlib.Path) -> None:
    path.parent.mkdir()
    path.write_text('{"rmse": "1.0", "trial": "1", "global_step": "5", "checkpoint_path": ""}\nno json')
    reporter(path=str(path))(evaluation(0.5, 5), "")
    first, second, third = path.read_text().splitlines()
    assert first.startswith('{"rmse": "1.0"') and second == "no json"
    assert json.loads(third)["trial"] == "0"


def test_an_evaluation_counts_once_also_after_a_restart(path: pathlib.Path) -> None:
    for _ in range(2):
        file = reporter(path=str(path))
        file(evaluation(0.5, 100), "model.ckpt-100")
        file(evaluation(0.4, 100), "model.ckpt-100")
    assert [line["rmse"] for line in lines(path)] == ["0.5"]


@pytest.mark.parametrize("other", [{"trial": "2"}, {"tag": "mae"}])
def test_another_trial_or_tag_has_a_line_of_its_own(path: pathlib.Path, other: dict[str, str]) -> None:
    reporter(path=str(path))(evaluation(0.5, 100), "")
    reporter(path=str(path), **other)(evaluation(0.5, 100), "")
    assert len(lines(path)) == 2


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_not_finite_is_never_written(
    path: pathlib.Path, caplog: pytest.LogCaptureFixture, value: float
) -> None:
    with caplog.at_level(logging.WARNING):
        reporter(path=str(path))(evaluation(value, 7), "")
    assert not path.exists()
    assert f"Not reported to the tuner: rmse is {value} at step 7." in caplog.text


def test_the_metric_of_the_tag_is_reported(path: pathlib.Path) -> None:
    reporter(path=str(path), tag="loss")(evaluation(0.5, 1), "")
    assert lines(path)[0]["loss"] == "0.25"


def test_the_tag_of_studies_that_name_none_carries_the_score(path: pathlib.Path) -> None:
    environ = {"CLOUD_ML_HP_METRIC_FILE": str(path), "CLOUD_ML_HP_METRIC_TAG": "training/hptuning/metric"}
    tuner.from_environment(environ, METRICS)(evaluation(0.5, 1), "")
    assert lines(path)[0]["training/hptuning/metric"] == "0.5"


def test_an_evaluation_without_the_metric_is_a_warning(path: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        reporter(path=str(path), tag="auc")({"loss": 1.0, "global_step": 1}, "")
    assert "Not reported to the tuner: the evaluation has no metric auc. It has global_step, loss." in caplog.text


def test_a_relative_path_starts_in_the_working_directory(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    reporter(path="output.metrics")(evaluation(0.5, 1), "")
    assert os.listdir(tmp_path) == ["output.metrics"]


def test_a_path_that_cannot_be_written_is_a_warning_with_the_fix(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING):
        reporter(path=str(tmp_path / "file" / "output.metrics"))(evaluation(0.5, 1), "")
    assert "output.metrics failed: Not a directory. Set CLOUD_ML_HP_METRIC_FILE" in caplog.text
    assert "Set CLOUD_ML_HP_METRIC_FILE to a file that can be written." in caplog.text


def test_nothing_but_the_file_is_left_in_its_directory(path: pathlib.Path) -> None:
    file = reporter(path=str(path))
    assert file.append(0.5, 1, "")
    assert not file.append(0.5, 1, "")
    assert os.listdir(path.parent) == ["output.metrics"]


@pytest.mark.parametrize(
    ("environ", "tag", "trial", "expected"),
    [
        ({}, None, None, reporter(path="/tmp/hypertune/output.metrics", trial="0", tag="rmse")),
        ({}, "mae", "4", reporter(trial="4", tag="mae")),
        ({"CLOUD_ML_HP_METRIC_TAG": "loss"}, None, None, reporter(tag="loss")),
        ({"CLOUD_ML_HP_METRIC_TAG": "loss"}, "mae", None, reporter(tag="mae")),
        (
            {"CLOUD_ML_HP_METRIC_FILE": "m", "CLOUD_ML_TRIAL_ID": "3", "CLOUD_ML_HP_METRIC_TAG": ""},
            None,
            "4",
            reporter(path="m", trial="3"),
        ),
    ],
)
def test_the_environment_names_file_trial_and_tag(
    environ: dict[str, str], tag: str | None, trial: str | None, expected: TunerFile
) -> None:
    assert tuner.from_environment(environ, METRICS, tag=tag, trial=trial) == expected


@pytest.mark.parametrize(
    ("environ", "tag", "message"),
    [
        ({}, "accuracy", "--hyperparameter_metric_tag=accuracy, which no evaluation of this problem reports"),
        ({"CLOUD_ML_HP_METRIC_TAG": "auc"}, None, "CLOUD_ML_HP_METRIC_TAG=auc.*Accepted: rmse, mae, loss"),
    ],
)
def test_a_tag_that_no_evaluation_reports_is_refused(environ: dict[str, str], tag: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        tuner.from_environment(environ, METRICS, tag=tag)


def test_the_default_file_is_not_written_through_a_link_of_another_user(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "hypertune").symlink_to(tmp_path / "target")
    monkeypatch.setattr(tuner, "DEFAULT_FILE", str(tmp_path / "hypertune" / "output.metrics"))
    reporter(path=tuner.DEFAULT_FILE)(evaluation(0.5, 1), "")
    assert f"Not reported to the tuner: {tmp_path}/hypertune is a link" in caplog.text
    assert "Set CLOUD_ML_HP_METRIC_FILE to a file that can be written." in caplog.text
    assert not list((tmp_path / "target").iterdir())
