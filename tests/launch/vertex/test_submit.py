"""`submit vertex`, `status`, `cancel` and `logs` as a person calls them, against a server on loopback."""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
import sys

import pytest

from tests.bucket.fixtures import BUCKET, bucket_server  # noqa: F401
from tests.bucket.process import BucketServer
from tests.deadlines import ANSWER_SECS
from tests.launch import vertex_requests
from tests.vertex.fixtures import vertex_service  # noqa: F401
from tests.vertex.server import Fault, VertexService
from trainer import storage
from trainer.launch import __main__ as launcher
from trainer.launch.packaging import archive

WHERE = ["--project=my-project", "--region=us-central1"]
ONE = [*WHERE, f"--image={vertex_requests.IMAGE}", "--output_dir=gs://my-bucket/runs/a"]
NAME = "projects/my-project/locations/us-central1/customJobs/1000"


def services(service: VertexService) -> list[str]:
    """Flags that name the service's address for all that is asked."""
    return [f"--{name}={service.endpoint}" for name in ("endpoint", "logging_endpoint")]


def submit(*words: str, task: tuple[str, ...] = ("--train_steps=10",)) -> int:
    return launcher.main(["submit", "vertex", *words, "--", *task])


def test_a_dry_run_prints_the_request_alone_and_sends_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert submit(*ONE, "--worker=1", "--dry_run") == 0
    shown = capsys.readouterr()
    pools = json.loads(shown.out)["jobSpec"]["workerPoolSpecs"]
    assert [pool["replicaCount"] for pool in pools] == [1, 1]
    assert "would POST to https://us-central1-aiplatform.googleapis.com/v1/projects/my-project/locations/" in shown.err
    assert "checked; nothing was sent" in shown.err


def test_a_dry_run_in_yaml_says_the_same_and_can_be_submitted_from_a_file(
    capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path
) -> None:
    assert submit(*ONE, "--dry_run") == 0
    as_json = json.loads(capsys.readouterr().out)
    assert submit(*ONE, "--dry_run", "--format=yaml") == 0
    (tmp_path / "job.yaml").write_text(capsys.readouterr().out)
    assert launcher.main(["submit", "vertex", *WHERE, f"--request={tmp_path}/job.yaml", "--dry_run"]) == 0
    assert json.loads(capsys.readouterr().out) == as_json


