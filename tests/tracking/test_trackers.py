"""Trackers are told of a run from a thread of their own; whatever is wrong with one costs a warning."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import pathlib
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from tensorboard.plugins.hparams import plugin_data_pb2

from trainer import task
from trainer.estimator.saving import events, job_directory
from trainer.job.config import RunSettings, TrackerKind
from trainer.job.errors import UsageError
from trainer.storage import framing
from trainer.tracking import tracker as trackers_there_are
from trainer.tracking.trackers import RECORD, Told, Trackers

FLAGS = ["--model=linear", "--save_checkpoints_steps=20", "--min_eval_frequency=0", "--exporter=", "--noreport"]


@pytest.fixture
def mlflow_store(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of a store of MLflow on disk."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file://{tmp_path}/mlruns")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.delenv("CLOUD_ML_TRIAL_ID", raising=False)
    from mlflow import MlflowClient

    yield MlflowClient()


def of_mlflow(client: Any) -> Any:
    experiment = client.get_experiment_by_name("trainer")
    (run,) = client.search_runs([experiment.experiment_id])
    return run


def test_a_run_and_what_continues_it_are_one_run_of_mlflow(
    mlflow_store: Any, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [f"--output_dir={tmp_path}/out", "--tracker=mlflow,tensorboard_hparams", *FLAGS]
    assert task.main([*argv, "--train_steps=40"]) == 0
    run = of_mlflow(mlflow_store)
    assert run.info.status == "FINISHED"
    assert (run.data.params["model"], run.data.params["train_steps"]) == ("linear", "40")
    assert run.data.metrics["baseline/rmse_mean"] > 0
    assert run.data.tags["checkpoint"].endswith("model.ckpt-40")
    assert {"rmse", "mae", "loss", "train/loss"} <= run.data.metrics.keys()

    assert task.main([*argv, "--train_steps=60", "--learning_rate=0.02"]) == 0
    run = of_mlflow(mlflow_store)
    assert run.info.status == "FINISHED"
    assert [point.step for point in mlflow_store.get_metric_history(run.info.run_id, "rmse")] == [20, 40, 60]
    assert run.data.tags["changed.learning_rate"] == "0.02"
    assert run.info.run_id == json.loads((tmp_path / "out" / RECORD).read_text())["mlflow"]
    assert "Training goes on" not in capsys.readouterr().err
    assert hparams_of(tmp_path / "out")["model"] == "linear"


def hparams_of(directory: pathlib.Path) -> dict[str, str]:
    """The settings that the newest session of the HParams plugin in a directory has."""
    found: dict[str, str] = {}
    for file in sorted(directory.glob("*tfevents*")):
        for record in framing.sound_records(str(file)):
            for value in events.Event.FromString(record).summary.value:
                if value.metadata.plugin_data.plugin_name == "hparams":
                    data = plugin_data_pb2.HParamsPluginData.FromString(value.metadata.plugin_data.content)
                    found |= {key: each.string_value for key, each in data.session_start_info.hparams.items()}
    return found


def test_a_tracker_that_is_down_costs_a_warning_and_no_step(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert task.main([f"--output_dir={tmp_path}/out", "--tracker=mlflow", "--train_steps=20", *FLAGS]) == 0
    said = capsys.readouterr().err
    assert said.count("Training goes on without it.") == 1
    assert (tmp_path / "out" / "summary.json").exists() and not (tmp_path / "out" / RECORD).exists()


@pytest.mark.process
def test_wandb_keeps_its_run_without_a_network(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    printed = sys.stdout, sys.stderr
    for _ in range(2):
        with Trackers([TrackerKind.WANDB], job_directory.on_disk(str(tmp_path)), "a run", {"units": (3, 4)}) as told:
            told.evaluated({"rmse": 0.5, "kind": "text", "nothing": float("nan"), "global_step": 7}, "model.ckpt-7")
            told.end("finished")
    kept = json.loads((tmp_path / RECORD).read_text())["wandb"]
    runs = [path.name for path in (tmp_path / "wandb").glob("offline-run-*")]
    assert runs and all(name.endswith(kept) for name in runs)
    assert (sys.stdout, sys.stderr) == printed


@dataclasses.dataclass
class Notebook:
    """A tracker that writes down what it is told, and fails at a step."""

    fails_at: int = -1
    told: list[Any] = dataclasses.field(default_factory=list)

    def begin(self, run_id: str | None, name: str, params: Mapping[str, str]) -> str | None:
        return run_id

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        if step == self.fails_at:
            raise SystemExit("down\nfor good")
        self.told.append((step, values))

    def end(self, status: str, facts: Mapping[str, str]) -> None:
        self.told.append(status)


def test_what_fails_once_is_told_of_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    notebook = Notebook(fails_at=1)
    told = Told(TrackerKind.MLFLOW, lambda: notebook)
    with caplog.at_level(logging.WARNING, "trainer"):
        for step in range(4):
            told.tell(lambda tracker, step=step: tracker.metrics({}, step))
        told.end(30.0)
    assert [step for step, _ in notebook.told] == [0, 2, 3]
    assert [record.message for record in caplog.records] == [
        "mlflow: SystemExit: down. Training goes on without it.",
        "mlflow was not told 1 times, as said above.",
    ]


def test_one_that_answers_nothing_is_left(caplog: pytest.LogCaptureFixture) -> None:
    hangs = threading.Event()
    told = Told(TrackerKind.WANDB, Notebook)
    told.tell(lambda tracker: hangs.wait() and None)
    with caplog.at_level(logging.WARNING, "trainer"):
        told.end(0.01)
    hangs.set()
    assert caplog.records[0].message == "wandb has not taken everything within 0 s, and is left."


def test_without_trackers_nothing_is_kept(tmp_path: pathlib.Path) -> None:
    with Trackers((), job_directory.on_disk(str(tmp_path)), "a run", {}) as told:
        told.metrics({"loss": 1.0}, 3)
        told.end("finished")
    assert os.listdir(tmp_path) == []


def test_a_damaged_record_begins_new_runs(tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / RECORD).write_text("[broken")
    with Trackers([TrackerKind.TENSORBOARD_HPARAMS], job_directory.on_disk(str(tmp_path)), "a run", {"units": 3}):
        pass
    assert "trackers.json is damaged: it is not JSON. Trackers begin new runs." in caplog.text
    assert hparams_of(tmp_path) == {"units": "3"}


def test_a_tracker_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(trackers_there_are._PACKAGES, TrackerKind.WANDB, "no_such_package")
    with pytest.raises(UsageError, match=r"pip install '\.\[wandb\]' where setup.py is, or leave the flag out"):
        trackers_there_are.require_installed([TrackerKind.WANDB])
    with pytest.raises(UsageError, match="--tracker=wandb,wandb names one twice"):
        RunSettings(tracker=(TrackerKind.WANDB, TrackerKind.WANDB))
