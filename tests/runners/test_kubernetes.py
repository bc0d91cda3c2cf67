"""Jobs on simulated Kubernetes, through to exports in the bucket: every kind, failures, restarts, studies, no image."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sysconfig
import venv
from collections.abc import Iterator
from typing import Any

import pytest

from tests.bucket.fixtures import BUCKET
from tests.bucket.process import BucketServer
from tests.control_plane.fixtures import IMAGE, kubectl, stand_in  # noqa: F401
from tests.control_plane.plane import Plane
from tests.control_plane.resources import EXPERIMENTS, TRIALS
from tests.control_plane.store import condition
from tests.control_plane.test_controllers import KINDS, ended, said, send
from tests.deadlines import JOB_SECS
from tests.runners.runner import newest_step
from trainer import storage
from trainer.launch import __main__ as launcher
from trainer.launch.kubernetes import plan as kubernetes_plan
from trainer.launch.kubernetes.options import KubernetesOptions, Workload

pytestmark = pytest.mark.process

OUTPUT = f"gs://{BUCKET}/runs/k"
TASK = [
    "--model=linear",
    "--save_checkpoints_steps=250",
    "--seed=1",
    "--min_eval_frequency=0",
    "--eval_delay_secs=0",
    "--noreport",
]


@pytest.fixture
def plane(
    forking_installed: pathlib.Path, environ: dict[str, str], bucket_server: BucketServer, tmp_path: pathlib.Path
) -> Iterator[Plane]:
    """A cluster whose image has the package, at which kubectl points."""
    path = f"{forking_installed.parent}{os.pathsep}{environ['PATH']}"
    images = {IMAGE: ["python", "-P", "-m", "trainer.task"]}
    told = {**environ, **bucket_server.environ, "PATH": path}
    with Plane(tmp_path / "plane", images=images, environ=told) as running:
        yield running


def manifests(kind: Workload, steps: int, *flags: str, **settings: Any) -> list[dict[str, Any]]:
    what = KubernetesOptions(kind=kind, name="run", image=IMAGE, output_dir=OUTPUT, **settings)
    return kubernetes_plan.prepare(what, [*TASK, f"--train_steps={steps}", *flags]).manifests


def finished(directory: str = OUTPUT) -> dict[str, object]:
    done: dict[str, object] = json.loads(storage.read(f"{directory}/training_done.json"))
    assert any(entry.path.endswith("/saved_model.pb") for entry in storage.entries(f"{directory}/export"))
    return done


def test_a_tf_job_goes_on_when_a_worker_is_asked_to_end(plane: Plane) -> None:
    job = send(plane, manifests(Workload.TFJOB, 1500, "--exporter=final", worker=1, evaluator=1))
    plane.wait_for(lambda: newest_step(OUTPUT) > 0, JOB_SECS)
    (worker,) = [pod for pod in plane.pods() if pod["metadata"]["name"] == "run-worker-0"]
    plane.kubelet.send(worker, signal.SIGTERM)
    assert ended(plane, Workload.TFJOB, job, JOB_SECS) == "Succeeded", plane.told()
    plane.wait_for(lambda: plane.kubelet.running == 0, JOB_SECS)
    assert (finished()["reason"], finished()["global_step"]) == ("max_steps", 1500)
    assert "Evaluated step 1,500" in said(plane)  # by the evaluator, or the chief in its stead


def test_an_indexed_job_finds_its_roles_and_survives_a_killed_chief(plane: Plane) -> None:
    job = send(plane, manifests(Workload.JOB, 1500, "--exporter=final", worker=1, ps=1, evaluator=1))
    plane.wait_for(lambda: newest_step(OUTPUT) > 0, JOB_SECS)
    (chief,) = [pod for pod in plane.pods() if pod["metadata"]["name"].startswith("run-0-")]
    plane.kubelet.send(chief, signal.SIGKILL)
    assert ended(plane, Workload.JOB, job, JOB_SECS) == "Complete", plane.told()
    assert "Serving as worker 0" in said(plane) and "Serving as ps 0" in said(plane)
    assert finished()["reason"] == "max_steps"


@pytest.mark.parametrize("kind", [Workload.JOBSET, Workload.TRAINJOB])
def test_other_kinds_train_with_a_worker(kind: Workload, plane: Plane) -> None:
    job = send(plane, manifests(kind, 60, worker=1))
    assert ended(plane, kind, job, JOB_SECS) == KINDS[kind][1], plane.told()
    assert finished()["global_step"] == 60


def test_a_study_of_katib_trains_its_trials_and_reports_their_metric(plane: Plane, tmp_path: pathlib.Path) -> None:
    config = tmp_path / "study.yaml"
    params = "[{parameterName: learning_rate, type: DOUBLE, minValue: 0.01, maxValue: 0.02}]"
    config.write_text(
        "trainingInput: {hyperparameters: {goal: MINIMIZE, hyperparameterMetricTag: rmse, maxTrials: 2, "
        f"maxParallelTrials: 2, params: {params}}}}}\n"
    )
    experiment = send(plane, manifests(Workload.JOB, 60, config=str(config)))
    name = experiment["metadata"]["name"]

    def has_ended() -> bool:
        now = plane.store.get(EXPERIMENTS, "default", name)
        return condition(now, "Succeeded") or condition(now, "Failed")

    plane.wait_for(has_ended, JOB_SECS)
    status = plane.store.get(EXPERIMENTS, "default", name)["status"]
    assert (status["trialsSucceeded"], status["trialsFailed"]) == (2, 0), plane.told()
    rates = set()
    for trial in plane.store.listed(TRIALS):
        directory = f"{OUTPUT}/{trial['metadata']['name']}"
        rates.add(json.loads(storage.read(f"{directory}/summary.json"))["params"]["learning_rate"])
        assert finished(directory)["global_step"] == 60
    assert rates == {0.01, 0.015}
    reported = list(plane.kubeconfig.parent.glob("machines/*/volumes/metrics-volume/metrics.jsonl"))
    assert len(reported) == 2 and all("rmse" in json.loads(path.read_text().splitlines()[-1]) for path in reported)


def test_without_an_image_each_process_installs_the_source_and_the_problem(
    bucket_server: BucketServer,
    environ: dict[str, str],
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    kubectl: None,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    problem = tmp_path / "mine.py"
    problem.write_text("from trainer.model import PROBLEM\nprint('my own problem')\n__all__ = ['PROBLEM']\n")
    told = {**environ, **bucket_server.environ, **_plain_python(tmp_path)}
    with Plane(tmp_path / "plane", images={"python:3.12-slim": ["python3"]}, environ=told) as plane:
        monkeypatch.setenv("KUBECONFIG", str(plane.kubeconfig))
        words = ["submit", "kubernetes", "--python_image=python:3.12-slim", f"--output_dir={OUTPUT}", "--wait"]
        task = ["--", "--train_steps=60", f"--problem={problem}", *TASK]
        assert launcher.main([*words, "--poll_secs=3", *task]) == 0, plane.told()
    assert finished()["global_step"] == 60
    shown = capsys.readouterr()
    assert "chief-0    | my own problem" in shown.out and f"package: uploaded: {OUTPUT}/packages/" in shown.err


def _plain_python(directory: pathlib.Path) -> dict[str, str]:
    """Variables with which `python` is one that lacks the package, and pip installs it without asking a registry."""
    venv.create(directory / "venv", with_pip=False, symlinks=True)
    python = directory / "venv" / "bin" / "python"
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.check_output([python, "-c", code], text=True).strip()
    pathlib.Path(site, "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    offline = {
        "PIP_NO_DEPS": "1",
        "PIP_NO_COMPILE": "1",
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    return offline | {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}", "TMPDIR": str(directory)}
