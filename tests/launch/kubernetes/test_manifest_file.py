"""Files of manifests for Kubernetes: what they hold, and the line of everything wrong in them."""

from __future__ import annotations

import pathlib

import pytest

from tests.launch.vertex_requests import ROOT
from trainer.job.errors import FindingsError
from trainer.launch.files import documents
from trainer.launch.kubernetes import manifest_file


@pytest.mark.parametrize("name", ["job", "tfjob", "jobset", "trainjob", "study_job"])
def test_golden_manifests_are_accepted(name: str) -> None:
    manifests, notes = manifest_file.read(str(ROOT / "tests" / "golden" / "kubernetes" / f"{name}.yaml"))
    assert manifests[-1]["metadata"]["name"] in ("forecast", "study")
    assert notes == ()


def test_a_list_is_read_as_its_manifests(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Namespace, metadata: {name: a}}\n"
    )
    ((manifest,), notes) = manifest_file.read(str(tmp_path / "a.yaml"))
    assert manifest["metadata"] == {"name": "a"} and notes == ()


def test_a_file_of_something_else_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.yaml").write_text("a: 1\n")
    with pytest.raises(FindingsError, match=r"a\.yaml:1:1: Not a manifest\. Accepted: apiVersion, kind"):
        manifest_file.read(str(tmp_path / "a.yaml"))


@pytest.mark.parametrize("text", ["a: 1\n", "- a\n", "text\n", "workerPoolSpecs: []\n"])
def test_what_is_no_manifest_is_left_to_others(text: str) -> None:
    (node,) = documents.parse(text.encode(), "a.yaml", [])
    assert manifest_file.check(node) is None
