"""Files of requests to Vertex AI: what they hold, and the line of everything wrong in them."""

from __future__ import annotations

import pathlib

import pytest

from tests.launch.vertex_requests import ROOT
from trainer.job.errors import UsageError
from trainer.job.findings import Finding
from trainer.launch import __main__ as launcher
from trainer.launch.files import documents, nodes
from trainer.launch.vertex import request_file

GCLOUD = """\
worker_pool_specs:
  - machine_spec:
      machine_type: n1-standard-4
    replica_count: 2
    container_spec:
      image_uri: registry/trainer:1
      args: [--train_steps=10]
base_output_directory:
  output_uri_prefix: my-bucket/run
"""


def errors_of(text: str) -> list[str]:
    found: list[Finding] = []
    (node,) = documents.parse(text.encode(), "job.yaml", found)
    return [str(finding) for finding in [*found, *(request_file.check(node) or ())]]


def test_a_job_spec_as_gcloud_takes_it_is_read_and_its_errors_have_lines() -> None:
    first, second = errors_of(GCLOUD)
    assert first.startswith("job.yaml:4:5: workerPoolSpecs[0].replicaCount: 2 chiefs. Accepted: exactly one")
    assert second.startswith("job.yaml:9:3: baseOutputDirectory.outputUriPrefix: 'my-bucket/run'")


def test_keys_of_labels_stay_as_they_are() -> None:
    text = 'display_name: a\nlabels: {cost_center: "1"}\njob_spec: {}\n'
    (node,) = documents.parse(text.encode(), "job.yaml", [])
    assert nodes.plain(request_file.camel(node)) == {"displayName": "a", "labels": {"cost_center": "1"}, "jobSpec": {}}


@pytest.mark.parametrize("text", ["a: 1\n", "- a\n", "text\n", "trainingInput: {}\n"])
def test_what_describes_no_job_is_left_to_others(text: str) -> None:
    (node,) = documents.parse(text.encode(), "a.yaml", [])
    assert request_file.check(node) is None


def test_a_request_s_file_becomes_its_body(tmp_path: pathlib.Path) -> None:
    (tmp_path / "job.yaml").write_text(GCLOUD)
    request = request_file.read(str(tmp_path / "job.yaml"), name="mine")
    assert request["displayName"] == "mine"
    assert request["jobSpec"]["workerPoolSpecs"][0]["machineSpec"] == {"machineType": "n1-standard-4"}


def test_a_file_of_something_else_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.yaml").write_text("a: 1\n")
    with pytest.raises(UsageError, match=r"a\.yaml does not hold a request to Vertex AI\. Accepted: a CustomJob"):
        request_file.read(str(tmp_path / "a.yaml"), name="a")


def test_the_command_line_checks_requests_and_manifests_too(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    golden = ROOT / "tests" / "golden"
    (tmp_path / "job.yaml").write_text(GCLOUD)
    assert (
        launcher.main(["validate", str(golden / "vertex" / "cluster.json"), str(golden / "kubernetes" / "tfjob.yaml")])
        == 0
    )
    assert launcher.main(["validate", str(tmp_path / "job.yaml")]) == 2
    assert "job.yaml:4:5: workerPoolSpecs[0].replicaCount: 2 chiefs" in capsys.readouterr().out
