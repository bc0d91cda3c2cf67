"""A job on a simulated Vertex AI: what it is told, failures and restarts, through to exports in the bucket."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re
import signal

import pytest

from tests.bucket.fixtures import BUCKET
from tests.bucket.process import BucketServer
from tests.deadlines import JOB_SECS
from tests.launch import vertex_requests
from tests.runners import places
from tests.runners.runner import Failure, Runner, newest_step, says
from trainer import storage
from trainer.launch.submission.options import ServiceOptions
from trainer.launch.vertex import submit as submit_vertex
from trainer.launch.vertex.requests import Request

BASE = f"gs://{BUCKET}/runs/a"
SHARED = ["--model=linear", "--seed=1", "--min_eval_frequency=0", "--noreport"]
LONG = [*SHARED, "--train_steps=1200", "--save_checkpoints_steps=150", "--exporter=final"]
SHORT = [*SHARED, "--train_steps=60", "--save_checkpoints_steps=20"]


def request_for(name: str, argv: list[str], **changes: object) -> Request:
    """The request that is submitted for one of the shared options, with the test's bucket in it."""
    chosen = dataclasses.replace(vertex_requests.OPTIONS[name], output_dir=BASE, **changes)  # type: ignore[arg-type]
    return submit_vertex.prepare(chosen, ServiceOptions(), argv, {}).request


def vertex_restarts(code: int) -> bool:
    """A replica that exits with anything but 0 is started again."""
    return code != 0


@pytest.mark.process
def test_a_cluster_survives_its_failures_and_leaves_its_model_in_the_bucket(
    forking_installed: pathlib.Path,
    addresses: list[str],
    environ: dict[str, str],
    bucket_server: BucketServer,
    tmp_path: pathlib.Path,
) -> None:
    request = request_for("cluster", [*LONG, "--eval_delay_secs=0"], worker=1)
    replicas = places.of_vertex(request, addresses)
    told = {**environ, **bucket_server.environ}
    with Runner(
        replicas, python=forking_installed, machines=tmp_path, environ=told, restarted=vertex_restarts
    ) as runner:
        failures = [
            Failure(name="workerpool1-0", when=says("workerpool0-0", r"^step \d+/")),
            Failure(name="workerpool0-0", when=lambda runner: newest_step(f"{BASE}/checkpoints") > 0),
        ]
        assert runner.run(*failures, secs=JOB_SECS) == 0, runner.log()
        assert runner.codes("workerpool0-0") == [137, 0], runner.log()
    done = json.loads(storage.read(f"{BASE}/checkpoints/training_done.json"))
    assert done["reason"] == "max_steps" and done["global_step"] >= 1200
    assert storage.exists(f"{BASE}/model/saved_model.pb")


@pytest.mark.process
def test_a_trial_of_a_sweep_has_a_folder_of_its_own(
    installed: pathlib.Path,
    addresses: list[str],
    environ: dict[str, str],
    bucket_server: BucketServer,
    tmp_path: pathlib.Path,
) -> None:
    request = request_for("sweep", SHORT, worker=0)
    (replica,) = places.of_vertex(
        request, addresses, trial="3", parameters=["--learning-rate=0.02", "--lstm_units=8.0"]
    )
    told = {**environ, **bucket_server.environ, "CLOUD_ML_HP_METRIC_FILE": str(tmp_path / "output.metrics")}
    with Runner([replica], python=installed, machines=tmp_path, environ=told, restarted=vertex_restarts) as runner:
        assert runner.run(secs=JOB_SECS) == 0, runner.log()
    assert storage.exists(f"{BASE}/3/model/saved_model.pb")
    summary = json.loads(storage.read(f"{BASE}/3/checkpoints/summary.json"))
    assert summary["params"]["learning_rate"] == 0.02 and summary["params"]["lstm_units"] == 8
    reported = [json.loads(line) for line in (tmp_path / "output.metrics").read_text().splitlines()]
    assert reported[-1]["trial"] == "3" and reported[-1]["global_step"] == "60" and "rmse" in reported[-1]


@pytest.mark.process
def test_a_job_that_cannot_work_says_why_and_ends_with_2(
    forking_installed: pathlib.Path,
    addresses: list[str],
    environ: dict[str, str],
    bucket_server: BucketServer,
    tmp_path: pathlib.Path,
) -> None:
    paths = [f"--train_data_paths=gs://{BUCKET}/none-*.csv", f"--eval_data_paths=gs://{BUCKET}/none-*.csv"]
    request = request_for("one", [*SHORT, *paths])
    told = {**environ, **bucket_server.environ}
    with Runner(
        places.of_vertex(request, addresses),
        python=forking_installed,
        machines=tmp_path,
        environ=told,
        restarted=vertex_restarts,
        most_restarts=1,
    ) as runner:
        assert runner.run(secs=JOB_SECS) == 2
        assert runner.codes("workerpool0-0") == [2, 2]
        assert f"gs://{BUCKET}/none-*.csv" in runner.said("workerpool0-0")
    failure = json.loads(storage.read(f"{BASE}/checkpoints/failure.json"))
    assert failure["role"] in ("chief", "worker") and "none-*.csv" in failure["error"]


@pytest.mark.process
def test_a_preempted_machine_saves_and_its_successor_goes_on(
    forking_installed: pathlib.Path,
    addresses: list[str],
    environ: dict[str, str],
    bucket_server: BucketServer,
    tmp_path: pathlib.Path,
) -> None:
    argv = ["--model=linear", "--train_steps=30000", "--save_checkpoints_steps=15000", "--seed=1", "--noreport"]
    request = request_for("one", argv)
    told = {**environ, **bucket_server.environ}
    with Runner(
        places.of_vertex(request, addresses),
        python=forking_installed,
        machines=tmp_path,
        environ=told,
        restarted=vertex_restarts,
    ) as runner:
        stop = Failure(name="workerpool0-0", when=says("workerpool0-0", "^step 1/"), signal=signal.SIGTERM)
        assert runner.run(stop, secs=JOB_SECS) == 0, runner.log()
        assert runner.codes("workerpool0-0") == [143, 0]
        assert len(re.findall("^step 1/", runner.said("workerpool0-0"), re.MULTILINE)) == 1, "the second began anew"
    done = json.loads(storage.read(f"{BASE}/checkpoints/training_done.json"))
    assert done["global_step"] == 30000
