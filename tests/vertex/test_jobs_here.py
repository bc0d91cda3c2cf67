"""Jobs from `submit` to their end, on a service whose machines are processes here; most without TensorFlow."""

from __future__ import annotations

import io
import pathlib
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.launch.vertex.test_submit import NAME, WHERE, services
from tests.launched import ROOT
from tests.runners.conftest import environment
from tests.vertex.replicas import Machines, Replicas
from tests.vertex.server import VertexService
from trainer.launch import __main__ as launcher
from trainer.launch.submission.options import ServiceOptions
from trainer.launch.vertex import handle as vertex_handle
from trainer.launch.vertex.handle import VertexJob
from trainer.launch.vertex.requests import Request

pytestmark = pytest.mark.process

IMAGE = "host.dev/p/stand-in:1"


@pytest.fixture
def service(tmp_path: pathlib.Path) -> Iterator[VertexService]:
    environ = {**environment(), "PYTHONPATH": str(ROOT)}
    machines = Machines(
        programs={IMAGE: [sys.executable, "-m", "tests.vertex.stand_in"]}, environ=environ, disks=tmp_path / "disks"
    )
    with VertexService(machines=machines) as service:
        yield service


@pytest.fixture
def study(tmp_path: pathlib.Path) -> str:
    """The flag that names a small one."""
    text = (ROOT / "tests" / "launch" / "vertex_sweep.yaml").read_text()
    path = tmp_path / "sweep.yaml"
    path.write_text(
        text.replace("maxTrials: 20", "maxTrials: 6").replace("maxParallelTrials: 4", "maxParallelTrials: 3")
    )
    return f"--config={path}"


def submit(service: VertexService, *words: str, wait: bool = True) -> int:
    own = [*WHERE, f"--image={IMAGE}", "--output_dir=gs://my-bucket/a", *services(service), *words]
    waits = ["--wait", "--poll_secs=0.05"] if wait else []
    return launcher.main(["submit", "vertex", *own, *waits, "--", "--train_steps=10"])


def submitted(service: VertexService, *words: str) -> VertexJob:
    assert submit(service, *words, wait=False) == 0
    at = ServiceOptions(endpoint=service.endpoint, logging_endpoint=service.endpoint)
    return vertex_handle.of_name(NAME, project="", region="", service=at)


def when(stream: io.StringIO, text: str, count: int, act: Callable[[], object]) -> Callable[[Request], bool]:
    """Never gives up, and acts once: when a text was said so many times."""
    done: list[object] = []

    def given_up(job: Request) -> bool:
        if not done and stream.getvalue().count(text) >= count:
            done.append(act())
        return False

    return given_up


def replicas(service: VertexService) -> Replicas:
    run = service.jobs.running(NAME)
    assert isinstance(run, Replicas)
    return run


def codes(service: VertexService) -> dict[str, list[int]]:
    return {name: replica.codes for name, replica in replicas(service).replicas.items()}


def test_a_cluster_s_replicas_meet_and_their_lines_are_shown_until_the_chief_has_ended(
    service: VertexService, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(service, "--worker=2", "--ps=1", "--evaluator=1") == 0
    out = capsys.readouterr().out
    assert "chief:0     | met 4 others" in out
    for who, place in (("worker:1", "workerpool1-1"), ("ps:0", "workerpool2-0"), ("evaluator:0", "workerpool3-0")):
        assert f"{who:<11} | is {place} with --train_steps=10 --separate_evaluator\n" in out
        assert f"{who:<11} | met the chief\n" in out
    assert out.rstrip().endswith("succeeded") or out.rstrip().splitlines()[-1].count("|")
    assert codes(service)["workerpool0-0"] == [0]
    assert len(codes(service)) == 5 and all(len(lives) == 1 for lives in codes(service).values())


def test_a_program_that_ends_with_2_ends_the_job_at_once_with_what_that_means(
    service: VertexService, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(service, "--env=STAND_IN=exit 2", "--fallback=us-east4") == 1
    assert "failed; replica workerpool0-0 exited with 2 (wrong configuration, data or usage" in capsys.readouterr().out
    assert codes(service) == {"workerpool0-0": [2]}


def test_a_machine_that_is_taken_away_is_replaced_and_its_replica_goes_on(service: VertexService) -> None:
    job, said = submitted(service, "--worker=1", "--env=STAND_IN=once"), io.StringIO()
    assert job.wait(said, poll_secs=0.05, given_up=when(said, "waits", 2, lambda: take_both(service))) == 0
    assert codes(service)["workerpool0-0"] == [143, 0]
    assert codes(service)["workerpool1-0"][0] == 143
    assert "service     | Restarting workerpool0-0, which exited with 143" in said.getvalue()


def take_both(service: VertexService) -> None:
    for name in ("workerpool0-0", "workerpool1-0"):
        replicas(service).take_machine(name)


def test_with_restarts_of_the_whole_job_every_replica_begins_again(service: VertexService) -> None:
    job, said = (
        submitted(service, "--worker=1", "--env=STAND_IN=once", "--restart_job_on_worker_restart"),
        io.StringIO(),
    )
    take = when(said, "waits", 2, lambda: replicas(service).take_machine("workerpool1-0"))
    assert job.wait(said, poll_secs=0.05, given_up=take) == 0
    assert {name: lives[0] for name, lives in codes(service).items()} == {"workerpool0-0": 143, "workerpool1-0": 143}


def test_a_replica_that_never_gets_further_ends_the_job_after_its_restarts(service: VertexService) -> None:
    assert submit(service, "--env=STAND_IN=exit 139") == 1
    assert codes(service) == {"workerpool0-0": [139] * 6}


def test_a_cancelled_job_s_processes_save_and_end(service: VertexService, capsys: pytest.CaptureFixture[str]) -> None:
    job, said = submitted(service, "--worker=1", "--env=STAND_IN=always"), io.StringIO()
    assert job.wait(said, poll_secs=0.05, given_up=when(said, "waits", 2, job.cancel)) == 1
    assert codes(service) == {"workerpool0-0": [143], "workerpool1-0": [143]}
    assert said.getvalue().count("saved") == 2 and "cancelled" in said.getvalue()
    assert not job.cancel()
    assert submit(service, wait=False) == 0, "the directory is free again"
    assert "now cancelled: its run is continued" in capsys.readouterr().err


def test_the_trials_of_a_study_get_their_values_as_flags_and_the_best_of_them_is_told(
    service: VertexService, study: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(service, study, "--env=MOST_RATE=0.05") == 0
    out = capsys.readouterr().out
    (job,) = service.jobs.found.values()
    scores = {
        trial["id"]: trial["finalMeasurement"]["metrics"][0]["value"]
        for trial in job["trials"]
        if trial["state"] == "SUCCEEDED"
    }
    best = min(scores, key=lambda number: (scores[number], number))
    assert 0 < len(scores) < len(job["trials"]) and f"best trial {best}: --learning-rate=" in out
    lines = [line for line in out.splitlines() if line.startswith("trial ") and " is workerpool0-0 with " in line]
    assert len(lines) == len(job["trials"])
    assert "--train_steps=10 --learning-rate=0." in lines[0] and "--train_batch_size=" in lines[0]


def test_a_study_of_which_too_many_trials_fail_fails(
    service: VertexService, study: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(service, study, "--env=STAND_IN=exit 1") == 1
    out = capsys.readouterr().out
    assert "trials: 6 infeasible of 6; Too many trials failed" in out and "best trial" not in out