def test_a_study_in_a_file_is_checked_with_its_lines(
    capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path
) -> None:
    text = (vertex_requests.ROOT / "tests" / "golden" / "vertex" / "sweep.json").read_text()
    file = tmp_path / "sweep.json"
    file.write_text(text)
    assert launcher.main(["submit", "vertex", *WHERE, f"--request={file}", "--dry_run"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(text)
    file.write_text(text.replace('"learning-rate"', '"lerning-rate"'))
    assert launcher.main(["submit", "vertex", *WHERE, f"--request={file}", "--dry_run"]) == 2
    line = text[: text.index('"learning-rate"')].count("\n") + 1
    assert f"sweep.json:{line}:" in capsys.readouterr().err


@pytest.mark.process
def test_a_dry_run_loads_neither_tensorflow_nor_a_cloud_client() -> None:
    words = ["submit", "vertex", *ONE, "--executor_image=", "--dry_run", "--", "--train_steps=10"]
    code = (
        f"import sys; from trainer.launch import __main__ as m; assert m.main({words!r}) == 0; "
        "heavy = {'tensorflow', 'keras', 'numpy', 'google.auth', 'google.cloud.storage', 'requests', 'grpc'}; "
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=vertex_requests.ROOT, capture_output=True, text=True, timeout=ANSWER_SECS
    )
    assert done.returncode == 0, done.stderr


def test_the_package_of_this_source_is_named_by_its_content_without_being_uploaded(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [*WHERE, f"--executor_image={vertex_requests.EXECUTOR}", "--output_dir=gs://my-bucket/runs/a", "--dry_run"]
    assert submit(*words) == 0
    shown = capsys.readouterr()
    path = archive.build(archive.source_root(), {}).path_below("gs://my-bucket/runs/a/packages")
    (pool,) = json.loads(shown.out)["jobSpec"]["workerPoolSpecs"]
    assert pool["pythonPackageSpec"]["packageUris"] == [path]
    assert f"package: {path} (" in shown.err


def test_prices_of_the_person_make_an_estimate(capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path) -> None:
    (tmp_path / "prices.yaml").write_text("currency: EUR\nmachines: {n1-standard-4: 0.2}\ndisks: {pd-ssd: 0}\n")
    assert submit(*ONE, f"--prices={tmp_path}/prices.yaml", "--timeout=10h", "--dry_run") == 0
    assert "costs: about 0.20 EUR an hour, at most 2.00 EUR until --timeout" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([*ONE, "--train_steps=3"], "--train_steps=3 is a flag of the task. Accepted: such flags after --"),
        ([*ONE, "--dry_run", "--wait"], "--dry_run with --wait"),
        ([*ONE, "--format=yaml"], "--format=yaml without --dry_run"),
        ([*ONE, "--endpoint=localhost"], "--endpoint=localhost. Accepted: https:// or http://"),
        ([*ONE, "--worker=x"], "--worker=x. Accepted: a whole number"),
        ([*ONE, "--request=job.json"], "together with --request. Accepted: --project, --region and --name with it"),
        ([*WHERE, "--request=absent.json"], "absent.json: No such file or directory"),
    ],
)
def test_wrong_usage_is_reported_and_exits_with_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    task = () if any("--request" in word for word in words) else ("--train_steps=10",)
    assert submit(*words, task=task) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["submit"], "No target. Accepted: python -m trainer.launch submit vertex|kubernetes"),
        (["submit", "sagemaker"], "'sagemaker' is not a target"),
        (["status"], "No target. Accepted: python -m trainer.launch status vertex|kubernetes JOB"),
        (["cancel", "vertex"], "No job. Accepted"),
        (["status", "vertex", "my-job"], "'my-job' is not a job of Vertex AI. Accepted: a number, or projects/P"),
        (["logs", "vertex", "17", "--project=my-project", "--region=iowa"], "region: 'iowa'"),
        (["logs", "kubernetes", "pod/a"], "'pod' is not a kind of job. Accepted: job, tfjob"),
    ],
)
def test_wrong_targets_and_jobs_are_reported(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert launcher.main(argv) == 2
    assert message in capsys.readouterr().err


def test_a_job_is_submitted_followed_and_looked_at(
    vertex_service: VertexService,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    at = services(vertex_service)
    assert submit(*ONE, *at, "--wait", "--poll_secs=0.01") == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        NAME,
        *(f"2026-01-02 03:04:05  {state}" for state in ("queued", "pending", "running", "succeeded")),
    ]
    assert f"cancel: python -m trainer.launch cancel vertex {NAME}" in shown.err
    assert launcher.main(["status", "vertex", "1000", *WHERE, *at]) == 0
    assert re.fullmatch(rf"trainer-\d{{4}}-\d{{4}}-\w{{4}} \({NAME}\): succeeded\n", capsys.readouterr().out)
    assert launcher.main(["cancel", "vertex", NAME, *at]) == 0
    assert capsys.readouterr().out == f"{NAME} has ended already: succeeded\n"


def test_a_job_that_goes_on_is_cancelled(
    vertex_service: VertexService,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    at = services(vertex_service)
    assert submit(*ONE, *at) == 0
    assert launcher.main(["cancel", "vertex", NAME, *at]) == 0
    assert f"{NAME} is being cancelled" in capsys.readouterr().out
    assert launcher.main(["status", "vertex", NAME, *at]) == 1
    assert "cancelled" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("The replica workerpool0-0 exited with a non-zero status of 2. To find out more", "wrong configuration, data"),
        ("The replica workerpool1-3 exited with a non-zero status of 137.", "killed, most often for lack of memory"),
        ("The replica workerpool0-0 exited with a non-zero status of 42.", "not one of this package's codes"),
        ("Resources are insufficient in region: us-central1.", "Resources are insufficient in region: us-central1."),
    ],
)
def test_a_failed_job_says_why_in_words_and_exits_with_1(
    error: str,
    told: str,
    vertex_service: VertexService,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    vertex_service.jobs.life = ("JOB_STATE_RUNNING", "JOB_STATE_FAILED")
    vertex_service.jobs.error = {"code": 3, "message": error}
    assert submit(*ONE, *services(vertex_service), "--wait", "--poll_secs=0.01") == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert "failed; " in last and told in last


def test_a_study_tells_its_trials_and_the_best_of_them(
    vertex_service: VertexService,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    study = f"--config={pathlib.Path(__file__).parent.parent}/vertex_sweep.yaml"
    at = services(vertex_service)
    vertex_service.jobs.life = ("JOB_STATE_SUCCEEDED",)
    assert submit(*ONE, study, *at) == 0
    name = capsys.readouterr().out.strip()
    vertex_service.jobs.found[name]["trials"] = [
        {
            "id": str(number),
            "state": state,
            "parameters": [{"parameterId": "learning-rate", "value": number / 100}],
            "finalMeasurement": {"metrics": [{"metricId": "rmse", "value": value}]},
        }
        for number, state, value in ((1, "SUCCEEDED", 0.3), (2, "SUCCEEDED", 0.1), (3, "INFEASIBLE", 0.0))
    ]
    assert launcher.main(["status", "vertex", name.rpartition("/")[2], *WHERE, *at]) == 0
    assert "succeeded; trials: 1 infeasible, 2 succeeded of 20" in capsys.readouterr().out


def test_a_refusal_of_the_service_is_reported_in_words(
    vertex_service: VertexService,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    vertex_service.faults = [None, None, Fault(status=403, message="Permission 'aiplatform.customJobs.create' denied")]
    assert submit(*ONE, *services(vertex_service)) == 2
    assert (
        "trainer.launch submit: Not allowed: Permission 'aiplatform.customJobs.create' denied"
        in capsys.readouterr().err
    )


@pytest.mark.process
def test_the_package_is_uploaded_before_the_job_is_made(
    vertex_service: VertexService,  # noqa: F811
    bucket_server: BucketServer,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [*WHERE, f"--executor_image={vertex_requests.EXECUTOR}", f"--output_dir=gs://{BUCKET}/runs/a"]
    at = services(vertex_service)
    assert submit(*words, *at) == 0
    assert "package: uploaded: gs://" in capsys.readouterr().err
    (job,) = vertex_service.jobs.found.values()
    (uri,) = job["jobSpec"]["workerPoolSpecs"][0]["pythonPackageSpec"]["packageUris"]
    assert storage.read(uri) == archive.build(archive.source_root(), {}).content
    assert submit(*words, *at, "--same_output") == 0
    assert "package: is there: gs://" in capsys.readouterr().err
