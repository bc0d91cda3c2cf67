"""kubectl as a program of this machine: what it is given, what it says, and when it is not there."""

from __future__ import annotations

import json
import os
import pathlib

import pytest

from tests.launch.vertex_requests import ROOT
from trainer.launch import __main__ as launcher
from trainer.launch.kubernetes import kubectl

pytestmark = pytest.mark.process

# A cluster of one script: it keeps what is applied, and tells a job that is one step further at each look.
SCRIPT = """#!/bin/sh
cd {directory}
echo "$*" >> asked
case "$*" in
  *apply*) cat > applied; echo "job.batch/trainer created" ;;
  *" get "*|get*) number=$(wc -l < looked 2>/dev/null || echo 0); echo >> looked; cat "status.$number" ;;
  *delete*) echo 'job.batch "trainer" deleted' ;;
esac
"""


@pytest.fixture
def cluster(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The folder of a kubectl in PATH."""
    script = tmp_path / "kubectl"
    script.write_text(SCRIPT.format(directory=tmp_path))
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def looks(cluster: pathlib.Path, *conditions: str) -> None:
    for number, condition in enumerate(conditions):
        said = [{"type": condition, "status": "True", "message": f"it is {condition}"}] if condition else []
        status = {"conditions": said, "active": 1 if not condition else 0}
        (cluster / f"status.{number}").write_text(json.dumps({"status": status}))


WORDS = ["submit", "kubernetes", "--image=registry/trainer:1", "--output_dir=gs://my-bucket/run"]


def test_a_job_is_applied_and_followed_to_its_end(cluster: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    looks(cluster, "", "Complete")
    words = [*WORDS, "--context=mine", "--wait", "--poll_secs=0.01", "--worker=1", "--", "--train_steps=10"]
    assert launcher.main(words) == 0
    applied = json.loads((cluster / "applied").read_text())
    assert [item["kind"] for item in applied["items"]] == ["Service", "Job"]
    shown = capsys.readouterr()
    assert shown.out == "job.batch/trainer created\nwaiting; 1 active\ncomplete; it is Complete\n"
    assert "cancel: kubectl delete jobs.batch trainer --namespace=default" in shown.err
    asked = (cluster / "asked").read_text().splitlines()
    assert asked[0] == "--context=mine apply -f -"
    assert asked[1] == "--context=mine get jobs.batch trainer --namespace=default --output=json"


def test_a_failed_job_exits_with_1(cluster: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    looks(cluster, "Failed")
    assert launcher.main([*WORDS, "--wait", "--", "--train_steps=10"]) == 1
    assert "failed; it is Failed" in capsys.readouterr().out


def test_jobs_are_looked_at_and_ended_by_kind_and_name(
    cluster: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    looks(cluster, "Running")
    assert launcher.main(["status", "kubernetes", "tfjob/trainer", "--namespace=a"]) == 0
    assert launcher.main(["cancel", "kubernetes", "tfjob/trainer", "--namespace=a"]) == 0
    assert "TFJob trainer: running; it is Running" in capsys.readouterr().out
    assert (cluster / "asked").read_text().splitlines() == [
        "get tfjobs.kubeflow.org trainer --namespace=a --output=json",
        "delete tfjobs.kubeflow.org trainer --namespace=a --wait=false",
    ]


def test_without_kubectl_the_way_on_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert launcher.main([*WORDS, "--", "--train_steps=10"]) == 2
    assert (
        "kubectl is not installed. Accepted: kubectl in PATH. Install it, or print the manifest (--dry_run)"
        in capsys.readouterr().err
    )


def test_the_cluster_s_refusal_is_reported_in_its_words(
    cluster: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (cluster / "kubectl").write_text("#!/bin/sh\necho 'error: no context named mine' >&2\nexit 1\n")
    assert launcher.main([*WORDS, "--", "--train_steps=10"]) == 1
    assert "kubectl apply: error: no context named mine. kubectl config get-contexts" in capsys.readouterr().err


def test_an_edited_manifest_is_checked_and_applied(
    cluster: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = tmp_path / "edited.yaml"
    text = (ROOT / "tests" / "golden" / "kubernetes" / "tfjob.yaml").read_text()
    manifest.write_text(text)
    assert launcher.main(["submit", "kubernetes", f"--manifest={manifest}"]) == 0
    assert json.loads((cluster / "applied").read_text())["kind"] == "TFJob"
    manifest.write_text(text.replace("name: tensorflow", "name: main"))
    assert launcher.main(["submit", "kubernetes", f"--manifest={manifest}"]) == 2
    assert "edited.yaml:" in capsys.readouterr().err
    assert launcher.main(["submit", "kubernetes", f"--manifest={manifest}", "--image=a/b:1"]) == 2
    assert "--image=a/b:1 together with --manifest" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("conditions", "code"),
    [
        ([], None),
        ([("Created", "True"), ("Running", "True")], None),
        ([("Running", "False"), ("Succeeded", "True")], 0),
        ([("Complete", "True")], 0),
        ([("Failed", "True"), ("Complete", "False")], 1),
    ],
)
def test_conditions_say_when_and_how_a_job_ended(conditions: list[tuple[str, str]], code: int | None) -> None:
    entries = [{"type": kind, "status": status} for kind, status in conditions]
    assert kubectl.exit_code({"status": {"conditions": entries}}) == code


def test_replicas_of_a_tf_job_are_counted() -> None:
    job = {"status": {"replicaStatuses": {"Worker": {"active": 2, "selector": "a=b"}, "Chief": {}}}}
    assert kubectl.described(job) == "waiting; 2 Worker active"
