"""Whole jobs whose data, checkpoints, events and exports are in a bucket, on good days and bad ones."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.bucket.fixtures import bucket_server  # noqa: F401
from tests.bucket.process import BucketServer
from tests.cluster.conftest import Start
from tests.deadlines import JOB_SECS
from tests.launched import ROOT
from trainer import storage
from trainer.formats import sines

pytestmark = pytest.mark.process

RUN = "gs://bucket/run"
COMMITTED = re.compile(rb'^model_checkpoint_path: "model\.ckpt-(\d+)"', re.MULTILINE)

Task = subprocess.Popen[str]
Begin = Callable[..., Task]


@pytest.fixture(autouse=True)
def server(
    bucket_server: BucketServer,  # noqa: F811
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> BucketServer:
    monkeypatch.setenv("TRAINER_SCRATCH", str(tmp_path / "scratch"))
    for name, waves in zip(("train", "valid"), sines.rows(10), strict=True):
        rows = "".join(",".join(map(repr, row)) + "\n" for row in waves.tolist())
        storage.write(f"gs://bucket/data/{name}-00.csv", rows.encode())
    return bucket_server


@pytest.fixture
def begin(forking_python: pathlib.Path) -> Iterator[Begin]:
    """Starts `trainer.task` in a bucket; no process outlives the test.

    It is a fork of one that has imported TensorFlow, unless it shall be `fresh`.
    """
    with contextlib.ExitStack() as stack:

        def started(steps: int, *, fresh: bool = False, **flags: Any) -> Task:
            argv = [f"--{name}={value}" for name, value in {"train_steps": steps, **flags}.items()]
            python = sys.executable if fresh else forking_python
            command = [python, "-m", "trainer.task", f"--output_dir={RUN}", "--noreport", *DATA, *argv]
            task = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            stack.callback(task.wait)
            stack.callback(task.kill)
            return task

        yield started


SECRETS = ("-----BEGIN PRIVATE KEY-----planted", "planted-password", "ya29.planted-token")
DATA = [
    *("--train_data_paths=gs://bucket/data/train-*.csv", "--eval_data_paths=gs://bucket/data/valid-*.csv"),
    "--model=linear",
]


def ended(task: Task) -> tuple[int, str]:
    """Exit code and output."""
    output, _ = task.communicate(timeout=JOB_SECS)
    return task.returncode, output


def said(task: Task, pattern: str) -> str:
    """Reads the output up to a line that matches."""
    assert task.stdout is not None
    text = ""
    for line in task.stdout:
        text += line
        if re.search(pattern, line):
            return text
    raise AssertionError(f"no line matches {pattern!r} in:\n{text}")


def committed() -> int:
    found = COMMITTED.search(storage.read(f"{RUN}/checkpoint"))
    assert found is not None
    return int(found[1])


def record(name: str) -> dict[str, Any]:
    return json.loads(storage.read(f"{RUN}/{name}"))


def generations() -> dict[str, int]:
    return {entry.path: entry.generation for entry in storage.entries(RUN)}


def test_a_cluster_with_an_evaluator_lives_in_a_bucket_and_goes_on_there(start: Start) -> None:
    flags = [f"--output_dir={RUN}", *DATA, "--exporter=latest,best", "--min_eval_frequency=0", "--eval_delay_secs=0"]
    for steps in (600, 900):
        job = start(
            "--worker=1",
            "--ps=1",
            "--evaluator=1",
            task=[*flags, f"--train_steps={steps}", "--save_checkpoints_steps=300"],
        )
        job.completes()
        summary = record("summary.json")
        assert summary["global_step"] >= steps and summary["metrics"]["rmse"] < 0.2
        assert summary["checkpoint"] == f"{RUN}/model.ckpt-{summary['global_step']}"
        assert storage.exists(f"{summary['export_dir']}/saved_model.pb")
        assert committed() == summary["global_step"] == record("evaluator.json")["global_step"]
    assert len(storage.entries(f"{RUN}/eval/*tfevents*")) >= 2
    assert record("training_done.json")["reason"] == "max_steps"


def test_a_job_that_is_stopped_goes_on_from_the_bucket_on_another_machine(
    begin: Begin, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = begin(10**7, save_checkpoints_steps=500)
    said(first, r"step [\d,]+/10,000,000 \([0-9]+ %\) · ")
    first.terminate()
    assert ended(first)[0] == 143
    stopped = committed()
    monkeypatch.setenv("TRAINER_SCRATCH", str(tmp_path / "another-machine"))
    monkeypatch.setenv("AIP_MODEL_DIR", "gs://bucket/vertex/model/")
    monkeypatch.setenv("AIP_TENSORBOARD_LOG_DIR", "/gcs/bucket/vertex/logs/")
    monkeypatch.setenv("CLOUD_ML_HP_METRIC_FILE", "gs://bucket/vertex/output.metrics")
    code, text = ended(begin(stopped + 500, exporter="final"))
    assert code == 0 and record("summary.json")["global_step"] == stopped + 500 == committed(), text
    assert storage.read("gs://bucket/vertex/model/saved_model.pb") == storage.read(
        f"{record('summary.json')['export_dir']}/saved_model.pb"
    )
    assert storage.entries("gs://bucket/vertex/logs/*tfevents*") and storage.entries("gs://bucket/vertex/logs/eval/*")
    assert json.loads(storage.read("gs://bucket/vertex/output.metrics"))["global_step"] == str(stopped + 500)


def test_a_chief_that_was_stopped_and_replaced_changes_nothing_when_it_wakes(begin: Begin) -> None:
    zombie = begin(10**7, save_checkpoints_secs=1, fresh=True)  # a signal that no process can pass on
    said(zombie, r"step [\d,]+/10,000,000 \([0-9]+ %\) · ")
    os.kill(zombie.pid, signal.SIGSTOP)
    code, text = ended(begin(committed() + 500))
    assert code == 0, text
    before = generations()
    os.kill(zombie.pid, signal.SIGCONT)
    code, text = ended(zombie)
    assert code == 1 and f"trainer.task: Another process took over {RUN}" in text
    assert generations() == before


def test_while_the_bucket_is_down_for_good_a_job_trains_on_and_the_next_one_uploads(
    begin: Begin, server: BucketServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINER_DELIVERY_SECS", "1")
    task = begin(20_000, save_checkpoints_secs=1)
    said(task, r"step [\d,]+/20,000 \([0-9]+ %\) · ")
    server.set_faults(down_secs=None)
    code, text = ended(task)
    assert code == 143
    assert re.search(rf"model\.ckpt-20000 and \d+ other things could not be uploaded to {RUN} within 1 s", text), text
    (place,) = re.findall(r"it first uploads the local copies in (\S+)\.\s", text)
    assert pathlib.Path(place, "model.ckpt-20000.index").exists()
    server.set_faults()
    monkeypatch.delenv("TRAINER_DELIVERY_SECS")
    code, text = ended(begin(20_000, save_checkpoints_secs=1))
    assert code == 0 and "Nothing to do" in text, text
    assert committed() == record("summary.json")["global_step"] == 20_000
    assert record("training_done.json")["reason"] == "max_steps"


def test_no_secret_of_the_environment_is_told(
    begin: Begin, server: BucketServer, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    key = tmp_path / "key.json"
    key.write_text(json.dumps({"type": "service_account", "private_key": SECRETS[0]}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS_JSON", key.read_text())
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url.replace("http://", f"http://user:{SECRETS[1]}@"))
    monkeypatch.setenv("GOOGLE_AUTH_TOKEN_FOR_TESTING", SECRETS[2])
    trained, text = ended(begin(200))
    failed, more = ended(begin(400, learning_rate=1e30, optimizer="sgd", new_settings=True))
    assert (trained, failed) == (0, 1) and record("failure.json")["error"].startswith("NanLossError"), text + more
    told = (text + more).encode() + b"".join(storage.read(entry.path) for entry in storage.entries(RUN))
    for secret in SECRETS:
        assert secret.encode() not in told
