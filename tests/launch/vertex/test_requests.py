"""Requests to Vertex AI: golden files, the official types, and what stands where."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.cloud.aiplatform_v1 import types
from google.protobuf import json_format

from tests.conftest import Golden
from tests.launch import vertex_requests
from tests.vertex import discovery
from trainer.launch.vertex import requests as vertex
from trainer.launch.vertex import schemas


@pytest.mark.parametrize("name", vertex_requests.OPTIONS)
def test_each_request_is_as_in_its_golden_file(name: str, golden: Golden) -> None:
    request = vertex_requests.submission(name).request
    golden(f"vertex/{name}.json", json.dumps(request, indent=2) + "\n")


@pytest.mark.parametrize("name", vertex_requests.OPTIONS)
def test_the_official_types_take_each_request_and_give_it_back(name: str) -> None:
    request = vertex_requests.submission(name).request
    kind = types.HyperparameterTuningJob if name == "sweep" else types.CustomJob
    message = kind.pb(kind())
    json_format.ParseDict(request, message)  # strict: an unknown field is an error
    assert _as_numbers(json_format.MessageToDict(message)) == _as_numbers(request)


def test_empty_pools_hold_the_places_of_those_behind_them() -> None:
    pools = vertex_requests.submission("evaluator_alone").request["jobSpec"]["workerPoolSpecs"]
    assert [bool(pool) for pool in pools] == [True, False, False, True]
    assert pools[1] == pools[2] == {}


def test_with_an_evaluator_every_replica_is_reported_so() -> None:
    spec = vertex_requests.submission("cluster").request["jobSpec"]
    for pool in spec["workerPoolSpecs"]:
        assert pool["pythonPackageSpec"]["args"] == [*vertex_requests.ARGV, "--separate_evaluator"]
    alone = vertex_requests.submission("one").request["jobSpec"]["workerPoolSpecs"]
    assert alone[0]["pythonPackageSpec"]["args"] == vertex_requests.ARGV


def test_a_study_makes_a_tuning_job_and_none_a_custom_job() -> None:
    assert vertex.collection(vertex_requests.submission("sweep").request) == "hyperparameterTuningJobs"
    assert vertex.collection(vertex_requests.submission("one").request) == "customJobs"


def _as_numbers(value: Any) -> Any:
    """The value with texts of numbers as numbers, which JSON of protobuf mixes, and without what is as absent."""
    if isinstance(value, dict):
        unsaid = (False, "ALGORITHM_UNSPECIFIED")
        return {key: _as_numbers(item) for key, item in value.items() if item not in unsaid}
    if isinstance(value, list):
        return [_as_numbers(item) for item in value]
    return float(value) if isinstance(value, str) and value.isdecimal() else value


@pytest.mark.parametrize("kind", ["CustomJob", "HyperparameterTuningJob"])
def test_every_field_that_is_known_here_is_one_of_the_discovery_document_s(kind: str) -> None:
    ours = schemas.CUSTOM_JOB if kind == "CustomJob" else schemas.TUNING_JOB
    theirs = discovery.document("aiplatform.v1")["schemas"]
    assert _unknown(ours, {"$ref": f"GoogleCloudAiplatformV1{kind}"}, theirs, kind) == []


def _unknown(ours: Any, theirs: Any, all_of_them: Any, at: str) -> list[str]:
    """Fields of our schema that the service's lacks, or lets nobody set."""
    theirs = all_of_them[theirs["$ref"]] if "$ref" in theirs else theirs
    if isinstance(ours, list):
        return _unknown(ours[0], theirs["items"], all_of_them, at)
    if not isinstance(ours, dict):
        return []
    fields = theirs["properties"]
    wrong = [f"{at}.{name}" for name in ours if name not in fields or fields[name].get("readOnly")]
    known = [name for name in ours if name in fields]
    return wrong + [more for name in known for more in _unknown(ours[name], fields[name], all_of_them, f"{at}.{name}")]
